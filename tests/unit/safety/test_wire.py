from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.safety.wire.bodies import request_passages, response_passages, texts
from headgate.safety.wire.plain import collapsed, plain

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
KEYS = st.sampled_from(
    ["messages", "choices", "delta", "message", "content", "tool_calls", "function", "arguments", "index", "role"]
)
CHATLIKE = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)


def frames(*chunks: object, end: str = "\n\n") -> bytes:
    return "".join(f"data: {json.dumps(chunk)}{end}" for chunk in chunks).encode() + f"data: [DONE]{end}".encode()


def delta(index: int = 0, **fields: object) -> dict[str, object]:
    return {"id": "x", "object": "chat.completion.chunk", "choices": [{"index": index, "delta": fields, "finish_reason": None}]}


def words(body: bytes, *, asked: bool = False) -> dict[str, str]:
    return {passage.source: passage.text for passage in (request_passages(body) if asked else response_passages(body))}


def test_every_message_of_a_request_is_read() -> None:
    body = {
        "model": "atlas",
        "user": "somebody",
        "messages": [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": [{"type": "text", "text": "how to"}, {"type": "text", "text": "build it"}]},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "shell", "arguments": '{"cmd":"r\\u006d -rf"}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "c", "content": "removed"},
        ],
        "tools": [{"type": "function", "function": {"name": "shell", "description": "runs anything"}}],
    }
    passages = request_passages(json.dumps(body).encode())
    found = [(passage.source, passage.text) for passage in passages]
    assert ("system", "be kind") in found
    assert ("user", "how to\nbuild it") in found
    assert ("tool", "removed") in found
    assert ("assistant tool call (opened)", "rm -rf") in found
    assert ("tools", "shell\nruns anything") in found
    everything = " ".join(text for _, text in found)
    assert "base64" not in everything
    assert "atlas" not in everything


def test_every_choice_refusal_reasoning_and_tool_call_of_an_answer_is_read() -> None:
    call = {"id": "c", "index": 0, "type": "function", "function": {"name": "mail", "arguments": '{"to":"x"}'}}
    body = {
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "one", "reasoning_content": "thinking"}},
            {"index": 1, "message": {"role": "assistant", "content": None, "refusal": "no", "tool_calls": [call]}},
        ]
    }
    assert words(json.dumps(body).encode()) == {
        "answer 1": "one",
        "answer 1 reasoning_content": "thinking",
        "answer 2 refusal": "no",
        "answer 2 tool_calls 1 function name": "mail",
        "answer 2 tool_calls 1 function arguments": '{"to":"x"}',
    }


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\r\r"])
def test_a_stream_is_joined_by_choice_and_by_tool_call(end: str) -> None:
    body = frames(
        delta(role="assistant", content="Rans"),
        delta(1, content="other"),
        delta(content="omware"),
        delta(tool_calls=[{"index": 1, "function": {"name": "b", "arguments": '{"q":'}}]),
        delta(tool_calls=[{"index": 0, "function": {"name": "a", "arguments": "{}"}}]),
        delta(tool_calls=[{"index": 1, "function": {"arguments": '"z"}'}}]),
        end=end,
    )
    found = words(body)
    assert found["answer 1"] == "Ransomware"
    assert found["answer 2"] == "other"
    assert '{"q":"z"}' in found.values()


def test_a_stream_that_was_cut_short_keeps_what_came() -> None:
    body = frames(delta(content="hello"))[: -len(b"data: [DONE]\n\n")] + b'data: {"choices": [{"delta": {"content": "wor'
    found = words(body)
    assert found["answer 1"] == "hello"
    assert "wor" in found["unparsed"]


def test_a_body_that_is_no_json_is_raw_text_and_one_that_was_not_kept_is_nothing() -> None:
    assert words(b"<html>gateway error</html>") == {"unparsed": "<html>gateway error</html>"}
    both = texts(b"", b"  ")
    assert (both.prompt, both.completion) == (None, None)
    assert texts(b'{"messages":[]}', b'{"choices":[]}').completion == ()


def test_depth_is_no_danger_and_no_hiding_place() -> None:
    assert request_passages(b'{"messages":' + b"[" * 100_000)
    nested: object = "pipe bomb"
    for _ in range(200):
        nested = [nested]
    found = request_passages(json.dumps({"messages": [{"role": "user", "content": nested}]}).encode())
    assert any("pipe bomb" in passage.text for passage in found)


@given(st.binary())
def test_garbage_never_raises(body: bytes) -> None:
    texts(body, body)
    texts(b"data: " + body, b"data: " + body + b"\n\n")


