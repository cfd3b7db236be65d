"""Sealing: moving settled exchanges from spools into segments, and clearing away what is empty.

A segment is written whole, made durable and renamed into place before its rows leave the spool. Killed in between, the rows
stand in both places for a while; readers count a place in the order once, and the next sealing removes the spool's copy
before it does anything else. One sealing runs at a time, by a lock of its own.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.kernel.clock import to_us
from headgate.traffic.errors import SpoolUnreadable
from headgate.traffic.layout import Layout, SegmentFile, holding_dead
from headgate.traffic.segments import STORED, write_segment
from headgate.traffic.spool_reader import opened_file

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from headgate.traffic.rows import Row

ROWS_A_SEGMENT = 20_000
BYTES_A_SEGMENT = 128 * 2**20
_ROWS_A_DELETE = 500

_NEXT = f"SELECT {', '.join(STORED)} FROM outcome JOIN admission USING (exchange_id) ORDER BY outcome_seq"  # noqa: S608 - own names
_SEQ = STORED.index("outcome_seq")
_SETTLED_US = STORED.index("settled_us")
_REQUEST = STORED.index("request_sealed")
_RESPONSE = STORED.index("response_sealed")


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a round of sealing did.

    Attributes:
        segments: Segments written.
        rows: Exchanges in them.
        removed: Dead workers' spools that were empty and are gone.
        unreadable: Spools that could not be read or written this time.
    """

    segments: int
    rows: int
    removed: int
    unreadable: tuple[str, ...]


def seal(
    directory: Path,
    *,
    older_than: datetime,
    upto: Mapping[str, int],
    fewest_rows: int = 1,
    most_rows: int = ROWS_A_SEGMENT,
) -> Sealed:
    """Seal what was settled before an instant and taken by every reader; remove dead spools that are empty.

    From each spool the longest stretch of outcomes from the lowest on is sealed that meets both conditions, so that a
    segment has no gaps.

    Args:
        directory: The exchange log's directory.
        older_than: Outcomes from this instant on stay in the spool.
        upto: Per spool the last outcome that every reader has taken; a spool that is not named is not sealed.
        fewest_rows: A shorter stretch of a living worker waits, so that segments do not become many and small.
        most_rows: The most exchanges in one segment.

    Returns:
        What was done; nothing when another sealing is running.

    Raises:
        LogUnavailable: The directory cannot be read, or a segment cannot be written; what was not sealed stands in its spool.
    """
    layout = Layout(directory)
    layout.make()
    segments = rows = removed = 0
    unreadable: list[str] = []
    with _alone(layout) as alone:
        if not alone:
            return Sealed(0, 0, 0, ())
        _clear_drafts(layout)
        for spool in layout.spool_names():
            with holding_dead(layout, spool) as dead:
                try:
                    _forget_sealed(layout, spool)
                    while stretch := _next_stretch(layout, spool, to_us(older_than), upto.get(spool, 0), most_rows):
                        if len(stretch) < fewest_rows and not dead:
                            break
                        write_segment(layout.segment_path(spool, stretch[0][_SEQ], stretch[-1][_SEQ]), stretch)
                        _forget_sealed(layout, spool)
                        segments += 1
                        rows += len(stretch)
                    if dead and _is_empty(layout, spool):
                        _remove(layout, spool)
                        removed += 1
                except SpoolUnreadable:
                    unreadable.append(spool)
        _clear_strays(layout)
    return Sealed(segments, rows, removed, tuple(unreadable))


@contextmanager
def _alone(layout: Layout) -> Generator[bool]:
    descriptor = os.open(layout.directory / "sealing.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _next_stretch(layout: Layout, spool: str, older_than_us: int, upto: int, most_rows: int) -> list[Row]:
    stretch: list[Row] = []
    total_bytes = 0
    with opened_file(layout.spool_path(spool)) as connection:
        if connection is None:
            return stretch
        for row in connection.execute(f"{_NEXT} LIMIT ?", (most_rows,)):
            if row[_SEQ] > upto or row[_SETTLED_US] >= older_than_us or total_bytes >= BYTES_A_SEGMENT:
                break
            stretch.append(row)
            total_bytes += len(row[_REQUEST]) + len(row[_RESPONSE] or b"")
    return stretch


def _forget_sealed(layout: Layout, spool: str) -> None:
    """Delete from a spool what already stands in segments, a little at a time so that its worker hardly waits."""
    with opened_file(layout.spool_path(spool), writable=True) as connection:
        if connection is None:
            return
        (lowest,) = connection.execute("SELECT min(outcome_seq) FROM outcome").fetchone()
        if lowest is None:
            return
        for file in layout.segment_files():
            if file.spool == spool and file.last_seq >= lowest:
                while _forget_some(connection, file):
                    pass


def _forget_some(connection: sqlite3.Connection, file: SegmentFile) -> int:
    some = "SELECT exchange_id FROM outcome WHERE outcome_seq BETWEEN ? AND ? ORDER BY outcome_seq LIMIT ?"
    bounds = (file.first_seq, file.last_seq, _ROWS_A_DELETE)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"DELETE FROM admission WHERE exchange_id IN ({some})", bounds)  # noqa: S608 - own names
    deleted = connection.execute(f"DELETE FROM outcome WHERE exchange_id IN ({some})", bounds).rowcount  # noqa: S608 - own names
    connection.execute("COMMIT")
    return deleted


def _is_empty(layout: Layout, spool: str) -> bool:
    with opened_file(layout.spool_path(spool)) as connection:
        if connection is None:
            return True
        query = "SELECT EXISTS (SELECT 1 FROM admission) OR EXISTS (SELECT 1 FROM outcome)"
        return not connection.execute(query).fetchone()[0]


def _remove(layout: Layout, spool: str) -> None:
    """Remove a dead, empty spool: the file first, so that it never stands without what was written ahead of it."""
    path = layout.spool_path(spool)
    for gone in (path, *_beside(path), layout.lock_path(spool)):
        gone.unlink(missing_ok=True)


def _clear_drafts(layout: Layout) -> None:
    """Remove segments that a killed sealing never finished."""
    for draft in layout.segments.glob("*.tmp"):
        draft.unlink(missing_ok=True)


def _clear_strays(layout: Layout) -> None:
    """Remove locks of workers that died before they made a file, and what a killed removal left behind."""
    for spool in layout.lock_names():
        with holding_dead(layout, spool) as dead:
            if dead and not layout.spool_path(spool).exists():
                _remove(layout, spool)


def _beside(path: Path) -> Sequence[Path]:
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")
