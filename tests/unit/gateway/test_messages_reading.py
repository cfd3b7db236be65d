from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.errors import OutputBlocked, ReleaseCut
from headgate.gateway.model import ObjectKind, Refusal, Settings
from headgate.gateway.wire.messages.reading import CountReading, MessagesReading
from headgate.gateway.wire.sse import Frames
from headgate.gateway.wire.surface import Created, NotAnAnswer, Piece, Usage, texts_of

SETTINGS = Settings(worker="w1", end_user_key=b"k" * 32, appeal_url="https://example.org/appeal")
BLOCKED = Refusal(OutputBlocked("A rule on weapons matched.", rule="rules/chemical-1", help="Say so."))
CUT = Refusal(ReleaseCut("The release of atlas was cut.", rule="release state"))


def a_reading(*, texts: bool = True, kept: dict[str, int] | None = None) -> MessagesReading:
    return MessagesReading(model="atlas", texts=texts, kept=kept)


def event(name: str, **members: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **members})}\n\n".encode()


def started(**usage: Any) -> bytes:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "up", "content": [], "stop_reason": None}
    return event("message_start", message={**message, "usage": usage or {"input_tokens": 7, "output_tokens": 1}})


def block(index: int, **members: Any) -> bytes:
    return event("content_block_start", index=index, content_block={"type": "text", "text": "", **members})


def delta(index: int, kind: str, **members: Any) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **members})


def stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


def stopped(reason: str | None = "end_turn", **usage: Any) -> bytes:
    return event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=usage or {"output_tokens": 5})


STOP = event("message_stop")
WHOLE = [started(), block(0), delta(0, "text_delta", text="Hel"), delta(0, "text_delta", text="lo."), stop(0), stopped(), STOP]


def fed(reading: MessagesReading, *events: bytes) -> list[Piece]:
    return [piece for frame in Frames().feed(b"".join(events)) for piece in reading.frame(frame).pieces]


