"""A responses answer as it is read: what it used, what it made, all of its text once, and ends that fit what was shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import omit
from openai._models import construct_type_unchecked  # pyright: ignore[reportPrivateUsage]
from openai.lib.streaming.responses._responses import ResponseStreamState  # pyright: ignore[reportPrivateUsage]
from openai.types.responses import ResponseStreamEvent

from headgate.gateway.errors import OutputBlocked
from headgate.gateway.model import ObjectKind, Refusal, Settings
from headgate.gateway.wire.responses import ResponsesReading
from headgate.gateway.wire.sse import Frame, Frames
from headgate.gateway.wire.surface import Created, NotAnAnswer, Piece, Usage, texts_of
from headgate.testing.small_model.answer import SmallModel
from headgate.testing.small_model.prose import PROSE
from headgate.testing.small_model.responses import Asked, Responses

SETTINGS = Settings(worker="w1", end_user_key=b"k")
BLOCKED = Refusal(OutputBlocked("A rule matched.", rule="rules/1"))
MODEL = Responses(SmallModel(PROSE))
WEATHER = {"type": "function", "name": "get_weather", "parameters": {"properties": {"city": {"type": "string"}}}}
ASKED = (
    Asked("m", "Tell me of the gate."),
    Asked("m", "Tell me of the gate.", reasoning={"summary": "auto"}),
    Asked("m", "get_weather", tools=[WEATHER], reasoning={"summary": "auto"}),
    Asked("m", "Tell me of the gate.", max_output_tokens=4),
)


def a_reading(*, texts: bool = True, store: bool = True, background: bool = False, late: bool | None = None) -> ResponsesReading:
    return ResponsesReading(texts=texts, store=store, turns=3, background=background, late=late)


def frame(value: Any) -> Frame:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Frame(b"data: " + data + b"\n\n", data)


def response(status: str = "completed", **members: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "status": status, "output": [], **members}


def last(kind: str = "completed", **members: Any) -> Frame:
    return frame({"type": f"response.{kind}", "response": response(kind, **members)})


def read_all(events: list[dict[str, Any]], reading: ResponsesReading | None = None) -> list[Piece]:
    reading = reading or a_reading()
    return [piece for event in events for piece in reading.frame(frame(event)).pieces]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 3, "output_tokens": 4}, Usage(3, 4)),
        ({"input_tokens": 3}, Usage(3, 0)),
        ({"input_tokens": -3, "output_tokens": 4}, None),
        ({"input_tokens": 3.5, "output_tokens": 4}, None),
        ({"input_tokens": True, "output_tokens": 4}, None),
        ({"input_tokens": 10**12, "output_tokens": 4}, None),
        ("lots", None),
        (None, None),
    ],
)
def test_usage_is_believed_only_when_it_can_be(usage: Any, expected: Usage | None) -> None:
    streamed, whole = a_reading(), a_reading()
    streamed.frame(last(usage=usage))
    whole.whole(json.dumps(response(usage=usage)).encode())

    assert streamed.usage == whole.usage == expected


@pytest.mark.parametrize(
    ("event", "ended", "failed"),
    [
        ({"type": "response.completed", "response": response()}, True, False),
        ({"type": "response.incomplete", "response": response("incomplete")}, True, False),
        ({"type": "response.failed", "response": response("failed")}, True, True),
        ({"type": "response.cancelled", "response": response("cancelled")}, True, False),
        ({"type": "response.in_progress", "response": response("in_progress", error=None)}, False, False),
        ({"type": "error", "code": "x", "message": "no"}, False, True),
        ({"error": {"message": "no"}, "status_code": 400}, False, True),
        ({"type": "response.x_new", "error": None}, False, False),
        (b"[DONE]", True, False),
    ],
)
def test_ends_and_errors_are_told_apart(event: Any, ended: bool, failed: bool) -> None:
    reading = a_reading()

    assert reading.frame(frame(event)).forward
    assert (reading.ended, reading.failed, reading.complete) == (ended, failed, ended or failed)


@pytest.mark.parametrize("data", [b"nonsense", b'{"type":', b"[]", b"3", b'"x"', b"[" * 100_000])
def test_what_is_no_event_is_no_answer(data: bytes) -> None:
    with pytest.raises(NotAnAnswer):
        a_reading(texts=False).frame(frame(data))
    with pytest.raises(NotAnAnswer):
        a_reading().whole(data)


@pytest.mark.parametrize(
    "event",
    [
        {"type": 5, "sequence_number": "x", "response": "y", "item": [1]},
        {"type": "response.output_item.added", "output_index": "z", "item": None},
        {"type": "response.content_part.done", "output_index": 0, "content_index": None, "part": 3},
        {"type": "response.output_text.delta", "delta": None},
        {"type": "response.completed", "response": {"id": 5, "output": {}, "usage": [], "store": "yes"}},
        {},
    ],
)
def test_an_event_that_is_not_what_it_should_be_passes(event: dict[str, Any]) -> None:
    reading = a_reading()

    assert reading.frame(frame(event)).forward
    assert reading.withheld(BLOCKED, SETTINGS)
    assert reading.cut(BLOCKED, SETTINGS, type_=None)


def test_comments_and_empty_frames_pass() -> None:
    reading = a_reading()

    for each in (Frame(b": hi\n\n", None), Frame(b"data: \n\n", b""), Frame(b"data:  \n\n", b" ")):
        assert reading.frame(each) == (True, ())


def test_a_kept_response_and_its_items_are_told_once_and_again_at_the_end() -> None:
    reading = a_reading()
    reading.frame(frame({"type": "response.created", "response": response("in_progress", store=True)}))
    first = reading.created()
    reading.frame(frame({"type": "response.output_item.added", "item": {"id": "msg_1"}}))
    second = reading.created()
    reading.frame(last(store=True, output=[{"id": "msg_1"}], usage={"input_tokens": 3, "output_tokens": 4}))

    assert first == (Created(ObjectKind.RESPONSE, "resp_1", {"turns": 3, "background": False, "tokens": 0}),)
    assert second == (Created(ObjectKind.RESPONSE_ITEM, "msg_1"),)
    assert reading.created() == (Created(ObjectKind.RESPONSE, "resp_1", {"turns": 3, "background": False, "tokens": 7}),)
    assert reading.created() == ()


@pytest.mark.parametrize(("store", "said"), [(False, None), (True, False), (False, False)])
def test_what_is_not_kept_is_not_told(store: bool, said: bool | None) -> None:
    reading = a_reading(store=store)
    told: dict[str, Any] = {} if said is None else {"store": said}
    reading.whole(json.dumps({**response(output=[{"id": "msg_1"}]), **told}).encode())

    assert reading.created() == ()


def test_a_container_is_told_of_whether_or_not_the_response_is_kept() -> None:
    reading = a_reading(store=False)
    output = [
        {"type": "code_interpreter_call", "id": "ci_1", "container_id": "cntr_1"},
        {"type": "shell_call", "id": "sh_1", "environment": {"type": "container_reference", "container_id": "cntr_2"}},
    ]
    reading.whole(json.dumps(response(output=output)).encode())

    assert reading.created() == (Created(ObjectKind.CONTAINER, "cntr_1"), Created(ObjectKind.CONTAINER, "cntr_2"))


def running(reading: ResponsesReading) -> list[bool]:
    """Return what was told of running responses: whether they are over."""
    return [created.detail["over"] for created in reading.created() if created.kind is ObjectKind.RUNNING_RESPONSE]


def test_a_response_in_the_background_runs_until_its_end_is_seen() -> None:
    reading = a_reading(background=True)
    reading.frame(frame({"type": "response.queued", "response": response("queued")}))
    assert running(reading) == [False]
    reading.frame(last())
    assert running(reading) == [True]


def test_a_response_in_the_background_that_is_ready_at_once_never_ran() -> None:
    reading = a_reading(background=True)
    reading.whole(json.dumps(response()).encode())

    assert running(reading) == []


@pytest.mark.parametrize(("late", "over", "usage"), [(True, [True], Usage(3, 4)), (False, [], Usage(0, 0))])
def test_whoever_reads_it_later_counts_it_if_nobody_has(late: bool, over: list[bool], usage: Usage) -> None:
    reading = a_reading(background=late, late=late)
    reading.whole(json.dumps(response("in_progress")).encode())
    assert (running(reading), reading.usage) == ([], Usage(0, 0))
    reading.whole(json.dumps(response(usage={"input_tokens": 3, "output_tokens": 4})).encode())

    assert (running(reading), reading.usage) == (over, usage)


PLACES: list[tuple[str, str, dict[str, Any], str, dict[str, Any]]] = [
    ("output_text", "text", {"content_index": 1}, "content", {"type": "output_text"}),
    ("refusal", "refusal", {"content_index": 1}, "content", {"type": "refusal"}),
    ("reasoning_text", "text", {"content_index": 1}, "content", {"type": "reasoning_text"}),
    ("reasoning_summary_text", "text", {"summary_index": 1}, "summary", {"type": "summary_text"}),
]


@pytest.mark.parametrize(("name", "member", "index", "holder", "part"), PLACES)
def test_a_text_that_is_told_three_times_is_told_once(
    name: str, member: str, index: dict[str, Any], holder: str, part: dict[str, Any]
) -> None:
    at = {"output_index": 2, "item_id": "it_1", **index}
    item = {"type": "x", holder: [{}, {**part, member: "Hello."}]}
    pieces = read_all(
        [
            {"type": f"response.{name}.delta", **at, "delta": "Hel"},
            {"type": f"response.{name}.delta", **at, "delta": "lo."},
            {"type": f"response.{name}.done", **at, member: "Hello."},
            {"type": "response.output_item.done", "output_index": 2, "item": item},
            {"type": "response.completed", "response": response(output=[{}, {}, item])},
        ]
    )

    assert pieces == [Piece(f"2/{holder}/1/{member}", "Hel"), Piece(f"2/{holder}/1/{member}", "lo.")]


@pytest.mark.parametrize(
    ("name", "member", "item"),
    [
        ("function_call_arguments", "arguments", {"type": "function_call"}),
        ("mcp_call_arguments", "arguments", {"type": "mcp_call"}),
        ("custom_tool_call_input", "input", {"type": "custom_tool_call"}),
        ("code_interpreter_call_code", "code", {"type": "code_interpreter_call"}),
    ],
)
def test_what_calls_say_is_told_once(name: str, member: str, item: dict[str, Any]) -> None:
    at = {"output_index": 0, "item_id": "it_1"}
    pieces = read_all(
        [
            {"type": f"response.{name}.delta", **at, "delta": "print"},
            {"type": f"response.{name}.done", **at, member: "print(1)"},
            {"type": "response.output_item.done", "output_index": 0, "item": {**item, member: "print(1)"}},
        ]
    )

    assert texts_of(pieces) == ["print(1)"]


def test_text_that_stands_only_in_the_end_is_not_missed() -> None:
    output = [
        {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "one", "annotations": [{"title": "two"}]}]},
        {"type": "reasoning", "encrypted_content": "zzz", "summary": [{"text": "three"}], "content": [{"text": "four"}]},
        {"type": "mcp_call", "arguments": "five", "output": "six", "name": "seven"},
        {"type": "shell_call", "action": {"commands": ["eight"]}},
        {
            "type": "code_interpreter_call",
            "code": "nine",
            "outputs": [{"type": "logs", "logs": "ten"}, {"url": "data:;base64,x"}],
        },
        {"type": "image_generation_call", "result": "zzz", "revised_prompt": "eleven"},
        {"type": "x_unheard_of", "deep": [{"er": "twelve"}]},
    ]
    expected = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]

    assert texts_of(read_all([{"type": "response.completed", "response": response(output=output)}])) == expected
    assert texts_of(a_reading().whole(json.dumps(response(output=output)).encode())) == expected


def test_an_end_that_says_something_else_is_told_as_well() -> None:
    at = {"output_index": 0, "content_index": 0}
    pieces = read_all(
        [
            {"type": "response.output_text.delta", **at, "delta": "Hello."},
            {"type": "response.output_text.done", **at, "text": "Goodbye."},
        ]
    )

    assert texts_of(pieces) == ["Hello.", "Goodbye."]


def test_an_event_that_nobody_knows_is_text_as_a_whole() -> None:
    pieces = read_all(
        [
            {"type": "response.x_new.delta", "output_index": 1, "item_id": "i", "delta": {"deep": ["a"]}, "obfuscation": "zz"},
            {"type": "response.x_new.delta", "output_index": 1, "delta": {"deep": ["b"]}},
        ]
    )

    assert texts_of(pieces) == ["ab"]
    plain = {"type": "response.x_newer.delta", "output_index": 1, "delta": "c", "aside": "d"}
    assert texts_of(read_all([plain])) == ["c", "d"]


def test_pictures_and_sound_are_not_taken_for_text() -> None:
    pieces = read_all(
        [
            {"type": "response.audio.delta", "delta": "UklGRg=="},
            {"type": "response.image_generation_call.partial_image", "partial_image_b64": "iVBORw0KGgo="},
        ]
    )

    assert pieces == []


def test_nobody_pays_for_text_that_nobody_wants() -> None:
    assert read_all([{"type": "response.output_text.delta", "delta": "Hel"}], a_reading(texts=False)) == []


@given(st.text(min_size=1), st.data())
def test_however_a_text_is_split_it_is_told_once(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    at = {"output_index": 0, "content_index": 0}
    item = {"type": "message", "content": [{"type": "output_text", "text": text}]}
    pieces = read_all(
        [
            *({"type": "response.output_text.delta", **at, "delta": part} for part in parts),
            {"type": "response.output_text.done", **at, "text": text},
            {"type": "response.completed", "response": response(output=[item])},
        ]
    )

    assert "".join(texts_of(pieces)) == text or text.startswith("data:")


def test_a_cut_stands_where_the_api_and_where_the_client_looks() -> None:
    reading = a_reading(texts=False)
    reading.frame(frame({"type": "response.created", "sequence_number": 7, "response": response("in_progress")}))
    raw = reading.cut(BLOCKED, SETTINGS, type_="access_revoked")
    (last_frame,) = Frames().feed(raw)

    assert raw.startswith(b"event: error\n")
    assert last_frame.data is not None
    said = json.loads(last_frame.data)
    assert (said["type"], said["sequence_number"], said["code"], said["message"]) == (
        "error",
        8,
        "output.blocked",
        "A rule matched.",
    )
    assert (said["error"]["type"], said["error"]["code"]) == ("access_revoked", "output.blocked")


def test_an_answer_withheld_carries_nothing_that_was_said() -> None:
    answer = response(output=[{"content": "secret"}], x_new="secret", output_text="secret", model="m", metadata={"a": "b"})
    said = json.loads(a_reading().withheld_whole(json.dumps(answer).encode(), BLOCKED, SETTINGS))

    assert "secret" not in json.dumps(said)
    assert (said["status"], said["output"], said["incomplete_details"]) == ("incomplete", [], {"reason": "content_filter"})
    assert (said["id"], said["model"], said["metadata"], said["headgate"]["code"]) == (
        "resp_1",
        "m",
        {"a": "b"},
        "output.blocked",
    )


@settings(deadline=None)  # the client builds its types when it first sees an event
@given(st.sampled_from(ASKED), st.integers(min_value=0, max_value=200))
def test_a_stream_withheld_anywhere_ends_as_the_client_expects(asked: Asked, shown: int) -> None:
    frames = Frames().feed(b"".join(MODEL.make(asked, created=1).stream()))
    shown = min(shown, len(frames) - 1)
    reading = a_reading()
    for each in frames[:shown]:
        reading.frame(each)
    end = Frames().feed(reading.withheld(BLOCKED, SETTINGS))
    events = [json.loads(each.data or b"") for each in (*frames[:shown], *end)]

    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] == "response.incomplete"
    assert events[-1]["response"]["incomplete_details"] == {"reason": "content_filter"}
    added = {event["output_index"] for event in events if event["type"] == "response.output_item.added"}
    done = {event["output_index"]: event["item"] for event in events if event["type"] == "response.output_item.done"}
    assert added == set(done)
    assert events[-1]["response"]["output"] == [done[index] for index in sorted(done)]
    for index, item in done.items():
        for at, part in enumerate(item.get("content", [])):
            said = [e["delta"] for e in events if e["type"] == "response.output_text.delta" and e["output_index"] == index]
            assert (at, part["text"]) == (0, "".join(said))
    client = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in events:
        client.handle_event(construct_type_unchecked(type_=ResponseStreamEvent, value=event))  # pyright: ignore[reportArgumentType]


@given(st.sampled_from(ASKED), st.integers(min_value=1, max_value=40))
def test_the_pieces_of_a_stream_are_the_text_of_the_response(asked: Asked, size: int) -> None:
    made = MODEL.make(asked, created=1)
    stream = b"".join(made.stream())
    frames, reading, streamed = Frames(), a_reading(), list[Piece]()
    for start in range(0, len(stream), size * 16):
        for each in frames.feed(stream[start : start + size * 16]):
            streamed += reading.frame(each).pieces

    assert sorted(texts_of(streamed)) == sorted(texts_of(a_reading().whole(made.whole())))
    assert reading.usage == Usage(made.body["usage"]["input_tokens"], made.tokens)
