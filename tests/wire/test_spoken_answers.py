"""What a model has said aloud is its listener's own: a later request may name it, and nobody else's may."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest

from wire.kit import DONE, KEY, MODEL, Connection, Received, Running, ScriptedUpstream, a_policy, a_principal, a_rule, running

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

STRANGER = "hg_test_eve"
_SOUND = base64.b64encode(b"sound").decode()


async def say_aloud(connection: Connection, received: Received) -> None:
    audio = {"id": "audio_1", "data": _SOUND, "expires_at": 1, "transcript": "Tides."}
    if not received.value.get("stream"):
        message = {"role": "assistant", "content": None, "audio": audio}
        answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
        await connection.whole(
            "200 OK", json.dumps({**answer, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
        )
        return
    await connection.start_stream()
    for delta in ({"audio": {"id": "audio_2"}}, {"audio": {"data": _SOUND}}, {"audio": {"transcript": "Tides."}}):
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        await connection.chunk(b"data: " + json.dumps({**chunk, "choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n")
    await connection.chunk(DONE)
    await connection.end_stream()


@pytest.fixture
def served(upstream: ScriptedUpstream, tmp_path: Path) -> Generator[Running]:
    upstream.scripts |= {"whole": say_aloud, "stream": say_aloud}
    capabilities = frozenset({"streaming", "audio_output"})
    policy = a_policy(upstream.url, a_rule(capabilities=capabilities), gated=False)
    with running(upstream, tmp_path / "limits.db", policy=policy) as served:
        served.world.principals[STRANGER] = a_principal("eve")
        yield served


def ask(served: Running, *, key: str = KEY, about: str | None = None, stream: bool = False) -> Any:
    messages: Any = [{"role": "user", "content": "Say it."}]
    if about is not None:
        messages = [*messages, {"role": "assistant", "audio": {"id": about}}, {"role": "user", "content": "Again."}]
    with openai.OpenAI(base_url=served.url, api_key=key, max_retries=0, timeout=20) as client:
        got = client.chat.completions.create(
            model=MODEL, messages=messages, modalities=["text", "audio"], audio={"voice": "alloy", "format": "wav"}, stream=stream
        )
        return list(got) if stream else got


@pytest.mark.parametrize(("stream", "name"), [(False, "audio_1"), (True, "audio_2")])
def test_only_its_listener_may_name_what_was_said_aloud(served: Running, stream: bool, name: str) -> None:
    ask(served, stream=stream)

    assert ask(served, about=name).choices
    with pytest.raises(openai.NotFoundError) as refused:
        ask(served, key=STRANGER, about=name)
    assert (refused.value.code, refused.value.param) == ("object_not_found", "messages[1].audio.id")


def test_what_was_never_said_cannot_be_named(served: Running) -> None:
    with pytest.raises(openai.NotFoundError):
        ask(served, about="audio_9")

    assert served.upstream.received == []