def read(events: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for frame in events.decode().split("\n\n")[:-1]:
        name, data = frame.split("\n")
        value = json.loads(data.removeprefix("data: "))
        assert name == f"event: {value['type']}"
        found.append(value)
    return found


def test_a_stream_is_read_to_its_end() -> None:
    reading = a_reading()

    pieces = fed(reading, *WHOLE)

    assert pieces == [Piece("0/text", "Hel"), Piece("0/text", "lo.")]
    assert (reading.usage, reading.ended, reading.complete, reading.failed) == (Usage(7, 5), True, True, False)
    assert reading.created() == ()


@pytest.mark.parametrize("texts", [True, False])
def test_what_is_known_before_the_stop_reason_is_no_count(texts: bool) -> None:
    reading = a_reading(texts=texts)

    fed(reading, *WHOLE[:5], stopped(None))

    assert (reading.usage, reading.complete) == (None, False)
    fed(reading, stopped())
    assert (reading.usage, reading.complete, reading.ended) == (Usage(7, 5), True, False)


@pytest.mark.parametrize(
    ("first", "last", "usage"),
    [
        ({"input_tokens": 7, "output_tokens": 1}, {"output_tokens": 5}, Usage(7, 5)),
        (
            {"input_tokens": 7, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 300, "output_tokens": 1},
            {"output_tokens": 5},
            Usage(327, 5),
        ),
        (
            {"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": None},
            {"input_tokens": 32, "output_tokens": 16},
            Usage(32, 16),
        ),
        ({"input_tokens": 100}, {"input_tokens": 20, "cache_read_input_tokens": 80, "output_tokens": 5}, Usage(100, 5)),
        ({"input_tokens": 7}, {}, None),
        ({"input_tokens": -7, "output_tokens": 1}, {"output_tokens": 5}, None),
        ({"input_tokens": 7}, {"output_tokens": 2**40}, None),
        ({"input_tokens": 7}, {"output_tokens": "many"}, None),
        ({"output_tokens": 1}, {"output_tokens": 5}, None),
    ],
)
def test_counts_are_cumulative_and_garbage_is_no_count(first: dict[str, Any], last: dict[str, Any], usage: Usage | None) -> None:
    reading = a_reading(texts=False)
    end = event("message_delta", delta={"stop_reason": "end_turn"}, usage=last)

    fed(reading, started(**first), end, STOP)

    assert (reading.usage, reading.ended) == (usage, True)


def test_what_the_server_did_besides_is_counted() -> None:
    iterations = [
        {"type": "compaction", "input_tokens": 60_000, "output_tokens": 500},
        {"type": "message", "input_tokens": 600, "cache_read_input_tokens": 12, "output_tokens": 2800},
    ]
    reading = a_reading()

    fed(reading, started(input_tokens=612), stopped(input_tokens=612, output_tokens=2800, iterations=iterations))

    assert reading.usage == Usage(60_612, 3300)


def test_iterations_of_another_shape_leave_the_count() -> None:
    reading = a_reading()

    fed(reading, started(), stopped(output_tokens=5, iterations={"many": True}))

    assert reading.usage == Usage(7, 5)


def test_every_text_is_told_on_a_channel_of_its_own() -> None:
    reading = a_reading()

    pieces = fed(
        reading,
        started(),
        event("ping"),
        block(0, type="thinking", text=None, thinking="", signature=""),
        delta(0, "thinking_delta", thinking="Let me "),
        delta(0, "thinking_delta", thinking="see."),
        delta(0, "signature_delta", signature="c2ln"),
        stop(0),
        block(1, type="redacted_thinking", text=None, data="c2VhbGVk"),
        block(2, citations=[]),
        delta(2, "text_delta", text="It is "),
        delta(2, "citations_delta", citation={"type": "char_location", "cited_text": "cited", "encrypted_index": "x"}),
        delta(2, "text_delta", text="so."),
        block(3, type="tool_use", text=None, id="toolu_1", name="weather", input={}),
        delta(3, "input_json_delta", partial_json='{"city":'),
        delta(3, "input_json_delta", partial_json='"Bern"}'),
        block(4, type="code_execution_tool_result", text=None, content={"stdout": "42", "stderr": "!", "encrypted_stdout": "x"}),
        block(5, type="compaction", text=None, content=None),
        delta(5, "compaction_delta", content="In short"),
        delta(6, "hologram_delta", light="glow"),
        event("something_new", note="news"),
        event(
            "message_delta", delta={"stop_reason": "refusal", "stop_details": {"type": "refusal", "explanation": "why"}}, usage={}
        ),
    )

    assert texts_of(pieces) == [
        "Let me see.",
        "It is so.",
        "cited",
        "weather",
        '{"city":"Bern"}',
        "42",
        "!",
        "In short",
        "glow",
        "news",
        "why",
    ]


def test_texts_that_come_all_at_once_are_told() -> None:
    reading = a_reading()

    pieces = fed(reading, started(), block(0, text="Whole."), block(1, type="tool_use", text=None, input={"city": "Bern"}))

    assert texts_of(pieces) == ["Whole.", '{"city": "Bern"}']


def test_nobody_is_told_of_text_that_nobody_wants() -> None:
    assert fed(a_reading(texts=False), *WHOLE) == []


def test_an_error_is_an_end() -> None:
    reading = a_reading()

    fed(reading, *WHOLE[:3], event("error", error={"type": "overloaded_error", "message": "Overloaded"}))

    assert (reading.failed, reading.ended, reading.complete, reading.usage) == (True, True, True, None)


@pytest.mark.parametrize(
    "data", [b"data: [DONE]\n\n", b": keep-alive\n\n", b"event: ping\ndata:\n\n", b'data: {"x":1}\n\n', b"\n\n"]
)
def test_what_is_not_of_the_protocol_and_harms_nobody_passes(data: bytes) -> None:
    reading = a_reading()
    fed(reading, *WHOLE)

    assert [reading.frame(frame).forward for frame in Frames().feed(data)] in ([True], [])
    assert (reading.ended, reading.failed) == (True, False)


@pytest.mark.parametrize("data", [b"data: <html>\n\n", b"data: [1]\n\n", b'data: {"type":\n\n', b"data: 7\n\n"])
def test_what_is_not_an_object_is_no_answer(data: bytes) -> None:
    with pytest.raises(NotAnAnswer):
        fed(a_reading(), data)


@pytest.mark.parametrize(
    "odd",
    [
        event("content_block_delta", index="first", delta={"type": "text_delta", "text": "odd"}),
        event("content_block_delta", index=0, delta={"type": ["text_delta"], "text": "odd"}),
        event("content_block_delta", index=0, delta={"type": {}, "data": "odd"}),
        event("content_block_delta", index=0, delta="odd"),
        event("content_block_start", index=None, content_block=["odd"]),
        event("message_start", message="odd"),
        event("message_start", message={"id": 7, "content": "odd"}),
        event("message_delta", delta=["odd"]),
        b'data: {"type":7,"text":"odd"}\n\n',
    ],
)
def test_text_in_an_odd_shape_is_told_all_the_same(odd: bytes) -> None:
    pieces = fed(a_reading(), odd)

    assert [piece.text for piece in pieces if piece.text == "odd"] == ["odd"]


def test_half_a_character_is_text() -> None:
    data = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\\ud83d!"}}\n\n'

    assert texts_of(fed(a_reading(), data)) == ["?!"]


def test_what_the_upstream_keeps_is_told_before_it_is_shown() -> None:
    reading = a_reading(kept={"turns": 2, "tokens": 30})

    fed(reading, started())
    assert reading.created() == (Created(ObjectKind.MESSAGE, "msg_1", {"turns": 2, "tokens": 30}),)

    result = {"type": "code_execution_result", "content": [{"type": "code_execution_output", "file_id": "file_1"}]}
    fed(reading, block(0, type="code_execution_tool_result", text=None, content=result))
    assert reading.created() == (Created(ObjectKind.FILE, "file_1"),)

    fed(
        reading,
        event("message_delta", delta={"stop_reason": "end_turn", "container": {"id": "container_1"}}, usage={"output_tokens": 1}),
    )
    assert reading.created() == (Created(ObjectKind.CONTAINER, "container_1"),)
    assert reading.created() == ()


def test_a_message_that_is_not_kept_is_nobodys() -> None:
    reading = a_reading()

    fed(reading, *WHOLE)

    assert reading.created() == ()


# A whole message.


def a_message(**members: Any) -> bytes:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "up",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
            {"type": "text", "text": "Hello."},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 5},
    }
    return json.dumps({**message, **members}).encode()


