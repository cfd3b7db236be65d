"""Sealed segments: settled exchanges as Parquet files that never change, read with DuckDB.

A segment holds a stretch of one spool's outcomes without gaps, bodies still sealed, sorted by exchange so that one can be
found without reading the rest. Its header says which exchanges, days and instants it covers; a file that cannot hold the
answer is not opened.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# PyArrow ships no types.

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from headgate.kernel.clock import to_us
from headgate.traffic.errors import LogUnavailable
from headgate.traffic.keys import sync_folder
from headgate.traffic.rows import EXCHANGE, exchange
from headgate.traffic.spool_reader import Condition, StoredBodies, where

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from headgate.kernel.ids import ExchangeId
    from headgate.traffic.layout import Layout, SegmentFile
    from headgate.traffic.model import Exchange
    from headgate.traffic.rows import Row

STORED = (*EXCHANGE, "day", "request_sealed", "response_sealed")
"""A segment's columns."""

_INTEGERS = frozenset(
    {
        "reserved_tokens",
        "http_status",
        "prompt_tokens",
        "completion_tokens",
        "charged_tokens",
        "response_bytes",
        "outcome_seq",
    }
)
_ROWS_A_GROUP = 1000
_HEADER = b"headgate"
_THREADS = 2
_FILES_A_QUESTION = 16


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a segment covers.

    Attributes:
        rows: Exchanges in it.
        first_id: The smallest exchange id.
        last_id: The greatest exchange id.
        first_day: The first UTC day of admission, ``YYYY-MM-DD``.
        last_day: The last UTC day of admission.
        last_settled_us: When the last of them was settled.
    """

    rows: int
    first_id: str
    last_id: str
    first_day: str
    last_day: str
    last_settled_us: int


def write_segment(path: Path, rows: Sequence[Row]) -> None:
    """Write rows of ``STORED`` to ``path``, whole or not at all, and so that they survive power loss.

    Raises:
        LogUnavailable: The disk is full or cannot be written; nothing stands at ``path``.
    """
    rows = sorted(rows, key=lambda row: row[0])
    columns = {name: [row[index] for row in rows] for index, name in enumerate(STORED)}
    header = Header(
        rows=len(rows),
        first_id=columns["exchange_id"][0],
        last_id=columns["exchange_id"][-1],
        first_day=min(columns["day"]),
        last_day=max(columns["day"]),
        last_settled_us=max(columns["settled_us"]),
    )
    table = pa.table(columns, schema=pa.schema([(name, _type(name)) for name in STORED]))
    table = table.replace_schema_metadata({_HEADER: msgspec.json.encode(header)})
    draft = path.with_suffix(".tmp")
    try:
        with draft.open("wb") as file:
            pq.write_table(table, file, compression="zstd", row_group_size=_ROWS_A_GROUP)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise LogUnavailable(f"The segment {path.name} cannot be written: {error.strerror}.") from error


class Segments:
    """The sealed segments of a directory.

    Args:
        layout: The directory.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._headers: dict[str, Header] = {}
        self._database: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()

    def header(self, file: SegmentFile) -> Header:
        """Return what a segment covers.

        Raises:
            FileNotFoundError: It was dropped.
            LogUnavailable: It is damaged.
        """
        known = self._headers.get(file.path.name)
        if known is None:
            try:
                metadata = pq.read_metadata(file.path).metadata or {}
                known = msgspec.json.decode(metadata.get(_HEADER, b""), type=Header)
            except (pa.ArrowInvalid, msgspec.DecodeError) as error:
                raise _damaged(file) from error
            self._headers[file.path.name] = known
        return known

    def settled_after(self, spool: str, outcome_seq: int, limit: int) -> list[Exchange]:
        """Return a spool's next sealed exchanges, in outcome order."""
        query = f"SELECT {', '.join(EXCHANGE)} FROM {{}} WHERE outcome_seq > ? ORDER BY outcome_seq LIMIT ?"  # noqa: S608 - own names
        rows = self._ask(lambda file: file.spool == spool and file.last_seq > outcome_seq, query, [outcome_seq, limit])
        return [exchange(row, spool) for row in rows]

    def recent(self, conditions: Sequence[Condition], limit: int, *, since: datetime | None) -> list[Exchange]:
        """Return the last sealed exchanges that meet the conditions, newest first, from segments not older than ``since``.

        Segments are asked a few at a time, the latest first, until no older one can hold a newer exchange.
        """
        clause, parameters = where(conditions)
        query = f"SELECT {', '.join(EXCHANGE)}, filename FROM {{}}{clause} ORDER BY settled_us DESC LIMIT ?"  # noqa: S608 - own names
        since_us = 0 if since is None else to_us(since)
        latest_first = sorted(self._covering(since_us), key=lambda pair: pair[0], reverse=True)
        found: list[Exchange] = []
        for start in range(0, len(latest_first), _FILES_A_QUESTION):
            some = latest_first[start : start + _FILES_A_QUESTION]
            if len(found) == limit and to_us(found[-1].settled_at) >= some[0][0]:
                break
            names = {name for _, name in some}
            rows = self._ask(lambda file, names=names: file.path.name in names, query, [*parameters, limit])
            found += [exchange(row, _spool_of(row[-1])) for row in rows]
            found = sorted(found, key=lambda exchange: exchange.settled_at, reverse=True)[:limit]
        return found

    def _covering(self, since_us: int) -> list[tuple[int, str]]:
        """Return when the last exchange of each segment was settled, and the segment's name, from ``since_us`` on."""
        covering: list[tuple[int, str]] = []
        for file in self._layout.segment_files():
            with suppress(FileNotFoundError):
                if (last_settled_us := self.header(file).last_settled_us) >= since_us:
                    covering.append((last_settled_us, file.path.name))
        return covering

    def find(self, exchange_id: ExchangeId) -> Exchange | None:
        """Return an exchange if it is sealed."""
        query = f"SELECT {', '.join(EXCHANGE)}, filename FROM {{}} WHERE exchange_id = ? LIMIT 1"  # noqa: S608 - own names
        for row in self._ask(self._may_hold([exchange_id]), query, [exchange_id]):
            return exchange(row, _spool_of(row[-1]))
        return None

    def bodies(self, exchange_ids: Sequence[ExchangeId]) -> list[StoredBodies]:
        """Return the stored bodies of those exchanges that are sealed."""
        if not exchange_ids:
            return []
        query = "SELECT exchange_id, day, request_sealed, response_sealed FROM {} WHERE exchange_id IN (SELECT unnest(?))"
        rows = self._ask(self._may_hold(exchange_ids), query, [list(exchange_ids)])
        return [StoredBodies(*row) for row in rows]

    def _may_hold(self, exchange_ids: Sequence[ExchangeId]) -> Callable[[SegmentFile], bool]:
        def may_hold(file: SegmentFile) -> bool:
            header = self.header(file)
            return any(header.first_id <= exchange_id <= header.last_id for exchange_id in exchange_ids)

        return may_hold

    def _ask(self, wanted: Callable[[SegmentFile], bool], query: str, parameters: list[Any]) -> list[Row]:
        """Ask the segments that are wanted; ``{}`` in the query stands for them. A file dropped meanwhile is left out."""
        while True:
            files: list[SegmentFile] = []
            try:
                files = [file for file in self._layout.segment_files() if wanted(file)]
                if not files:
                    return []
                paths = [str(file.path) for file in files]
                return self._cursor().execute(query.format("read_parquet(?, filename = true)"), [paths, *parameters]).fetchall()
            except FileNotFoundError:
                continue
            except duckdb.Error as error:
                if any(not file.path.exists() for file in files):
                    continue  # retention dropped it between our looking and our reading
                raise LogUnavailable(
                    "The sealed segments of the exchange log cannot be read.",
                    help="Look for a damaged file in the segments folder; a damaged one is set aside by hand, never skipped.",
                ) from error

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._database is None:
                self._database = duckdb.connect(":memory:", config={"threads": _THREADS, "autoinstall_known_extensions": False})
            return self._database.cursor()


def _spool_of(filename: str) -> str:
    return os.path.basename(filename).split(".", 1)[0]  # noqa: PTH119 - DuckDB gives text


def _type(name: str) -> Any:
    if name.endswith("_sealed"):
        return pa.binary()
    if name.endswith("_us") or name in _INTEGERS:
        return pa.int64()
    if name in {"stream", "usage_exact"}:
        return pa.int8()
    if name == "duration_ms":
        return pa.float64()
    return pa.string()


def _damaged(file: SegmentFile) -> LogUnavailable:
    return LogUnavailable(
        f"The segment {file.path.name} is damaged.",
        help="Restore it from a backup, or set it aside; a damaged segment is never taken for an empty one.",
    )