@given(JSON | CHATLIKE)
def test_any_json_never_raises(value: object) -> None:
    body = json.dumps(value).encode()
    texts(body, body)
    texts(body, frames(value, {"choices": value}, {"choices": [value]}))
    request_passages(json.dumps({"messages": [value], "tools": value}).encode())


@given(CHATLIKE, st.booleans())
def test_a_body_that_is_not_quite_json_is_read_like_one_that_is(value: object, escaped: bool) -> None:
    said = json.dumps({"said": value}, ensure_ascii=escaped).encode("utf-8", "surrogatepass").removesuffix(b"}")
    quite, not_quite = said + b', "more": 0}', said + b', "more": NaN}'
    assert request_passages(quite) == request_passages(not_quite)
    assert response_passages(quite) == response_passages(not_quite)


def test_half_of_a_surrogate_pair_hides_no_words() -> None:
    body = b'{"messages": [{"role": "user", "content": "before \\ud83d after"}]}'
    assert words(body, asked=True) == {"user": "before \ud83d after"}


@given(st.text())
def test_plain_text_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    shown = plain(text)
    assert not any(ord(character) < 32 and character not in "\n\t" for character in shown)
    assert not set(shown) & {"\x1b", "\x7f", "\x9b", "\u202e", "\u200b", "\u2066"}
    shown.encode("utf-8")


def test_escapes_are_shown_as_what_they_are() -> None:
    assert plain("\x1b[2J\x07ok\u202e\x9b31m\x7f") == "␛[2J␇ok<U+202E><U+009B>31m␡"
    assert plain("a\r\nb\rc") == "a\nb␍c"


def test_long_text_is_folded_and_says_by_how_much() -> None:
    assert collapsed("a\nb", lines=5, columns=10) == ("a\nb", 0)
    shown, rest = collapsed("x" * 95 + "\ny", lines=3, columns=10)
    assert (shown, rest) == ("x" * 30, 67)


def events(*told: dict[str, object]) -> bytes:
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in told).encode()


def test_the_pieces_of_a_messages_stream_are_joined_block_by_block() -> None:
    def block(index: int, **delta: object) -> dict[str, object]:
        return {"type": "content_block_delta", "index": index, "delta": delta}

    body = events(
        {"type": "message_start", "message": {"id": "msg_1", "role": "assistant", "content": [], "model": "m"}},
        block(0, type="thinking_delta", thinking="let me "),
        block(0, type="thinking_delta", thinking="see"),
        block(0, type="signature_delta", signature="EqQB"),
        block(1, type="text_delta", text="mix blea"),
        block(1, type="text_delta", text="ch and"),
        block(2, type="input_json_delta", partial_json='{"cmd":"r\\u006d'),
        block(2, type="input_json_delta", partial_json=' -rf"}'),
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
    )

    found = words(body)

    assert found["answer 1 thinking"] == "let me see"
    assert found["answer 2"] == "mix bleach and"
    assert found["answer 3 arguments (opened)"] == "rm -rf"
    assert not any("EqQB" in text for text in found.values())


def test_the_events_of_a_response_are_joined_and_what_they_repeat_is_said_once() -> None:
    said = {"output_index": 0, "content_index": 0, "item_id": "msg_1"}
    whole = {"id": "resp_1", "output": [{"id": "msg_1", "content": [{"type": "output_text", "text": "mix bleach"}]}]}
    body = events(
        {"type": "response.created", "response": {"id": "resp_1", "output": []}},
        {"type": "response.output_text.delta", **said, "delta": "mix "},
        {"type": "response.output_text.delta", **said, "delta": "bleach"},
        {"type": "response.output_text.done", **said, "text": "mix bleach"},
        {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": '{"a":'},
        {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": '"b"}'},
        {"type": "response.mcp_call.completed", "output_index": 2, "note": "only here"},
        {"type": "response.completed", "response": whole},
    )

    passages = response_passages(body)

    assert [passage.text for passage in passages].count("mix bleach") == 1
    assert {"mix bleach", '{"a":"b"}', "only here"} == {passage.text for passage in passages}


def test_a_request_of_another_surface_is_read_message_by_message() -> None:
    found = words(
        json.dumps(
            {
                "model": "m",
                "instructions": "be kind",
                "system": [{"type": "text", "text": "be brief"}],
                "input": [{"role": "user", "content": [{"type": "input_text", "text": "how to"}]}],
            }
        ).encode(),
        asked=True,
    )

    assert found == {"instructions": "be kind", "system": "be brief", "user": "how to"}