def test_a_whole_message_is_read() -> None:
    reading = a_reading()

    pieces = reading.whole(b"\n   \n" + a_message(container={"id": "container_1", "expires_at": "soon"}))

    assert texts_of(pieces) == ["Hm.", "Hello.", "weather", '{"city": "Bern"}']
    assert (reading.usage, reading.failed) == (Usage(10, 5), False)
    assert reading.created() == (Created(ObjectKind.CONTAINER, "container_1"),)


def test_an_error_in_a_message_is_told() -> None:
    reading = a_reading()

    reading.whole(json.dumps({"type": "error", "error": {"type": "api_error", "message": "No."}}).encode())

    assert (reading.failed, reading.usage) == (True, None)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"a":'])
def test_a_body_that_is_no_object_is_no_message(body: bytes) -> None:
    with pytest.raises(NotAnAnswer):
        a_reading().whole(body)


def test_a_withheld_message_keeps_its_counts_and_none_of_its_text() -> None:
    withheld = json.loads(a_reading().withheld_whole(a_message(odd="secret"), BLOCKED, SETTINGS))

    assert (withheld["content"], withheld["stop_reason"], withheld["stop_sequence"]) == ([], "refusal", None)
    assert (withheld["id"], withheld["model"], withheld["usage"]["output_tokens"]) == ("msg_1", "up", 5)
    assert (withheld["stop_details"]["type"], withheld["stop_details"]["explanation"]) == (
        "refusal",
        "A rule on weapons matched.",
    )
    assert withheld["stop_details"]["headgate"]["rule"] == "rules/chemical-1"
    assert not any(text in json.dumps(withheld) for text in ("Hello", "Hm.", "Bern", "secret"))


# Ends that are not the upstream's own.


