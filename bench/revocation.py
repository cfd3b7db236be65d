"""From the ledger entry to refused requests and closed streams, on every worker.

Opens streams through all workers of a running Headgate, revokes their key (or cuts the release), and prints how long it took
until each stream had ended and until every worker refused the key. Repeated with fresh keys.

    make bench-revocation ARGS="--rounds 20 --streams 20 --workers 2"
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from headgate.testing.cast import Member, member
from headgate.testing.installation import Api, Installation, installation, small_model

PLAN = """
kind: ReleasePlan
name: revocation
model: {{name: small-model, upstream: {{url: "{upstream}", model: small-model}}}}
end_state: api_limited
staging_is_for: [misuse]
hazards: {{misuse: {{severity: high, limit: {{traffic: 0.05}}}}}}
stages:
  - name: open
    who: {{cohort: revoked, seats: 1000}}
    what: {{surfaces: [api.chat], capabilities: [streaming]}}
    how_much: {{requests: 100k/min, expected_use: 100}}
    watch: {{sample: all, reviewers: 60, minutes_per_item: 1}}
    asks: ["how fast does it close?"]
    leave:
      - rate: {{hazard: misuse, of: traffic, below: 0.05, alpha: 0.02}}
      - incidents: {{open_at_most: {{critical: 0}}}}
      - approval: {{roles: [safety_lead]}}
    stop:
      - incident: {{severity: critical, then: cut}}
"""
BODY = {"model": "small-model", "messages": [{"role": "user", "content": "Go on."}], "max_tokens": 500}


def stream(where: Installation, who: Member, opened: threading.Semaphore, ended: list[float]) -> None:
    with (
        httpx.Client(timeout=60, trust_env=False) as client,
        client.stream(
            "POST",
            f"{where.url}/v1/chat/completions",
            json={**BODY, "stream": True},
            headers={"authorization": f"Bearer {who.key}"},
        ) as response,
    ):
        first = True
        for _ in response.iter_raw():
            if first:
                opened.release()
                first = False
    ended.append(time.monotonic())


def refused_everywhere(where: Installation, who: Member) -> float:
    """Return the instant after which twenty requests on fresh connections in a row were refused."""
    in_a_row, since = 0, 0.0
    while in_a_row < 20:
        with httpx.Client(timeout=30, trust_env=False) as client:
            asked = time.monotonic()
            response = client.get(f"{where.url}/v1/models", headers={"authorization": f"Bearer {who.key}"})
        if response.status_code == 200:
            in_a_row = 0
        else:
            since = asked if in_a_row == 0 else since
            in_a_row += 1
    return since


def one_round(where: Installation, admin: Api, number: int, streams: int) -> tuple[float, float]:
    who = member(admin, f"revoked {number}", "revoked")
    opened, ended = threading.Semaphore(0), list[float]()
    threads = [threading.Thread(target=stream, args=(where, who, opened, ended)) for _ in range(streams)]
    for thread in threads:
        thread.start()
    for _ in threads:
        opened.acquire()
    admin("POST", f"/api/keys/{who.key_id}/revoke", {"reason": "bench"})
    committed = time.monotonic()
    refused = refused_everywhere(where, who)
    for thread in threads:
        thread.join()
    return max(ended) - committed, refused - committed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    closed: list[float] = []
    refused: list[float] = []
    with (
        tempfile.TemporaryDirectory() as place,
        small_model("--tokens-per-second", "20") as upstream,
        installation(Path(place) / "d", workers=given.workers, log_level="error") as where,
    ):
        admin = where.api()
        admin("POST", "/api/releases", {"plan": PLAN.format(upstream=upstream)})
        deadline = time.monotonic() + 30
        while not admin("GET", "/api/cohorts")["items"] and time.monotonic() < deadline:
            time.sleep(0.1)
        for number in range(given.rounds):
            last_stream, last_request = one_round(where, admin, number, given.streams)
            closed.append(last_stream)
            refused.append(last_request)
    table = Table(
        title=f"from the committed revocation, {given.workers} workers, {given.streams} open streams, {given.rounds} rounds (ms)"
    )
    for column in ("until", "median", "worst"):
        table.add_column(column, justify="left" if column == "until" else "right")
    for name, delays in (("the last open stream had ended", closed), ("every worker refused the key", refused)):
        table.add_row(name, f"{1000 * statistics.median(delays):.0f}", f"{1000 * max(delays):.0f}")
    Console(width=110).print(table)
    Console(width=110).print(
        "For comparison, as documented or in code: a popular Python gateway keeps a revoked key for up to 60 s per worker and "
        "leaves open streams running."
    )


if __name__ == "__main__":
    main()
