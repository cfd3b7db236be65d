"""What callers of several grants are told and charged over a real socket: limits they share, and streams that break off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from headgate.gateway.model import Holder, Limits
from headgate.kernel.ids import OrganisationId
from headgate.kernel.units import Rate
from wire.kit import KEY, MODEL, a_policy, a_principal, a_rule, chunk_of, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wire.kit import Connection, Received, Running, ScriptedUpstream

OTHER = "hg_test_bea"
FRAMES = 120


async def many_frames_then_close(connection: Connection, received: Received) -> None:
    await connection.start_stream()
    for _ in range(FRAMES):
        await connection.chunk(chunk_of("word "))
    connection.close = True


@pytest.fixture
def served(upstream: ScriptedUpstream, tmp_path: Path) -> Iterator[Running]:
    upstream.scripts["breaks_off"] = many_frames_then_close
    shared = {
        Holder.ORGANISATION: Limits(requests=Rate(3, 36_500 * 86_400)),
        Holder.END_USER: Limits(tokens=Rate(10_000, 86_400)),
    }
    rule = a_rule(limits=Limits(requests=Rate(90, 3600)), shared=shared)
    with running(upstream, tmp_path / "limits.db", policy=a_policy(upstream.url, rule)) as gateway:
        gateway.world.principals[OTHER] = a_principal("bea", organisation_id=OrganisationId("org_1"))
        yield gateway


def ask(served: Running, key: str, **more: object) -> httpx.Response:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2, **more}
    url = f"{served.url}/chat/completions"
    return httpx.post(url, json=body, headers={"authorization": f"Bearer {key}"}, timeout=20, trust_env=False)


def test_colleagues_share_what_their_organisation_may_use_and_each_is_told_the_tightest(served: Running) -> None:
    answers = [ask(served, key) for key in (KEY, OTHER, KEY, OTHER)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    told = [
        (answer.headers["x-ratelimit-limit-requests"], answer.headers["x-ratelimit-remaining-requests"]) for answer in answers[:3]
    ]
    assert told == [("3", "2"), ("3", "1"), ("3", "0")]
    error = answers[3].json()["error"]
    assert error["code"] == "limit.requests"
    assert "your organisation's" in error["message"]
    assert answers[3].headers["x-headgate-rule"] == "how_much.organisation.requests"


def test_a_stream_that_breaks_off_is_charged_what_was_relayed_where_that_is_more_than_was_reserved(served: Running) -> None:
    answer = ask(served, KEY, script="breaks_off", stream=True)

    assert answer.content.count(b"word ") == FRAMES
    outcome, admission = served.recorder.outcome(), served.recorder.admissions[0]
    assert not outcome.usage_exact
    assert admission.reserved_tokens < FRAMES
    assert outcome.charged_tokens == FRAMES
