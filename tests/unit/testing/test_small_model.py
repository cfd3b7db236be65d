from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.testing.small_model import faults, prose, spelling
from headgate.testing.small_model.answer import Choice, SmallModel, prompt_tokens
from headgate.testing.small_model.faults import Fault
from headgate.testing.small_model.ngrams import Draws, Trigrams, split
from headgate.testing.small_model.request import ChatRequest, Rejected, parse
from headgate.testing.small_model.schema import value_for

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = SmallModel(prose.PROSE)
ENVELOPE = spelling.Envelope(id="chatcmpl-1", created=1, model="small-model", fingerprint="fp", top_logprobs=None)
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}, "unit": {"enum": ["C", "F"]}, "days": {"type": "integer", "minimum": 1}},
            "required": ["place"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "clock"}}


def ask(said: str = "Tell me of the gate.", **fields: Any) -> ChatRequest:
    return parse(msgspec.json.encode({"model": "small-model", "messages": [{"role": "user", "content": said}], **fields}))


def text(choice: Choice) -> str:
    return "".join(piece.text for piece in choice.pieces)


def only(request: ChatRequest) -> Choice:
    (choice,) = MODEL.answer(request)
    return choice


def test_the_same_request_gets_the_same_answer_from_another_process() -> None:
    assert text(only(ask(seed=7))) == text(SmallModel(prose.PROSE).answer(ask(seed=7))[0])


def test_another_seed_or_another_question_gets_another_answer() -> None:
    answers = {text(only(request)) for request in (ask(), ask(seed=1), ask(seed=2), ask("And of the mill?"))}
    assert len(answers) == 4


@given(st.text(max_size=40), st.integers(0, 2**31))
def test_answers_are_whole_sentences_of_known_words(said: str, seed: int) -> None:
    answer = text(only(ask(said, seed=seed)))
    assert answer[0].isupper()
    assert answer.endswith(".")
    assert set(split(answer.lower())) <= set(split(prose.PROSE.lower().replace("\n", " "))) | {
        word.strip() for word in split(prose.PROSE.lower())
    } | {f" {word.strip()}" for word in split(prose.PROSE.lower())}


@given(st.text())
def test_tokens_joined_are_the_text_again(said: str) -> None:
    assert "".join(split(said)) == said


@given(st.integers(1, 60))
def test_no_answer_is_longer_than_it_may_be(most: int) -> None:
    choice = only(ask(max_tokens=most))
    whole = only(ask())
    assert choice.tokens == min(most, whole.tokens)
    assert choice.finish == ("length" if most < whole.tokens else "stop")
    assert text(whole).startswith(text(choice))


def test_the_newer_limit_wins() -> None:
    assert only(ask(max_tokens=9, max_completion_tokens=4)).tokens == 4


def test_an_answer_ends_before_the_first_stop() -> None:
    whole = text(only(ask()))
    stop = whole[10:14]
    cut = only(ask(stop=["not in there", stop, ""]))
    assert text(cut) == whole[: whole.index(stop)]
    assert (cut.finish, cut.tokens) == ("stop", len(cut.pieces))
    assert text(only(ask(stop=whole[0]))) == ""


def test_several_answers_differ() -> None:
    assert len({text(choice) for choice in MODEL.answer(ask(n=5))}) == 5


def test_probabilities_are_those_of_the_table() -> None:
    for piece in only(ask()).pieces:
        assert piece.logprob <= 0
        assert (piece.text, piece.logprob) in piece.alternatives or len(piece.alternatives) == 20
        assert sum(math.exp(logprob) for _, logprob in piece.alternatives) <= 1 + 1e-9
        assert [logprob for _, logprob in piece.alternatives] == sorted((each for _, each in piece.alternatives), reverse=True)


