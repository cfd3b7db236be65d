"""The output screen on chat: nothing that it stops is shown, what it lets through is untouched, and the record says which."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import openai
import pytest

from headgate.gateway.model import OutputScreen
from wire.kit import (
    ANSWER,
    DONE,
    KEY,
    MODEL,
    USAGE_CHUNK,
    Connection,
    Received,
    Running,
    ScriptedUpstream,
    a_policy,
    a_rule,
    chunk_of,
    eventually,
    running,
)

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

LONG = "Tides follow the moon. " * 60


async def say_these(connection: Connection, received: Received) -> None:
    """Stream what the request tells: texts, pauses in seconds, and ready chunks."""
    await connection.start_stream()
    for said in received.value["says"]:
        match said:
            case str():
                await connection.chunk(chunk_of(said))
            case float():
                await asyncio.sleep(said)
            case _:
                await connection.chunk(chunk_of(**said))
    await connection.chunk(chunk_of(finish="stop"))
    await connection.chunk(USAGE_CHUNK)
    await connection.chunk(DONE)
    await connection.end_stream()


async def answer_this(connection: Connection, received: Received) -> None:
    await connection.whole("200 OK", json.dumps(received.value["answer"]).encode())


@pytest.fixture
def screened(upstream: ScriptedUpstream, tmp_path: Path) -> Generator[Running]:
    """A gateway whose stage holds back."""
    upstream.scripts |= {"these": say_these, "this": answer_this}
    rule = a_rule(output_screen=OutputScreen.HOLD_BACK)
    with running(upstream, tmp_path / "limits.db", policy=a_policy(upstream.url, rule), window_s=0.1) as served:
        yield served


def rule_is(served: Running, mode: OutputScreen, **changes: Any) -> None:
    served.world.change_policy(a_policy(served.upstream.url, a_rule(output_screen=mode), **changes))
    eventually(lambda: served.gateway.stats().policy_seq > 0)
    time.sleep(0.05)


def stream(served: Running, *says: object, **more: Any) -> list[Any]:
    body: dict[str, Any] = {"script": "these", "says": list(says)}
    with openai.OpenAI(base_url=served.url, api_key=KEY, max_retries=0, timeout=20) as client:
        return list(
            client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "Hi"}], stream=True, extra_body=body, **more
            )
        )


def text_of(chunks: list[Any]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def finishes(chunks: list[Any]) -> list[str]:
    return [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]


def test_what_passes_the_screen_arrives_whole_and_is_recorded_as_looked_at(screened: Running) -> None:
    chunks = stream(screened, LONG, LONG, "The end.")

    assert text_of(chunks) == LONG + LONG + "The end."
    assert finishes(chunks) == ["stop"]
    outcome = screened.recorder.outcome()
    assert (outcome.status.value, outcome.output_screened.value, outcome.usage_exact) == ("completed", "passed", True)
    assert "".join(screened.screen.shown).endswith("The end.")


def test_nothing_of_a_window_that_is_stopped_leaves_the_gateway(screened: Running) -> None:
    chunks = stream(screened, LONG, "then take some sa", "rin and", LONG)

    assert text_of(chunks) == LONG
    assert finishes(chunks) == ["content_filter"]
    assert chunks[-1].id == "chatcmpl-1"
    assert chunks[-1].model_extra["headgate"]["code"] == "output.blocked"
    outcome = screened.recorder.outcome()
    assert (outcome.status.value, outcome.output_screened.value) == ("cut", "blocked")
    assert b"withheld from the caller" in bytes(outcome.response_body)
    assert b"rin and" in bytes(outcome.response_body)
    assert outcome.charged_tokens >= screened.recorder.admissions[0].reserved_tokens


def test_a_word_that_stands_across_two_windows_is_found(screened: Running) -> None:
    before = "x" * 1021
    chunks = stream(screened, f"{before}sar", f"in {LONG}")

    assert "in" not in text_of(chunks)
    assert finishes(chunks) == ["content_filter"]


def test_a_stream_that_is_stopped_at_once_still_is_a_stream(screened: Running) -> None:
    chunks = stream(screened, "sarin")

    assert (text_of(chunks), finishes(chunks)) == ("", ["content_filter"])


@pytest.mark.parametrize(
    "delta",
    [
        {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "f", "arguments": '{"q": "sarin"}'}}]},
        {"refusal": "I will not make sarin."},
        {"reasoning_content": "They want sarin."},
        {"reasoning": "They want sarin."},
        {"reasoning_details": [{"type": "reasoning.text", "text": "sarin", "index": 0}]},
        {"audio": {"id": "a", "transcript": "sarin"}},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "sarin"}]}]},
        {"a_field_of_tomorrow": {"deep": ["sarin"]}},
    ],
    ids=["arguments", "refusal", "reasoning", "openrouter", "details", "audio", "parts", "unknown"],
)
def test_text_is_looked_at_wherever_it_stands(screened: Running, delta: dict[str, Any]) -> None:
    chunks = stream(screened, {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}, "and so on")

    assert finishes(chunks) == ["content_filter"]
    assert text_of(chunks) == ""


def test_every_choice_is_looked_at_and_only_open_ones_are_finished(screened: Running) -> None:
    chunks = stream(
        screened,
        {"choices": [{"index": 0, "delta": {"content": "fine"}, "finish_reason": "stop"}]},
        0.4,
        {"choices": [{"index": 1, "delta": {"content": "sarin"}, "finish_reason": None}]},
        n=2,
    )

    assert text_of(chunks) == "fine"
    assert [(choice.index, choice.finish_reason) for chunk in chunks for choice in chunk.choices if choice.finish_reason] == [
        (0, "stop"),
        (1, "content_filter"),
    ]


def test_text_does_not_wait_for_a_full_window_for_ever(screened: Running) -> None:
    with openai.OpenAI(base_url=screened.url, api_key=KEY, max_retries=0, timeout=20) as client:
        answer = client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
            extra_body={"script": "these", "says": ["Soon.", 1.0, "Later."]},
        )
        first = next(iter(answer))
        said = list(screened.recorder.outcomes)
        answer.close()

    assert first.choices[0].delta.content == "Soon."
    assert not said


def test_trailing_text_is_shown_and_cut_within_a_window(screened: Running) -> None:
    rule_is(screened, OutputScreen.TRAIL)

    chunks = stream(screened, "first sarin", LONG, 0.1, "never seen")

    assert text_of(chunks).startswith("first sarin")
    assert "never seen" not in text_of(chunks)
    assert finishes(chunks) == ["content_filter"]
    assert screened.recorder.outcome().output_screened.value == "blocked"


def test_trailing_text_is_cut_though_the_model_falls_silent(screened: Running) -> None:
    rule_is(screened, OutputScreen.TRAIL)

    chunks = stream(screened, "sarin", 1.0, "and more")

    assert text_of(chunks) == "sarin"
    assert finishes(chunks) == ["content_filter"]


def test_text_that_is_only_looked_at_afterwards_is_recorded_as_not_looked_at(screened: Running) -> None:
    rule_is(screened, OutputScreen.AFTER)

    chunks = stream(screened, "sarin")

    assert text_of(chunks) == "sarin"
    assert screened.recorder.outcome().output_screened.value == "not_asked"
    assert not screened.screen.shown


def test_a_whole_answer_is_withheld_and_says_so(screened: Running) -> None:
    answer = {**json.loads(ANSWER), "choices": [{"index": 0, "message": {"role": "assistant", "content": "sarin"}}]}
    with openai.OpenAI(base_url=screened.url, api_key=KEY, max_retries=0, timeout=20) as client:
        got = client.chat.completions.with_raw_response.create(
            model=MODEL, messages=[{"role": "user", "content": "Hi"}], extra_body={"script": "this", "answer": answer}
        )

    said = got.parse()
    assert (said.choices[0].message.content, said.choices[0].finish_reason) == ("", "content_filter")
    assert got.headers["x-headgate-withheld"] == "output.blocked"
    outcome = screened.recorder.outcome()
    assert (outcome.status.value, outcome.output_screened.value, outcome.charged_tokens) == ("cut", "blocked", 12)
    assert b"sarin" in bytes(outcome.response_body)


def test_a_whole_answer_that_passes_is_byte_for_byte_the_upstreams(screened: Running) -> None:
    with openai.OpenAI(base_url=screened.url, api_key=KEY, max_retries=0, timeout=20) as client:
        got = client.chat.completions.with_raw_response.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}])

    assert got.content == ANSWER
    assert screened.recorder.outcome().output_screened.value == "passed"


@pytest.mark.parametrize("way", ["broken", "slow"])
def test_a_screen_that_cannot_tell_closes_a_gated_model(screened: Running, way: str) -> None:
    screened.screen.broken = way == "broken"
    screened.screen.slow_s = 5.0 if way == "slow" else 0.0

    chunks = stream(screened, "harmless")

    assert text_of(chunks) == ""
    assert chunks[-1].model_extra["headgate"]["code"] == "screen.unavailable"


def test_a_screen_that_cannot_tell_lets_an_open_model_go_on_and_says_that_nobody_looked(screened: Running) -> None:
    rule_is(screened, OutputScreen.HOLD_BACK, gated=False)
    screened.screen.broken = True

    chunks = stream(screened, "harmless")

    assert text_of(chunks) == "harmless"
    assert screened.recorder.outcome().output_screened.value == "unscanned"


def test_a_stream_that_is_revoked_while_text_is_held_back_shows_none_of_it(screened: Running) -> None:
    with openai.OpenAI(base_url=screened.url, api_key=KEY, max_retries=0, timeout=20) as client:
        answer = client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
            extra_body={"script": "these", "says": ["shown", 0.6, *["kept " for _ in range(20)], 1.0, 1.0]},
        )
        first = next(iter(answer))
        from_then = time.monotonic()
        eventually(lambda: time.monotonic() - from_then > 0.2)
        screened.world.change_policy(a_policy(screened.upstream.url, a_rule(surfaces=frozenset())))
        with pytest.raises(openai.APIError):
            list(answer)

    assert first.choices[0].delta.content == "shown"
    assert screened.recorder.outcome().status.value == "cut"


# Requests that nobody can read.

_PICTURE = [
    {"type": "text", "text": "What is this?"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
]


def ask_of_a_picture(served: Running) -> Any:
    content: Any = _PICTURE
    with openai.OpenAI(base_url=served.url, api_key=KEY, max_retries=0, timeout=20) as client:
        return client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}])


def test_a_picture_that_no_screen_can_read_is_not_served_by_a_gated_model(screened: Running) -> None:
    rule_is(screened, OutputScreen.AFTER)
    screened.world.change_policy(a_policy(screened.upstream.url, a_rule(input_screen=True)))
    eventually(lambda: screened.gateway.stats().policy_seq > 1)

    with pytest.raises(openai.PermissionDeniedError) as refused:
        ask_of_a_picture(screened)

    assert refused.value.code == "input.unscannable"
    assert screened.upstream.received == []


def test_a_picture_that_no_screen_can_read_is_recorded_as_not_looked_at_by_an_open_one(screened: Running) -> None:
    screened.world.change_policy(a_policy(screened.upstream.url, a_rule(input_screen=True), gated=False))
    eventually(lambda: screened.gateway.stats().policy_seq > 0)
    time.sleep(0.05)

    ask_of_a_picture(screened)

    assert screened.recorder.outcome().screened.value == "unscanned"
    assert "What is this?" in screened.screen.seen
