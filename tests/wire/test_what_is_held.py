"""What a worker holds of requests: of those that are still being sent, a share for each account; of long prompts, nothing."""

from __future__ import annotations

import gc
import json
import socket
import tracemalloc
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from headgate.gateway.model import OutputScreen
from wire.kit import KEY, MODEL, Running, ScriptedUpstream, a_policy, a_principal, a_rule, eventually, running

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

OTHER_KEY = "hg_test_bo"
MIB = 2**20


def ask(served: Running, key: str = KEY, **more: Any) -> httpx.Response:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], **more}
    return httpx.post(f"{served.url}/chat/completions", json=body, headers=bearer(key), timeout=20, trust_env=False)


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@contextmanager
def half_sent(served: Running, key: str = KEY, *, length: int = 1000, sent: bytes = b"{") -> Generator[socket.socket]:
    """A request whose body is never sent to its end."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as client:
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
        )
        client.sendall(f"{head}content-length: {length}\r\n\r\n".encode() + sent)
        yield client


@pytest.fixture
def crowded(upstream: ScriptedUpstream, tmp_path: Path) -> Generator[Running]:
    """A worker that waits for at most eight bodies, two of one account."""
    with running(upstream, tmp_path / "limits.db", max_in_flight=16, max_body_bytes=MIB, max_undecided_bytes=4 * MIB) as served:
        served.world.principals[OTHER_KEY] = a_principal("bo")
        yield served


def test_whoever_sends_slowly_turns_away_nobody_but_themselves(crowded: Running) -> None:
    with half_sent(crowded), half_sent(crowded):
        eventually(lambda: waited_for(crowded) == 2)
        with half_sent(crowded) as third:
            answer = third.recv(65536)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "gateway.overloaded"
        assert b"\r\nretry-after: " in answer
        assert ask(crowded).status_code == 200, "what comes at once is not waited for"
        with half_sent(crowded, OTHER_KEY):
            eventually(lambda: waited_for(crowded) == 3)
        assert ask(crowded, OTHER_KEY).status_code == 200
    eventually(lambda: waited_for(crowded) == 0)
    with half_sent(crowded):
        eventually(lambda: waited_for(crowded) == 1)


def waited_for(served: Running) -> int:
    return served.gateway._intake.places.held  # pyright: ignore[reportPrivateUsage] - nobody else needs to know


def held_bytes(served: Running) -> int:
    return served.gateway._intake.room.held  # pyright: ignore[reportPrivateUsage] - as above


def test_whoever_sends_much_turns_away_nobody_but_themselves(crowded: Running) -> None:
    most = b"x" * (MIB - 1)
    with ExitStack() as stack:
        stack.enter_context(half_sent(crowded, length=MIB, sent=most))
        eventually(lambda: held_bytes(crowded) >= len(most))
        long = "y" * 200_000
        refused = ask(crowded, note=long)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "gateway.overloaded")
        assert ask(crowded).status_code == 200
        assert ask(crowded, OTHER_KEY, note=long).status_code == 200
    eventually(lambda: held_bytes(crowded) == 0)
    assert ask(crowded, note=long).status_code == 200


@pytest.mark.parametrize("screen", [OutputScreen.NONE, OutputScreen.HOLD_BACK])
def test_nothing_of_a_long_prompt_is_held_while_it_is_answered(
    upstream: ScriptedUpstream, tmp_path: Path, screen: OutputScreen
) -> None:
    prompt = "word " * 1_000_000
    policy = a_policy(upstream.url, a_rule(output_screen=screen))
    body = {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "stream": True, "script": "forever"}
    with running(upstream, tmp_path / "limits.db", policy=policy) as served:
        tracemalloc.start()
        try:
            with httpx.stream(
                "POST", f"{served.url}/chat/completions", json=body, headers=bearer(KEY), timeout=20, trust_env=False
            ) as stream:
                assert stream.status_code == 200
                said = stream.iter_raw()
                assert next(said)
                assert len(upstream.received[0].body) > 5_000_000
                served.recorder.admissions.clear()  # the record is the recorder's
                gc.collect()
                ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/headgate/*")])
                held = sum(one.size for one in ours.statistics("filename"))
                assert served.gateway.stats().open == 1
                assert next(said)
        finally:
            tracemalloc.stop()
    assert held < MIB