def test_log_probabilities_have_the_published_form() -> None:
    envelope = spelling.Envelope("i", 1, "m", "f", top_logprobs=2)
    said = json.loads(spelling.body(envelope, MODEL.answer(ask(max_tokens=3)), 1))
    tokens = said["choices"][0]["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == said["choices"][0]["message"]["content"]
    assert all(len(token["top_logprobs"]) <= 2 and bytes(token["bytes"]).decode() == token["token"] for token in tokens)


@pytest.mark.parametrize(
    ("said", "fields", "called"),
    [
        ("How is the weather?", {"tools": [WEATHER]}, []),
        ("Please call get_weather.", {"tools": [WEATHER]}, ["get_weather"]),
        ("Please Get Weather for me", {"tools": [WEATHER]}, ["get_weather"]),
        ("forget_weather", {"tools": [WEATHER]}, []),
        ("get_weather and clock", {"tools": [WEATHER, CLOCK]}, ["get_weather", "clock"]),
        ("get_weather and clock", {"tools": [WEATHER, CLOCK], "parallel_tool_calls": False}, ["get_weather"]),
        ("get_weather", {"tools": [WEATHER], "tool_choice": "none"}, []),
        ("anything", {"tools": [WEATHER, CLOCK], "tool_choice": "required"}, ["get_weather"]),
        ("the clock", {"tools": [WEATHER, CLOCK], "tool_choice": "required"}, ["clock"]),
        ("x", {"tools": [WEATHER, CLOCK], "tool_choice": {"type": "function", "function": {"name": "clock"}}}, ["clock"]),
    ],
)
def test_tools_are_called_when_they_must_be_or_are_mentioned(said: str, fields: dict[str, Any], called: list[str]) -> None:
    choice = only(ask(said, **fields))
    assert [call.name for call in choice.calls] == called
    assert choice.finish == ("tool_calls" if called else "stop")
    assert bool(choice.pieces) != bool(called)


def test_a_tool_that_has_answered_is_not_called_again() -> None:
    request = ask("get_weather", tools=[WEATHER])
    request.messages.append(
        msgspec.convert({"role": "tool", "content": "get_weather: rain", "tool_call_id": "c"}, type(request.messages[0]))
    )
    assert only(request).calls == ()


def test_arguments_fit_the_tool() -> None:
    (call,) = only(ask("get_weather", tools=[WEATHER])).calls
    arguments = json.loads("".join(call.arguments))
    assert isinstance(arguments["place"], str)
    assert arguments["unit"] in {"C", "F"}
    assert arguments["days"] >= 1


def test_a_call_that_is_cut_short_says_so() -> None:
    choice = only(ask("get_weather and clock", tools=[WEATHER, CLOCK], max_tokens=4))
    assert (choice.finish, choice.tokens, len(choice.calls)) == ("length", 4, 1)
    assert only(ask("clock", tools=[CLOCK], max_tokens=1)).finish == "length"


def test_json_is_answered_when_it_is_asked_for() -> None:
    assert isinstance(json.loads(text(only(ask(response_format={"type": "json_object"})))), dict)
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
    form = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
    assert isinstance(json.loads(text(only(ask(response_format=form))))["ok"], bool)
    assert text(only(ask(response_format={"type": "text"}))).endswith(".")


ADMITTED: list[tuple[Any, Callable[[Any], bool]]] = [
    ({"const": 5}, lambda value: value == 5),
    ({"type": "array", "items": {"type": "null"}, "minItems": 3}, lambda value: value == [None] * 3),
    ({"type": "array", "maxItems": 0}, lambda value: value == []),
    ({"type": ["null", "integer"], "maximum": -5}, lambda value: value <= -5),
    ({"type": "integer", "minimum": 2, "maximum": 2}, lambda value: value == 2),
    ({"type": "number", "exclusiveMinimum": 0, "maximum": 2}, lambda value: 0 < value <= 2),
    ({"type": ["null"]}, lambda value: value is None),
    ({"type": "string", "minLength": 30}, lambda value: len(value) >= 30),
    ({"type": "string", "maxLength": 2}, lambda value: len(value) <= 2),
    ({"type": "string", "format": "date"}, lambda value: value == "2026-03-01"),
    ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, lambda value: value in {True, False}),
    ({"$ref": "#/$defs/x", "$defs": {"x": {"const": "y"}}}, lambda value: value == "y"),
    ({"$ref": "#/nowhere", "type": "boolean"}, lambda value: isinstance(value, bool)),
    ({"properties": {"a": {"$ref": "#"}}}, lambda value: "a" in value),
    ({"properties": []}, lambda value: value == {}),
    (True, lambda value: value is None),
]


@pytest.mark.parametrize(("schema", "admits"), ADMITTED)
def test_a_value_is_one_that_its_schema_admits(schema: Any, admits: Callable[[Any], bool]) -> None:
    assert all(admits(value_for(schema, Draws(bytes([seed])))) for seed in range(20))


