"""``headgate review`` over a pipe: one key for each item, a second person for a positive, and a way back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from functional.kit import HARM, Running, eventually, rows
from headgate.testing.installation import run_command

if TYPE_CHECKING:
    import subprocess

HARMFUL = "h1.h"
"""Harm; of the first hazard; go on; high."""


def test_keys_label_skip_and_take_back_and_a_positive_waits_for_somebody_else(shared: Running) -> None:
    # given: five exchanges that wait, the second of them harmful
    reviewed = shared.second("reviewed", inner="requests: 100/hour")
    who = reviewed.member("reviewed", "reviewed-inner")
    for text in ("one", f"{HARM} two", "three", "four", "five"):
        assert reviewed.ask(who, text).status_code == 200
    first, second = (
        shared.admin("POST", "/api/staff", {"name": name, "roles": ["safety_reviewer"]})["token"] for name in ("Ines", "Omar")
    )
    eventually(lambda: len(rows(reviewed.database, "SELECT 1 FROM safety_item WHERE release_id = ?", reviewed.release)) == 5)

    # when: no harm, harm, skipped, no harm, and that one taken back and answered again, then enough
    sitting = review(reviewed, first, f"n{HARMFUL}snunq")

    # then: what was read was shown, and three labels stand
    assert sitting.returncode == 0, sitting.stderr
    assert "asked · user" in sitting.stdout
    assert f"{HARM} two" in sitting.stdout
    assert "Taken back." in sitting.stdout
    assert "3 labelled, 1 skipped." in sitting.stderr
    # and: the positive waits for somebody else, counts for nothing yet, and is not shown to the first again
    assert harms(reviewed) == 0
    assert HARM not in review(reviewed, first, "q").stdout

    # when: a second person agrees, and reads until nothing is left but what the first has in hand
    harmful = sorted(exchange for exchange, row in reviewed.admitted().items() if row["account_id"] == who.account_id)[1]
    free = [line["item"] for line in waiting(reviewed, second) if not line["claimed"]]
    assert harmful in free
    last = review(reviewed, second, "".join(HARMFUL if item == harmful else "n" for item in free))

    # then: the harm counts
    assert "Nothing is left for you to review." in last.stdout
    eventually(lambda: harms(reviewed) == 1)
    assert all(line["claimed"] for line in waiting(reviewed, second))


def harms(headgate: Running) -> int:
    return headgate.gate("rate")["numbers"]["k"]


def waiting(headgate: Running, token: str) -> list[dict[str, Any]]:
    said = headgate.where.command("review", "queue", "--release", headgate.release, "--json", token=token)
    return [json.loads(line) for line in said.splitlines()]


def review(headgate: Running, token: str, keys: str) -> subprocess.CompletedProcess[str]:
    words = ("review", "--release", headgate.release)
    return run_command(*words, environment=headgate.where.environment, token=token, stdin="".join(f"{key}\n" for key in keys))
