"""What the gateway reads of recorded answers, frame by frame, against an oracle that shares no code with it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from headgate.gateway.wire.sse import Frames
from headgate.gateway.wire.surface import NotAnAnswer, texts_of
from wire import recorded
from wire.recorded_requests import NOT_REPLAYED, exchanges, path_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headgate.gateway.wire.surface import Reading
    from wire.oracles import Said
    from wire.recorded_requests import Exchange


def test_every_recording_is_replayed_or_counted_out() -> None:
    everything = recorded.everything()

    assert Counter(one.surface for one in everything if path_of(one) is None) == NOT_REPLAYED
    stored = [one.name for one in everything if path_of(one) is not None and one.method != "POST"]
    compacted = [one.name for one in everything if one.url.endswith("/compact")]
    assert (len(everything), len(stored), len(compacted)) == (1385, 9, 1)
    assert len(exchanges()) == 1385 - sum(NOT_REPLAYED.values()) - 10


@pytest.mark.parametrize(("said", "outcome"), [("true", "Failed"), ("", "Skipped"), ("false", "Skipped")])
def test_recordings_that_are_not_there_are_skipped_but_not_where_it_would_never_be_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, outcome: str
) -> None:
    monkeypatch.setattr(recorded, "FOLDER", tmp_path / "nowhere")
    monkeypatch.setenv("CI", said)

    with pytest.raises((pytest.fail.Exception, pytest.skip.Exception), match="nowhere") as raised:
        recorded.everything.__wrapped__()

    assert type(raised.value).__name__ == outcome


def read(exchange: Exchange, *, texts: bool) -> tuple[Reading, list[str]]:
    reading = exchange.reading(texts=texts)
    body = exchange.recorded.body
    if not exchange.streamed:
        return reading, texts_of(reading.whole(body))
    frames = Frames()
    passing = [reading.frame(frame) for frame in [*frames.feed(body), *frames.finish()]]
    return reading, texts_of([piece for one in passing for piece in one.pieces])


def answered() -> Iterator[tuple[Exchange, Said]]:
    """Yield the exchanges that have an answer to be read, and what it says."""
    for exchange in exchanges():
        if exchange.recorded.status == 200 and exchange.said is not None:
            yield exchange, exchange.said


def test_a_reading_counts_what_the_answer_says() -> None:
    wrong = list[str]()
    for exchange, said in answered():
        reading, _ = read(exchange, texts=False)
        counted = None if reading.usage is None else (reading.usage.prompt_tokens, reading.usage.completion_tokens)
        if counted != said.usage:
            wrong.append(f"{exchange.recorded.name}: {counted}, the answer says {said.usage}")

    assert_none(wrong)


def test_a_reading_yields_every_text_and_none_twice() -> None:
    wrong = list[str]()
    for exchange, said in answered():
        _, seen = read(exchange, texts=True)
        missing = [text for text in said.texts if not any(text in one for one in seen)]
        if missing:
            wrong.append(f"{exchange.recorded.name}: not seen: {missing[0][:60]!r}")
        if sum(map(len, seen)) > said.volume:
            wrong.append(f"{exchange.recorded.name}: {sum(map(len, seen))} characters seen of {said.volume}")

    assert_none(wrong)


def test_a_reading_knows_when_a_stream_is_complete_and_when_it_failed() -> None:
    wrong = list[str]()
    for exchange, said in answered():
        reading, _ = read(exchange, texts=False)
        if exchange.streamed and (reading.complete, reading.failed) != (said.finished, said.failed):
            wrong.append(f"{exchange.recorded.name}: complete {reading.complete}, failed {reading.failed}; {said}")

    assert_none(wrong)


def test_what_is_not_json_is_not_an_answer() -> None:
    not_read = [one for one in exchanges() if one.recorded.status == 200 and one.said is None]

    assert [one.recorded.name for one in not_read] == [
        "vercel-ai/openai__src__responses____fixtures____parallel-tool-call-wrapper.1.chunks.txt#0"
    ]
    for exchange in not_read:
        with pytest.raises(NotAnAnswer):
            read(exchange, texts=False)


def assert_none(wrong: list[str]) -> None:
    assert not wrong, f"{len(wrong)} of {len(exchanges())}:\n" + "\n".join(wrong[:12])
