"""Several workers, one store of limits: what they admit together is what the limit says, also when one of them dies."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from headgate.adapters.database import open_sqlite
from headgate.gateway.store import metadata
from headgate.kernel.clock import SystemClock
from headgate.traffic import store as traffic_store
from headgate.traffic.orphans import settle_orphans
from wire.kit import KEY, MODEL, ScriptedUpstream, a_free_port, eventually

if TYPE_CHECKING:
    from collections.abc import Generator

AUTH = {"authorization": f"Bearer {KEY}"}
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}


class Worker:
    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}/v1/chat/completions"
        self.models = f"http://127.0.0.1:{port}/v1/models"

    def answers(self) -> bool:
        try:
            return httpx.get(self.models, headers=AUTH, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def workers(upstream: ScriptedUpstream, home: Path, *names: str, **told: Any) -> Generator[list[Worker]]:
    database = home / "headgate.db"
    engine = open_sqlite(database)
    metadata.create_all(engine)
    traffic_store.metadata.create_all(engine)
    engine.dispose()
    started: list[Worker] = []
    try:
        for name in names:
            port = a_free_port()
            config = home / f"{name}.json"
            base = {"worker": name, "port": port, "upstream": upstream.url, "database": str(database), "home": str(home)}
            config.write_text(json.dumps(base | told))
            script = Path(__file__).with_name("worker.py")
            started.append(Worker(subprocess.Popen([sys.executable, str(script), str(config)]), port))
        for worker in started:
            eventually(worker.answers, within_s=30)
        yield started
    finally:
        for worker in started:
            worker.process.kill()
            worker.process.wait()


async def ask_all(urls: list[str], clients: int, body: dict[str, Any]) -> Counter[int]:
    async with httpx.AsyncClient(timeout=60, trust_env=False, limits=httpx.Limits(max_connections=clients)) as client:
        answers = await asyncio.gather(
            *(client.post(urls[number % len(urls)], json=body, headers=AUTH) for number in range(clients))
        )
    return Counter(answer.status_code for answer in answers)


@pytest.mark.parametrize("limit", [1, pytest.param(37, marks=pytest.mark.slow), 90])
def test_two_workers_admit_exactly_the_limit_under_a_hundred_clients(
    upstream: ScriptedUpstream, tmp_path: Path, limit: int
) -> None:
    wait_for_the_middle_of_an_hour()
    with workers(upstream, tmp_path, "one", "two", requests=limit) as (first, second):
        statuses = asyncio.run(ask_all([first.url, second.url], 100, BODY))

    assert statuses == {200: limit, 429: 100 - limit}
    assert len(upstream.received) == limit


def test_a_killed_worker_leaves_an_admission_that_can_be_settled_and_a_place_that_heals(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    wait_for_the_middle_of_an_hour()
    told = {"requests": 1000, "concurrency": 1, "slot_ttl_s": 1.0}
    with workers(upstream, tmp_path, "one", "two", **told) as (first, second):
        with httpx.stream(
            "POST", first.url, json=BODY | {"stream": True, "script": "forever"}, headers=AUTH, timeout=20, trust_env=False
        ) as response:
            stream = response.iter_raw()
            next(stream)
            assert httpx.post(second.url, json=BODY, headers=AUTH, trust_env=False).json()["error"]["code"] == "limit.concurrency"
            time.sleep(1.5)  # longer than a place lives unless its exchange keeps it
            assert httpx.post(second.url, json=BODY, headers=AUTH, trust_env=False).status_code == 429

            first.process.kill()
            first.process.wait()

            with pytest.raises(httpx.TransportError):
                list(stream)
        eventually(lambda: httpx.post(second.url, json=BODY, headers=AUTH, trust_env=False).status_code == 200)
        settlement = settle_orphans(tmp_path / "traffic", SystemClock())

    assert settlement.settled == 1
    eventually(lambda: upstream.abandoned == 1)


def wait_for_the_middle_of_an_hour() -> None:
    """Keep away from the end of the window that these tests count in."""
    while time.time() % 3600 > 3540:
        time.sleep(1)
