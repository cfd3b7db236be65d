"""What the plain surfaces read in requests and answers, without a network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.errors import OutputBlocked, WrongType
from headgate.gateway.model import Refusal, Settings
from headgate.gateway.wire.audio.reading import SpeechReading, TranscriptReading
from headgate.gateway.wire.completions import compile_completion
from headgate.gateway.wire.embeddings import compile_embedding
from headgate.gateway.wire.images import compile_generation
from headgate.gateway.wire.images.reading import ImageReading
from headgate.gateway.wire.plain import ObjectReading
from headgate.gateway.wire.prompts import prompts
from headgate.gateway.wire.sse import Frame
from headgate.gateway.wire.surface import MOST_TOKENS, NotAnAnswer, Usage, texts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.gateway.wire.surface import Reading

KEY = b"k" * 32
SETTINGS = Settings("w1", end_user_key=KEY)
REFUSAL = Refusal(OutputBlocked("A rule matched.", rule="rules/1"))
READINGS: dict[str, Callable[[], Reading]] = {
    "object": lambda: ObjectReading(texts=True),
    "image": lambda: ImageReading(texts=True, images=1),
    "speech": lambda: SpeechReading(texts=True),
    "transcript": lambda: TranscriptReading(texts=True, form="json"),
}


def frame(value: object) -> Frame:
    data = json.dumps(value).encode()
    return Frame(b"data: " + data + b"\n\n", data)


def seen(reading: Reading, *events: object) -> list[str]:
    return texts_of([piece for event in events for piece in reading.frame(frame(event)).pieces])


TOKENS = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=5)


@given(st.lists(st.text(max_size=20) | TOKENS, min_size=1, max_size=6))
def test_every_prompt_is_counted_and_only_token_numbers_need_a_right(given_: list[Any]) -> None:
    read = prompts(given_, param="prompt")

    numbers = [each for each in given_ if isinstance(each, list)]
    assert read.count == len(given_)
    assert read.capabilities == (frozenset({"token_input"}) if numbers else frozenset())
    assert read.opaque_tokens == sum(map(len, numbers))
    assert read.opaque_bytes <= len(json.dumps(given_))


def test_one_array_of_token_numbers_is_one_prompt() -> None:
    assert prompts([1, 2, 3], param="prompt").count == 1
    assert prompts([[1], [2], [3]], param="prompt").count == 3


@pytest.mark.parametrize("value", [[], [[]], 3.5, [True], [[1, "a"]], [-1], [None], True])
def test_what_cannot_be_a_prompt_is_refused_or_needs_a_right(value: object) -> None:
    try:
        read = prompts(value, param="prompt")
    except WrongType:
        return
    assert read.capabilities


def test_a_part_of_a_kind_that_nobody_knows_is_a_right_that_nobody_has() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "video_url", "video_url": "x"}, {"image": "y"}, {"type": ["text"]}]

    assert prompts(parts, param="input").capabilities == {"other_input"}


@pytest.mark.parametrize(
    ("compile_", "body"),
    [
        (compile_completion, {"model": "m", "prompt": "x", "n": 0}),
        (compile_completion, {"model": "m", "prompt": "x", "max_tokens": -1}),
        (compile_completion, {"model": "m", "prompt": "x", "n_predict": -1}),
        (compile_completion, {"model": "m", "prompt": "x", "stream": "true"}),
        (compile_completion, {"model": "m", "prompt": "x", "stream_options": []}),
        (compile_completion, {"prompt": "x"}),
        (compile_embedding, {"model": "m"}),
        (compile_embedding, {"model": "", "input": "x"}),
        (compile_generation, {"model": "m"}),
        (compile_generation, {"model": "m", "prompt": ["x"]}),
        (compile_generation, {"model": "m", "prompt": "x", "svg": "model"}),
    ],
)
def test_a_field_that_must_be_understood_and_cannot_be_is_refused(compile_: Any, body: dict[str, object]) -> None:
    with pytest.raises(WrongType):
        compile_(json.dumps(body).encode(), None, KEY)


NAMES = st.sampled_from(["type", "delta", "text", "data", "usage", "error", "segments", "words", "word", "revised_prompt"])
LEAVES = st.none() | st.integers(-5, 5) | st.sampled_from(["", "x", "transcript.text.done", "image.completed", "\ud83d"])
VALUES = LEAVES | st.lists(LEAVES, max_size=3) | st.lists(st.dictionaries(NAMES, LEAVES, max_size=3), max_size=3)
BODIES = st.binary(max_size=20) | (VALUES | st.dictionaries(NAMES, VALUES, max_size=5)).map(
    lambda value: json.dumps(value).encode()
)


@given(st.sampled_from(sorted(READINGS)), BODIES)
def test_no_bytes_are_a_fault(kind: str, body: bytes) -> None:
    for read in (lambda: READINGS[kind]().whole(body), lambda: READINGS[kind]().frame(Frame(b"", body))):
        try:
            read()
        except NotAnAnswer:
            continue


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        ({"prompt_tokens": 3, "total_tokens": 3}, Usage(3, 0)),
        ({"input_tokens": 3, "output_tokens": 4}, Usage(3, 4)),
        ({"type": "duration", "seconds": 7}, None),
        ({"prompt_tokens": -1}, None),
        ({"prompt_tokens": MOST_TOKENS + 1}, None),
        ({"prompt_tokens": 1, "completion_tokens": -5}, None),
        ({"prompt_tokens": "3"}, None),
        (None, None),
        ([], None),
    ],
)
def test_a_count_that_is_none_is_no_usage(usage: object, read: Usage | None) -> None:
    reading = ObjectReading(texts=False)

    reading.whole(json.dumps({"usage": usage}).encode())

    assert reading.usage == read


def delta(text: str) -> dict[str, str]:
    return {"type": "transcript.text.delta", "delta": text}


def done(text: str) -> dict[str, str]:
    return {"type": "transcript.text.done", "text": text}


def segment(text: str) -> dict[str, str]:
    return {"type": "transcript.text.segment", "text": text, "speaker": "A"}


@pytest.mark.parametrize(
    ("events", "texts"),
    [
        ([delta("One "), delta("two."), done("One two.")], ["One two."]),
        ([delta("One two."), segment(" One two."), done("One two.")], ["One two."]),
        ([segment("One "), segment("two."), done("One two.")], ["One ", "two."]),
        ([done("One two.")], ["One two."]),
        ([delta("One."), done("Another.")], ["One.", "Another."]),
        ([delta("One."), segment("Another."), done("One.")], ["One.", "Another."]),
        ([{"type": "x.new", "text": "One."}], ["One."]),
    ],
)
def test_a_transcript_is_seen_once_and_whole(events: list[object], texts: list[str]) -> None:
    assert seen(TranscriptReading(texts=True, form="json"), *events) == texts


@given(st.lists(st.text(max_size=10), max_size=8))
def test_a_withheld_transcript_ends_with_what_was_shown(shown: list[str]) -> None:
    reading = TranscriptReading(texts=False, form="json")
    seen(reading, *map(delta, shown))

    head, _, data = reading.withheld(REFUSAL, SETTINGS).partition(b"\ndata: ")

    assert head == b"event: transcript.text.done"
    assert json.loads(data)["text"] == "".join(shown)
    assert json.loads(data)["headgate"]["code"] == "output.blocked"


def test_a_stream_of_images_ends_with_the_last_that_was_asked_for() -> None:
    reading = ImageReading(texts=True, images=2)
    drawn = {"type": "image_generation.completed", "usage": {"input_tokens": 1, "output_tokens": 2}, "revised_prompt": "A heron."}

    assert seen(reading, {"type": "image_generation.partial_image"}) == []
    assert not reading.complete
    assert seen(reading, drawn) == ["A heron."]
    assert (reading.complete, reading.ended) == (True, False)
    seen(reading, drawn)
    assert reading.ended
    assert reading.usage == Usage(1, 2)


def test_an_error_within_a_stream_is_a_failure() -> None:
    reading = TranscriptReading(texts=False, form="json")

    seen(reading, {"type": "error", "error": {"message": "no"}})

    assert (reading.failed, reading.complete) == (True, True)


def test_the_kind_of_every_answer_decides_whether_a_screen_can_read_it() -> None:
    body = json.dumps({"model": "m", "prompt": "x", "input": "x"}).encode()

    assert not compile_generation(body, None, KEY).call.scannable
    assert compile_completion(body, None, KEY).call.scannable
    assert compile_embedding(body, None, KEY).call.scannable
