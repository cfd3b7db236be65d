"""One exchange while it lasts: what it was admitted under, and how it is stopped from outside.

Whoever relays an exchange waits for the model server or for the client. Three things may end that wait: access is taken
away, the client leaves, time runs out. Each is told to the exchange, which remembers the first and wakes the relay by
cancelling its task; before the exchange may be woken it only remembers.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from headgate.traffic.model import Screened

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from datetime import datetime

    from headgate.gateway.model import Admitted, Call, Principal, Refusal
    from headgate.gateway.ports import Trace
    from headgate.gateway.service.quota import Reservation
    from headgate.kernel.ids import ExchangeId


def _never() -> float:
    return float("inf")


class Stop(Enum):
    """Why an exchange was stopped from outside."""

    REVOKED = "revoked"
    CLIENT_GONE = "client_gone"
    CLIENT_STALLED = "client_stalled"
    UPSTREAM_SILENT = "upstream_silent"
    SHUT_DOWN = "shut_down"


class Underway:
    """An admitted exchange.

    Args:
        exchange_id: Its identifier, which is the request id too.
        call: What it asked for.
        admitted: What it was admitted under.
        reservation: What it holds.
        screened: What the input screen said.
        at: When it was admitted.
        started_s: The same on the monotonic clock.
    """

    __slots__ = (
        "_deadline",
        "_deadline_stop",
        "_task",
        "admitted",
        "at",
        "call",
        "counted_before",
        "exchange_id",
        "first_byte_s",
        "output_screened",
        "prepaid_tokens",
        "relayed_frames",
        "reservation",
        "revoked",
        "screened",
        "server",
        "started_s",
        "stop",
        "trace",
    )

    def __init__(
        self,
        exchange_id: ExchangeId,
        call: Call,
        admitted: Admitted,
        reservation: Reservation,
        screened: Screened,
        at: datetime,
        started_s: float,
    ) -> None:
        self.exchange_id = exchange_id
        self.call = call
        self.admitted = admitted
        self.reservation = reservation
        self.screened = screened
        self.at = at
        self.started_s = started_s
        self.output_screened = Screened.NOT_ASKED
        self.relayed_frames = 0
        self.server: str | None = None
        """The model server that answers, once one does."""
        self.prepaid_tokens = 0
        """What an earlier exchange was charged for the same work."""
        self.counted_before = False
        """Whether an earlier exchange has recorded and been charged what this one sees."""
        self.first_byte_s: float | None = None
        """Seconds from its admission to the first byte that the client was sent."""
        self.trace: Trace | None = None
        self.revoked: Refusal | None = None
        self.stop: Stop | None = None
        self._task: asyncio.Task[object] | None = None
        self._deadline: Callable[[], float] = _never
        self._deadline_stop = Stop.UPSTREAM_SILENT

    def principal_is(self, principal: Principal) -> None:
        """Take in that the caller is now known as this."""
        if principal is not self.admitted.principal:
            self.admitted = replace(self.admitted, principal=principal)

    def answered(self, now_s: float) -> None:
        """Take in that the client is sent its first byte now, by the monotonic clock; only the first call counts."""
        if self.first_byte_s is None:
            self.first_byte_s = now_s - self.started_s

    def wake(self, task: asyncio.Task[object]) -> None:
        """From now on, stop by cancelling this task."""
        self._task = task
        if self.stop is not None:
            task.cancel()

    def leave(self) -> None:
        """From now on, only remember: the relay is past the point where it could be stopped."""
        self._task = None

    def until(self, deadline_s: float, stop: Stop) -> None:
        """Stop for this reason when the monotonic clock passes this instant; each call replaces the last."""
        self.follow(lambda: deadline_s, stop)

    def follow(self, deadline: Callable[[], float], stop: Stop) -> None:
        """The same, of an instant that moves: it is asked for whenever it might have passed."""
        self._deadline = deadline
        self._deadline_stop = stop

    def expire(self, now_s: float) -> None:
        """Stop if the deadline has passed."""
        if now_s > self._deadline():
            self.end(self._deadline_stop)

    def revoke(self, refusal: Refusal) -> None:
        """Take access away."""
        if self.stop is None:
            self.revoked = refusal
            self.end(Stop.REVOKED)

    def end(self, stop: Stop) -> None:
        """Stop, unless something else has stopped it already."""
        if self.stop is None:
            self.stop = stop
            if self._task is not None:
                self._task.cancel()
