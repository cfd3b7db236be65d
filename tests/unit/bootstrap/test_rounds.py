from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from headgate.bootstrap.processes.rounds import Job, Rounds
from headgate.kernel.errors import Unavailable

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class ClockByHand:
    def __init__(self) -> None:
        self.elapsed_s = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.elapsed_s)

    def monotonic(self) -> float:
        return self.elapsed_s


def test_each_job_keeps_its_own_pace() -> None:
    clock = ClockByHand()
    ran: list[str] = []
    rounds = Rounds([Job("fast", 1, lambda _: ran.append("fast")), Job("slow", 10, lambda _: ran.append("slow"))], clock)
    for second in range(11):
        clock.elapsed_s = second
        rounds.once()
    assert (ran.count("fast"), ran.count("slow")) == (11, 2)


def test_a_job_that_fails_stops_nobody() -> None:
    clock = ClockByHand()
    ran: list[str] = []

    def broken(_now: datetime) -> None:
        ran.append("broken")
        raise Unavailable("The store does not answer.")

    rounds = Rounds([Job("broken", 1, broken), Job("sound", 1, lambda _: ran.append("sound"))], clock)
    rounds.once()
    clock.elapsed_s = 2
    rounds.once()
    assert ran == ["broken", "sound", "broken", "sound"]


def test_rounds_end_when_they_are_told_to() -> None:
    stop = threading.Event()
    rounds = Rounds([Job("once", 0.001, lambda _: stop.set())], ClockByHand())
    rounds.until(stop)
    assert stop.is_set()