def test_a_cut_is_an_error_event() -> None:
    (error,) = read(a_reading().cut(CUT, SETTINGS, type_="access_revoked"))

    assert (error["error"]["type"], error["error"]["message"]) == ("access_revoked", "The release of atlas was cut.")
    assert error["error"]["details"]["headgate"]["code"] == "release.cut"


@pytest.mark.parametrize("shown", range(len(WHOLE)))
@pytest.mark.parametrize("texts", [True, False])
def test_a_stream_is_withheld_well_formed_whatever_was_shown(shown: int, texts: bool) -> None:
    reading = a_reading(texts=texts)
    fed(reading, *WHOLE[:shown])

    events = read(b"".join(WHOLE[:shown]) + reading.withheld(BLOCKED, SETTINGS))

    assert [each["type"] for each in events].count("message_start") == 1
    assert events[0]["type"] == "message_start"
    assert [each["type"] for each in events[-2:]] == ["message_delta", "message_stop"]
    assert events[-2]["delta"]["stop_reason"] == "refusal"
    assert events[-2]["usage"]["output_tokens"] >= 0
    starts = [each["index"] for each in events if each["type"] == "content_block_start"]
    stops = [each["index"] for each in events if each["type"] == "content_block_stop"]
    assert starts == stops


def test_a_stream_of_which_nothing_was_shown_is_withheld_as_an_empty_message() -> None:
    first, last, _ = read(a_reading().withheld(BLOCKED, SETTINGS))

    assert (first["message"]["model"], first["message"]["content"], first["message"]["stop_reason"]) == ("atlas", [], None)
    assert last["delta"]["stop_details"]["headgate"]["code"] == "output.blocked"


def test_a_stream_that_has_ended_is_not_ended_again() -> None:
    reading = a_reading()
    fed(reading, *WHOLE)

    assert reading.withheld(BLOCKED, SETTINGS) == b""


@given(
    texts=st.lists(st.text(min_size=1, max_size=20), max_size=6),
    kinds=st.lists(st.sampled_from(["text", "thinking", "partial_json"]), min_size=1, max_size=4),
    padding=st.integers(0, 60),
)
def test_no_text_is_missed_and_none_is_told_twice(texts: list[str], kinds: list[str], padding: int) -> None:
    events = [started()]
    for index, kind in enumerate(kinds):
        events.append(block(index, type="text"))
        events += [delta(index, "some_delta", **{kind: text})[:-2] + b" " * padding + b"\n\n" for text in texts]
        events.append(stop(index))
    reading = a_reading()

    pieces = fed(reading, *events, stopped(), STOP)

    assert texts_of(pieces) == ["".join(texts) for _ in kinds if texts]
    assert reading.usage == Usage(7, 5)


@given(st.binary(max_size=60))
def test_bytes_of_any_kind_are_read_or_refused(data: bytes) -> None:
    reading = a_reading()
    try:
        for frame in Frames().feed(b"data: " + data + b"\n\n"):
            reading.frame(frame)
        reading.whole(data)
    except NotAnAnswer:
        pass


# Counting.


def test_a_count_is_read_and_no_token_of_it_is_charged() -> None:
    reading = CountReading()

    assert reading.whole(b'{"input_tokens":19,"context_management":null}') == ()
    assert reading.usage == Usage(0, 0)
    assert json.loads(reading.withheld_whole(b'{"input_tokens":19,"x":"y"}', BLOCKED, SETTINGS)) == {"input_tokens": 19}


@pytest.mark.parametrize("body", [b"", b"{}", b'{"input_tokens":"19"}', b'{"input_tokens":-1}', b"19"])
def test_what_is_no_count_is_no_answer(body: bytes) -> None:
    reading = CountReading()

    with pytest.raises(NotAnAnswer):
        reading.whole(body)
    assert reading.usage is None


def test_a_count_is_not_streamed() -> None:
    reading = CountReading()

    with pytest.raises(NotAnAnswer):
        reading.frame(Frames().feed(STOP)[0])
    assert (reading.complete, reading.created()) == (False, ())
    assert read(reading.withheld(CUT, SETTINGS))[0]["error"]["type"] == "permission_error"
