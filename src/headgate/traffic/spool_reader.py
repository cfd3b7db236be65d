"""Reading a spool from another process while its worker writes, and after its worker has died.

Each question opens the file, asks one snapshot and closes it: nothing is held that would keep the worker's log from being
folded into its file. A spool that is removed in between is an empty one, for its rows then stand in segments.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from headgate.traffic.errors import SpoolUnreadable
from headgate.traffic.rows import EXCHANGE, OPENED, exchange, opened

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from headgate.kernel.ids import ExchangeId
    from headgate.traffic.layout import Layout
    from headgate.traffic.model import Exchange, Opened

_BUSY_S = 5.0
_IDS_A_STATEMENT = 500

_SETTLED = f"SELECT {', '.join(EXCHANGE)} FROM outcome JOIN admission USING (exchange_id)"  # noqa: S608 - names from this package
_UNSETTLED = (
    f"SELECT {', '.join(OPENED)} FROM admission AS a"  # noqa: S608 - as above
    " WHERE NOT EXISTS (SELECT 1 FROM outcome AS o WHERE o.exchange_id = a.exchange_id)"
)


@dataclass(frozen=True, slots=True)
class StoredBodies:
    """The bodies of one exchange as they lie on the disk.

    Attributes:
        exchange_id: The exchange.
        day: The UTC day whose key sealed them, ``YYYY-MM-DD``.
        request: Sealed.
        response: Sealed; ``None`` when none was kept.
    """

    exchange_id: ExchangeId
    day: str
    request: bytes = field(repr=False)
    response: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Condition:
    """What ``recent`` filters by: SQL that both engines read, with ``?`` for each parameter.

    Attributes:
        clause: Such as ``epoch = ?``; written by this package, never by a caller.
        parameter: Its value.
    """

    clause: str
    parameter: str | int


def where(conditions: Sequence[Condition]) -> tuple[str, list[Any]]:
    """Return a ``WHERE`` clause, empty without conditions, and its parameters."""
    if not conditions:
        return "", []
    return " WHERE " + " AND ".join(condition.clause for condition in conditions), [c.parameter for c in conditions]


@contextmanager
def opened_file(path: Path, *, writable: bool = False) -> Generator[sqlite3.Connection | None]:
    """Open a spool's file; ``None`` when it is gone, or when its worker died before it had made the tables.

    Raises:
        SpoolUnreadable: The file cannot be read. It is never taken for an empty one.
    """
    uri = f"file:{quote(str(path))}?mode=rw"
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    except sqlite3.OperationalError as error:
        if path.exists():
            raise _unreadable(path, error) from error
        yield None
        return
    with closing(connection):
        try:
            if not writable:
                connection.execute("PRAGMA query_only=ON")
            made = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'outcome'").fetchone()
            yield connection if made else None
        except sqlite3.Error as error:
            raise _unreadable(path, error) from error


class SpoolReader:
    """The spools of a directory, as far as they are not sealed.

    Args:
        layout: The directory.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def settled_after(self, spool: str, outcome_seq: int, limit: int) -> list[Exchange]:
        """Return the spool's next settled exchanges, in outcome order."""
        query = f"{_SETTLED} WHERE outcome_seq > ? ORDER BY outcome_seq LIMIT ?"
        return [exchange(row, spool) for row in self._ask(spool, query, (outcome_seq, limit))]

    def recent(self, spool: str, conditions: Sequence[Condition], limit: int) -> list[Exchange]:
        """Return the spool's last settled exchanges that meet the conditions, newest first."""
        clause, parameters = where(conditions)
        query = f"{_SETTLED}{clause} ORDER BY outcome_seq DESC LIMIT ?"
        return [exchange(row, spool) for row in self._ask(spool, query, (*parameters, limit))]

    def underway(self, spool: str, limit: int) -> list[Opened]:
        """Return exchanges that are admitted and not settled, newest first."""
        query = f"{_UNSETTLED} ORDER BY admission_seq DESC LIMIT ?"
        return [opened(row) for row in self._ask(spool, query, (limit,))]

    def find(self, spool: str, exchange_id: ExchangeId) -> Exchange | Opened | None:
        """Return an exchange if this spool holds it."""
        # In this order: what is settled between the two questions is found by the second.
        for row in self._ask(spool, f"{_UNSETTLED} AND exchange_id = ?", (exchange_id,)):
            return opened(row)
        for row in self._ask(spool, f"{_SETTLED} WHERE exchange_id = ?", (exchange_id,)):
            return exchange(row, spool)
        return None

    def bodies(self, spool: str, exchange_ids: Sequence[ExchangeId]) -> list[StoredBodies]:
        """Return the stored bodies of those exchanges that this spool holds."""
        found: list[StoredBodies] = []
        for start in range(0, len(exchange_ids), _IDS_A_STATEMENT):
            some = exchange_ids[start : start + _IDS_A_STATEMENT]
            query = (
                "SELECT exchange_id, day, request_sealed, response_sealed FROM admission"  # noqa: S608 - question marks only
                f" LEFT JOIN outcome USING (exchange_id) WHERE exchange_id IN ({', '.join('?' * len(some))})"
            )
            found += [StoredBodies(*row) for row in self._ask(spool, query, some)]
        return found

    def _ask(self, spool: str, query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        with opened_file(self._layout.spool_path(spool)) as connection:
            return [] if connection is None else connection.execute(query, tuple(parameters)).fetchall()


def _unreadable(path: Path, error: sqlite3.Error) -> SpoolUnreadable:
    return SpoolUnreadable(
        f"The spool {path.stem} cannot be read ({error}).",
        help="Look for a full disk or a damaged file; a damaged spool is set aside by hand, never skipped.",
    )
