"""What waits to be written to a spool, and who waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from headgate.traffic.errors import ContentDestroyed
from headgate.traffic.keys import day_of
from headgate.traffic.rows import Row, admission_row, outcome_row

if TYPE_CHECKING:
    import asyncio
    from datetime import date

    from headgate.traffic.keys import DayKey, DayKeys
    from headgate.traffic.model import Admission, Outcome


class Admit:
    """An admission on its way to the disk."""

    __slots__ = ("admission", "day", "future", "loop", "row")

    def __init__(self, admission: Admission, loop: asyncio.AbstractEventLoop) -> None:
        self.admission = admission
        self.day = day_of(admission.at)
        self.loop = loop
        self.future: asyncio.Future[None] = loop.create_future()
        self.row: Row = ()

    @property
    def bytes(self) -> int:
        """How much of it there is to write."""
        return len(self.admission.request_body)

    def seal(self, key: DayKey, nonce: bytes | None = None) -> None:
        """Make its row.

        Raises:
            UnicodeEncodeError: A field is not valid Unicode.
        """
        self.row = admission_row(self.admission, key, nonce)

    def prepare(self, day_keys: DayKeys) -> None:
        """Make its row, with a key that may have to be fetched.

        Raises:
            UnicodeEncodeError: A field is not valid Unicode.
            ContentDestroyed: The day's content was destroyed.
            LogUnavailable: The key cannot be fetched.
        """
        self.seal(day_keys.for_sealing(self.day))


class Settle:
    """An outcome on its way to the disk."""

    __slots__ = ("day", "future", "loop", "outcome", "row")

    def __init__(self, outcome: Outcome, day: date, loop: asyncio.AbstractEventLoop) -> None:
        self.outcome = outcome
        self.day = day
        self.loop = loop
        self.future: asyncio.Future[None] = loop.create_future()
        self.row: Row = ()

    @property
    def bytes(self) -> int:
        """How much of it there is to write."""
        return len(self.outcome.response_body)

    def seal(self, key: DayKey, nonce: bytes | None = None) -> None:
        """Make its row."""
        self.row = outcome_row(self.outcome, key, nonce)

    def prepare(self, day_keys: DayKeys) -> None:
        """Make its row, with a key that may have to be fetched.

        Raises:
            LogUnavailable: The key cannot be fetched.
        """
        try:
            key = day_keys.for_sealing(self.day)
        except ContentDestroyed:
            key = None  # the day's content was destroyed while the exchange was underway: so is this answer
        self.row = outcome_row(self.outcome, key)


Op: TypeAlias = "Admit | Settle"
