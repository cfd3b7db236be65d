"""A chat answer as it is read: what it used, whether it is over, and all of its text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.errors import OutputBlocked
from headgate.gateway.model import ObjectKind, Refusal, Settings
from headgate.gateway.wire.chat.reading import ChatReading
from headgate.gateway.wire.sse import Frame, Frames
from headgate.gateway.wire.surface import Created, NotAnAnswer, Piece, Usage, texts_of

SETTINGS = Settings(worker="w1", end_user_key=b"k")
BLOCKED = Refusal(OutputBlocked("A rule matched.", rule="rules/1"))


def a_reading(*, texts: bool = True, wants_usage: bool = False, choices: int = 1) -> ChatReading:
    return ChatReading(wants_usage=wants_usage, choices=choices, texts=texts)


def frame(value: Any) -> Frame:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Frame(b"data: " + data + b"\n\n", data)


def choice(delta: dict[str, Any], *, index: int = 0, finish: str | None = None) -> dict[str, Any]:
    return {"id": "c1", "created": 5, "model": "m", "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4}, Usage(3, 4)),
        ({"prompt_tokens": 3}, Usage(3, 0)),
        ({"prompt_tokens": -3, "completion_tokens": 4}, None),
        ({"prompt_tokens": 3.5, "completion_tokens": 4}, None),
        ({"prompt_tokens": 10**12, "completion_tokens": 4}, None),
        ("lots", None),
        (None, None),
    ],
)
def test_usage_is_believed_only_when_it_can_be(usage: Any, expected: Usage | None) -> None:
    reading = a_reading()

    assert reading.frame(frame({"choices": [], "usage": usage})).forward != bool(usage)
    assert reading.usage == expected


def test_a_later_count_replaces_an_earlier_one_and_nonsense_replaces_nothing() -> None:
    reading = a_reading(wants_usage=True)
    for usage in ({"prompt_tokens": 1, "completion_tokens": 1}, {"prompt_tokens": 1, "completion_tokens": 9}, "x"):
        assert reading.frame(frame({"choices": [], "usage": usage})).forward

    assert reading.usage == Usage(1, 9)


def test_a_stream_without_a_last_frame_is_complete_when_every_choice_is_finished() -> None:
    reading = a_reading(choices=2)
    reading.frame(frame(choice({}, index=1, finish="stop")))
    assert not reading.complete
    reading.frame(frame(choice({}, index=0, finish="length")))
    assert reading.complete
    assert not reading.ended


def test_an_error_within_the_stream_is_noticed_however_its_choices_look() -> None:
    for value in ({"error": {"message": "no"}}, {"error": {"message": "no"}, "choices": "none"}):
        reading = a_reading()
        reading.frame(frame(value))
        assert reading.failed
        assert reading.complete


@pytest.mark.parametrize("data", [b"[1]", b"nonsense", b'"text"', b"{", b"\xff"])
def test_what_is_not_a_chunk_is_not_an_answer(data: bytes) -> None:
    with pytest.raises(NotAnAnswer):
        a_reading().frame(frame(data))
    with pytest.raises(NotAnAnswer):
        a_reading().whole(data)


def test_half_a_character_is_read_with_a_replacement_for_it() -> None:
    chunk = b'{"choices": [{"index": 0, "delta": {"content": "a\\ud83d"}, "finish_reason": "stop"}]}'
    reading = a_reading()

    assert texts_of(reading.frame(frame(chunk)).pieces) == ["a?"]
    assert reading.complete


def test_nobody_pays_for_text_that_nobody_wants() -> None:
    assert a_reading(texts=False).frame(frame(choice({"content": "hello"}))).pieces == ()


@pytest.mark.parametrize("texts", [True, False])
@pytest.mark.parametrize("index", [0, None, "first"])
def test_what_is_said_aloud_is_known_by_its_name_once_however_its_choice_looks(texts: bool, index: Any) -> None:
    reading = ChatReading(wants_usage=False, choices=1, texts=texts, aloud=True)
    said = {"audio": {"id": "audio_1", "transcript": "Tides."}}

    pieces = reading.frame(frame({"choices": [{"index": index, "delta": said}]})).pieces
    whole = reading.whole(json.dumps({"choices": [{"index": index, "message": said}]}).encode())
    assert [piece.text for piece in (*pieces, *whole)] == ["Tides."] * 2 * texts
    assert reading.created() == (Created(ObjectKind.SPOKEN_ANSWER, "audio_1"),)
    assert reading.created() == ()


words = st.text(min_size=1, max_size=8)


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["content", "refusal", "reasoning_content"]), words), max_size=20))
def test_the_texts_of_a_stream_are_what_its_deltas_say(said: list[tuple[int, str, str]]) -> None:
    reading = a_reading(choices=3)
    pieces = [piece for index, key, text in said for piece in reading.frame(frame(choice({key: text}, index=index))).pieces]

    expected: dict[tuple[int, str], str] = {}
    for index, key, text in said:
        expected[index, key] = expected.get((index, key), "") + text
    assert sorted(texts_of(pieces)) == sorted(expected.values())


def test_arguments_of_parallel_calls_are_texts_of_their_own() -> None:
    reading = a_reading()
    calls = [(0, "ab"), (1, "xy"), (0, "cd"), (1, "z")]
    pieces = [
        piece
        for index, part in calls
        for piece in reading.frame(frame(choice({"tool_calls": [{"index": index, "function": {"arguments": part}}]}))).pieces
    ]

    assert sorted(texts_of(pieces)) == ["abcd", "xyz"]


def test_a_withheld_stream_finishes_what_is_open_and_ends() -> None:
    reading = a_reading(choices=2, texts=False)
    reading.frame(frame(choice({"content": "fine"}, finish="stop")))

    frames = Frames().feed(reading.withheld(BLOCKED, SETTINGS))

    assert frames[-1].data == b"[DONE]"
    chunk = json.loads(frames[0].data or b"")
    assert (chunk["id"], chunk["created"], chunk["model"]) == ("c1", 5, "m")
    assert [(part["index"], part["finish_reason"]) for part in chunk["choices"]] == [(1, "content_filter")]


def test_a_withheld_answer_has_no_text_and_keeps_its_usage() -> None:
    body = {
        "id": "c1",
        "choices": [{"index": 0, "message": {"content": "secret", "tool_calls": [{"id": "x"}]}, "logprobs": {"content": []}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }

    shown = a_reading().withheld_whole(json.dumps(body).encode(), BLOCKED, SETTINGS)

    assert b"secret" not in shown
    answer = json.loads(shown)
    assert answer["usage"] == body["usage"]
    assert answer["choices"] == [{"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "content_filter"}]
    assert answer["headgate"]["code"] == "output.blocked"


WORDS = st.dictionaries(
    st.sampled_from(["role", "content", "reasoning_content", "reasoning", "refusal", "tool_calls"]),
    st.none() | st.text(max_size=5),
)
UNUSUAL = {"grammar": {}}
"""A member that no chat server sends and that holds no text."""


@given(
    st.lists(st.tuples(st.integers(0, 3), st.none() | WORDS, st.none() | st.text(max_size=5)), max_size=3),
    st.none() | st.sampled_from(["stop", "length"]),
)
def test_the_usual_shape_is_read_as_any_other_shape_is(
    given_choices: list[tuple[int, dict[str, str | None] | None, str | None]], finish: str | None
) -> None:
    def read(more: dict[str, Any]) -> list[Piece]:
        choices = [
            {"index": index, "delta": more or None if delta is None else {**delta, **more}, "text": text, "finish_reason": finish}
            for index, delta, text in given_choices
        ]
        return sorted(a_reading(wants_usage=True).frame(frame({"id": "c", "choices": choices})).pieces)

    assert read({}) == read(UNUSUAL)
