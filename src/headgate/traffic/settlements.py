"""Settled exchanges, a page at a time, for several who follow the log side by side.

Whoever counts and whoever draws ask for the same page one after the other, and most of what that costs is reading it. What was
settled never changes, so a page with anything on it is the same whenever it is asked for again; only whether more has followed
is not remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headgate.traffic.log import ExchangeLog
    from headgate.traffic.model import Exchange


class _Page(NamedTuple):
    cursor: dict[str, int]
    limit: int
    taken: Sequence[Exchange]
    after: dict[str, int]


class Settlements:
    """The log, with the page in mind that was read last.

    Args:
        log: The exchange log.
    """

    def __init__(self, log: ExchangeLog) -> None:
        self._log = log
        self._last = _Page({}, 0, (), {})

    def settled_after(self, cursor: Mapping[str, int], limit: int) -> tuple[Sequence[Exchange], dict[str, int]]:
        """Return the next settled exchanges, and the cursor after them: see ``ExchangeLog.settled_after``.

        Fewer than ``limit`` may be all that there were when the page was first read.

        Raises:
            LogUnavailable: A spool or segment cannot be read; nothing is skipped.
        """
        last = self._last
        if not last.taken or last.limit != limit or last.cursor != cursor:
            last = _Page(dict(cursor), limit, *self._log.settled_after(cursor, limit))
            self._last = last
        return last.taken, dict(last.after)
