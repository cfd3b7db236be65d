"""Replacing and stopping what serves, under load: no stream is dropped, no request goes unanswered."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from functional.kit import Running, eventually, processes, running
from headgate.testing.installation import small_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.testing.cast import Member

pytestmark = pytest.mark.timeout(120)

STREAMS = 20
DONE = b"data: [DONE]\n\n"


@pytest.fixture(scope="module")
def leisurely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A Headgate in front of a model whose answers last some seconds."""
    with (
        small_model("--tokens-per-second", "20") as model,
        running(tmp_path_factory.mktemp("leisurely") / "data", model, drain_s=20, linger_s=0.5) as headgate,
    ):
        yield headgate


def supervisor(headgate: Running) -> int:
    found = [pid for pid, words in processes("HEADGATE_DATA", str(headgate.where.directory)).items() if " serve" in words]
    assert len(found) == 1, found
    return found[0]


def stream(headgate: Running, who: Member, tokens: int, opened: threading.Semaphore) -> bytes:
    """Read one stream to its end, and return it whole."""
    body = {"model": headgate.model, "max_tokens": tokens, "stream": True, "messages": [{"role": "user", "content": "Go on."}]}
    headers = {"authorization": f"Bearer {who.key}"}
    url = f"{headgate.where.url}/v1/chat/completions"
    read = b""
    with httpx.stream("POST", url, json=body, headers=headers, timeout=60, trust_env=False) as response:
        assert response.status_code == 200
        for piece in response.iter_raw():
            if not read:
                opened.release()
            read += piece
    return read


def test_a_rolling_restart_drops_no_stream_and_leaves_no_request_unanswered(leisurely: Running) -> None:
    # given: twenty open streams, somebody who asks on a new connection each time and somebody who keeps theirs
    who, asking, keeping = leisurely.member("streaming"), leisurely.member("asking"), leisurely.member("keeping")
    before, opened, over = leisurely.workers(), threading.Semaphore(0), threading.Event()

    def ask(client: httpx.Client | None) -> list[int]:
        told: list[int] = []
        body = {"model": leisurely.model, "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
        while not over.is_set():
            headers = {"authorization": f"Bearer {(asking if client is None else keeping).key}"}
            with contextlib.ExitStack() as stack:
                http = client or stack.enter_context(httpx.Client(timeout=30, trust_env=False))
                told.append(http.post(f"{leisurely.where.url}/v1/chat/completions", json=body, headers=headers).status_code)
        return told

    with ThreadPoolExecutor(STREAMS + 2) as pool, httpx.Client(timeout=30, trust_env=False) as kept:
        streams = [pool.submit(stream, leisurely, who, 120, opened) for _ in range(STREAMS)]
        for _ in range(STREAMS):
            assert opened.acquire(timeout=30)
        asks = [pool.submit(ask, None), pool.submit(ask, kept)]
        # when
        os.kill(supervisor(leisurely), signal.SIGHUP)
        eventually(lambda: len(leisurely.workers() - before) == 2, 30)
        new = leisurely.workers() - before
        read = [each.result(60) for each in streams]
        eventually(lambda: not leisurely.workers() & before, 30)
        time.sleep(0.3)
        over.set()
        told = [each.result(30) for each in asks]
    # then
    assert leisurely.workers() == new
    assert all(each.endswith(DONE) and b'"error"' not in each for each in read)
    assert [set(statuses) for statuses in told] == [{200}, {200}]
    assert all(len(statuses) > 5 for statuses in told)
    eventually(lambda: leisurely.endings()["open"] == 0)
    assert leisurely.endings(of=who.account_id) == {"completed": STREAMS}
