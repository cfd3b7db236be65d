"""A refusal for want of quota says how the limits stand, in the API's own headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from headgate.gateway.model import Limits
from headgate.kernel.units import Rate
from wire.kit import KEY, MODEL, Running, ScriptedUpstream, a_policy, a_rule, running

if TYPE_CHECKING:
    from pathlib import Path


def ask(served: Running) -> httpx.Response:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}
    with httpx.Client(trust_env=False, timeout=20) as client:
        return client.post(f"{served.url}/chat/completions", json=body, headers={"authorization": f"Bearer {KEY}"})


def test_a_refusal_carries_the_rate_headers_too(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    rule = a_rule(limits=Limits(requests=Rate(1, 3600)))
    with running(upstream, tmp_path / "limits.db", policy=a_policy(upstream.url, rule)) as served:
        assert ask(served).status_code == 200
        refused = ask(served)

    assert refused.status_code == 429
    assert refused.headers["x-ratelimit-limit-requests"] == "1"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert refused.headers["x-ratelimit-reset-requests"].endswith("s")
    assert int(refused.headers["retry-after"]) <= 3600
