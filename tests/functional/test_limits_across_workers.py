"""A limit of N over two workers admits N: under a crowd, and when a worker is killed in between never more."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import pytest

from functional.kit import Running, away_from_the_hour, eventually

if TYPE_CHECKING:
    from headgate.testing.cast import Member

N = 70
CROWD = 100


@pytest.fixture(scope="module")
def limited(sturdy: Running) -> Running:
    return sturdy.second("limited", inner=f"requests: {N}/hour")


async def crowd(headgate: Running, who: Member, *, each: int) -> Counter[str]:
    """Let a crowd ask at once with one key; count the answers by status and code."""
    told: Counter[str] = Counter()
    limits = httpx.Limits(max_connections=CROWD, max_keepalive_connections=0)
    body = {"model": headgate.model, "max_tokens": 2, "messages": [{"role": "user", "content": "Hi"}]}
    headers = {"authorization": f"Bearer {who.key}"}

    async def one(http: httpx.AsyncClient) -> None:
        for _ in range(each):
            try:
                answer = await http.post(f"{headgate.where.url}/v1/chat/completions", json=body, headers=headers)
            except httpx.TransportError:
                told["broken off"] += 1
            else:
                told["served" if answer.status_code == 200 else answer.json()["error"]["code"]] += 1

    async with httpx.AsyncClient(timeout=60, trust_env=False, limits=limits) as http:
        await asyncio.gather(*(one(http) for _ in range(CROWD)))
    return told


async def test_a_hundred_clients_at_once_are_admitted_exactly_as_often_as_the_limit_says(limited: Running) -> None:
    # given
    who = limited.member("crowd", "limited-inner")
    away_from_the_hour()
    # when
    told = await crowd(limited, who, each=2)
    # then
    assert told == {"served": N, "limit.requests": 2 * CROWD - N}
    assert limited.endings(of=who.account_id) == {"completed": N}


async def test_a_worker_killed_in_between_admits_nobody_beyond_the_limit(limited: Running) -> None:
    # given
    who = limited.member("crowd of the killed", "limited-inner")
    away_from_the_hour()

    def kill_one() -> None:
        victim = min(limited.workers())
        eventually(lambda: limited.endings(of=who.account_id))
        os.kill(victim, signal.SIGKILL)

    # when
    told, _ = await asyncio.gather(crowd(limited, who, each=1), asyncio.to_thread(kill_one))
    eventually(lambda: len(limited.workers()) == 2)
    later = await crowd(limited, who, each=1)
    # then: what was admitted is within the limit, and what was served was admitted
    eventually(lambda: limited.endings(of=who.account_id)["open"] == 0)
    admitted = sum(limited.endings(of=who.account_id).values())
    assert told["served"] + later["served"] <= admitted <= N
    assert later["limit.requests"] > 0
    assert set(told) | set(later) <= {"served", "limit.requests", "broken off"}
