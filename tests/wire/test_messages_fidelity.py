"""The same request to the model server and through the gateway: what differs is what the plan changes, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from headgate.gateway.model import OutputScreen
from wire.kit import MODEL
from wire.messages_kit import BACKWARDS, CALLS, PLAIN, THOUGHTS, a_stage, messages_gateway, posted

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import httpx

    from wire.kit import Running, ScriptedUpstream

_OURS = frozenset({"date", "server", "request-id", "x-request-id", "x-headgate-upstream-request-id", "transfer-encoding"})
_NOT_SHOWN = frozenset({"anthropic-ratelimit-requests-limit"})


@pytest.fixture
def messages(upstream: ScriptedUpstream, tmp_path: Path) -> Generator[Running]:
    with messages_gateway(upstream, tmp_path / "limits.db") as served:
        yield served


def a_body(**members: Any) -> bytes:
    return json.dumps({"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}], **members}).encode()


def headers_of(answer: httpx.Response) -> set[tuple[str, str]]:
    return {(name, value) for name, value in answer.headers.multi_items() if name not in _OURS | _NOT_SHOWN}


@pytest.mark.parametrize("script", ["stream", "thoughts", "calls", "backwards", "failing"])
@pytest.mark.parametrize("screen", [OutputScreen.AFTER, OutputScreen.HOLD_BACK])
def test_streams_are_the_same_bytes(upstream: ScriptedUpstream, tmp_path: Path, screen: OutputScreen, script: str) -> None:
    body = a_body(stream=True, script=script)
    with messages_gateway(upstream, tmp_path / "limits.db", a_stage(output_screen=screen)) as messages:
        direct = posted(upstream.url, "/messages", body)
        through = posted(messages.url, "/messages", body)

    assert through.content == direct.content
    assert (through.status_code, headers_of(through)) == (direct.status_code, headers_of(direct))


def test_the_oddest_stream_is_read_for_what_it_says(messages: Running) -> None:
    answer = posted(messages.url, "/messages", a_body(stream=True, script="backwards"))

    assert answer.content == b"".join(BACKWARDS)
    outcome = messages.recorder.outcome()
    assert (outcome.status.value, outcome.prompt_tokens, outcome.completion_tokens) == ("completed", 32, 5)


def test_a_stream_without_its_last_event_is_whole_once_it_has_a_reason_to_stop(messages: Running) -> None:
    answer = posted(messages.url, "/messages", a_body(stream=True, script="unfinished"))

    assert answer.content == b"".join(PLAIN[:-1])
    assert messages.recorder.outcome().status.value == "completed"


@pytest.mark.parametrize(
    ("path", "script"),
    [("/messages", "whole"), ("/messages", "rejected"), ("/messages", "overloaded"), ("/messages/count_tokens", "whole")],
)
def test_whole_answers_are_the_same_bytes(messages: Running, upstream: ScriptedUpstream, path: str, script: str) -> None:
    body = a_body(script=script)

    direct, through = posted(upstream.url, path, body), posted(messages.url, path, body)

    assert through.content == direct.content
    assert (through.status_code, headers_of(through)) == (direct.status_code, headers_of(direct))


def test_requests_are_the_same_bytes_but_for_the_model(messages: Running, upstream: ScriptedUpstream) -> None:
    body = (
        b'{ "messages" : [{"content":[{"signature":"c2ln+/=","type":"thinking","thinking":"\\u00e9 \xc3\xa9"},'
        b'{"type":"text","text":"a"}],"role":"assistant"},{"role":"user","content":"Hi"}],\n "max_tokens":64 , '
        b'"temperature": 1.0,"x_new":{"b":1,"a":2.50}, "model":"atlas","metadata":{"user_id":"u"}}'
    )

    posted(messages.url, "/messages", body)

    assert upstream.received[-1].body == body.replace(b'"atlas"', b'"upstream-atlas"')


@pytest.mark.parametrize("frames", [THOUGHTS, CALLS])
def test_what_is_recorded_is_what_was_said(messages: Running, frames: list[bytes]) -> None:
    posted(messages.url, "/messages", a_body(stream=True, script="thoughts" if frames is THOUGHTS else "calls"))

    assert messages.recorder.outcome().response_body == b"".join(frames)


def test_what_is_no_message_is_not_passed_on(messages: Running) -> None:
    answer = posted(messages.url, "/messages", a_body(script="garbage"))

    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "api_error")
    assert answer.json()["request_id"] == answer.headers["request-id"]


def test_every_refusal_is_in_the_api_s_own_words(messages: Running) -> None:
    for path, body, status in (
        ("/messages", b"{", 400),
        ("/messages", a_body(model="nobody"), 404),
        ("/messages/count_tokens", b"[]", 400),
        ("/messages/batches", a_body(), 403),
        ("/nothing", a_body(), 404),
    ):
        answer = posted(messages.url, path, body)
        error = answer.json()
        assert (answer.status_code, error["type"], error["request_id"]) == (status, "error", answer.headers["request-id"])