def test_prompts_are_counted() -> None:
    bare = prompt_tokens(ask("one two three"))
    assert prompt_tokens(ask("one two three four")) == bare + 1
    assert prompt_tokens(ask("one two three", tools=[WEATHER])) > bare
    image = [{"type": "text", "text": "one two three"}, {"type": "image_url", "image_url": {"url": "data:"}}]
    assert (
        prompt_tokens(parse(msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": image}]}))) == bare + 85
    )
    calls = {"role": "assistant", "content": None, "name": "a", "tool_calls": [{"id": "c"}]}
    assert prompt_tokens(parse(msgspec.json.encode({"model": "m", "messages": [calls]}))) > 7


def merged(events: list[bytes]) -> list[dict[str, Any]]:
    """Put the choices of a stream together, as a client does."""
    assert events[-1] == spelling.DONE
    choices: dict[int, dict[str, Any]] = {}
    for event in events[:-1]:
        assert event.startswith(b"data: ")
        assert event.endswith(b"\n\n")
        for part in json.loads(event.removeprefix(b"data: "))["choices"]:
            choice = choices.setdefault(part["index"], {"content": "", "calls": {}, "finish": None})
            assert choice["finish"] is None
            choice["content"] += part["delta"].get("content") or ""
            for call in part["delta"].get("tool_calls", ()):
                known = choice["calls"].setdefault(call["index"], {"name": "", "arguments": ""})
                known["name"] += call["function"].get("name", "")
                known["arguments"] += call["function"]["arguments"]
            choice["finish"] = part["finish_reason"]
    return [choices[index] for index in sorted(choices)]


@pytest.mark.parametrize(
    "fields", [{}, {"n": 3}, {"max_tokens": 4}, {"tools": [WEATHER, CLOCK]}, {"response_format": {"type": "json_object"}}]
)
def test_a_stream_says_what_the_whole_answer_says(fields: dict[str, Any]) -> None:
    choices = MODEL.answer(ask("get_weather and clock", **fields))
    whole = json.loads(spelling.body(ENVELOPE, choices, 5))
    streamed = merged(list(spelling.events(ENVELOPE, choices, prompt_tokens=5, with_usage=False)))
    for one, other in zip(whole["choices"], streamed, strict=True):
        assert (one["message"]["content"] or "", one["finish_reason"]) == (other["content"], other["finish"])
        calls = [call["function"] for call in one["message"].get("tool_calls", ())]
        assert calls == list(other["calls"].values())


def test_usage_comes_last_and_only_when_asked_for() -> None:
    choices = MODEL.answer(ask(n=2))
    without = list(spelling.events(ENVELOPE, choices, prompt_tokens=5, with_usage=False))
    assert not any(b'"usage"' in event for event in without)
    *most, last, _done = spelling.events(ENVELOPE, choices, prompt_tokens=5, with_usage=True)
    assert all(json.loads(event.removeprefix(b"data: "))["usage"] is None for event in most)
    said = json.loads(last.removeprefix(b"data: "))
    tokens = sum(choice.tokens for choice in choices)
    assert said["choices"] == []
    assert (said["usage"]["completion_tokens"], said["usage"]["total_tokens"]) == (tokens, tokens + 5)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [CLOCK], "tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"tools": [{"type": "function", "function": {"name": "no spaces"}}]}, "tools[0].function.name"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Rejected) as caught:
        ask(**fields)
    assert caught.value.param == param
    assert json.loads(caught.value.body())["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"model": "\xff"}', b"null", b"[]", b'{"model": NaN}'])
def test_what_is_no_request_is_rejected(body: bytes) -> None:
    with pytest.raises(Rejected):
        parse(body)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(Rejected) as caught:
        parse(b'{"model": "m"}')
    assert caught.value.param == "messages"


def test_fields_that_do_not_matter_are_let_through() -> None:
    assert ask(temperature=0.3, service_tier="auto", store=None, something={"new": 1}).model == "small-model"


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("", Fault()),
        ("status=503", Fault(status=503)),
        ("slow=2.5", Fault(slow_s=2.5)),
        ("garbage", Fault(garbage=True)),
        ("close-early", Fault(close_after=1)),
        ("stall", Fault(stall_after=0)),
        (" slow=1 , close-early=3,stall=7", Fault(slow_s=1, close_after=3, stall_after=7)),
    ],
)
def test_faults_are_read(said: str, fault: Fault) -> None:
    assert faults.parse(said) == fault


@pytest.mark.parametrize(
    "said",
    ["status", "status=200", "status=600", "slow", "slow=nan", "slow=-1", "garbage=1", "close-early=x", "stall=-1", "fire"],
)
def test_an_unknown_fault_is_rejected(said: str) -> None:
    with pytest.raises(Rejected, match="no fault"):
        faults.parse(said)


def test_a_table_of_one_sentence_repeats_it() -> None:
    pieces = Trigrams("Water runs.").write(Draws(b""))
    assert "".join(piece.text for piece in pieces).startswith("Water runs. Water runs.")
