"""Retention: destroying the content of old days, and dropping old segments.

Content goes by its key: once a day's wrapped key is overwritten, the bodies of that day are noise wherever they lie. What
is known *of* those exchanges lives on until its segment is dropped, and the counts of exposure outlive both. A destruction
is a ledger entry in the same transaction, and is refused for a day that is not over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from headgate.kernel.actor import Actor, Permission
from headgate.kernel.clock import Clock, to_us
from headgate.traffic.errors import LogUnavailable, TooSoon
from headgate.traffic.keys import DayKeys, day_of
from headgate.traffic.layout import Layout
from headgate.traffic.segments import Segments
from headgate.traffic.store import Append, day_keys, reaching

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path


class Retention:
    """Ends what has been kept long enough.

    Args:
        directory: The exchange log's directory.
        engine: The system of record.
        keys: This process's day keys; destroyed ones are dropped from memory at once.
        append: Appends to the ledger.
        clock: Tells which day it is.
    """

    def __init__(self, directory: Path, engine: sa.Engine, keys: DayKeys, append: Append, clock: Clock) -> None:
        self._layout = Layout(directory)
        self._segments = Segments(self._layout)
        self._engine = engine
        self._keys = keys
        self._append = append
        self._clock = clock

    def destroy_before(self, day: date, by: Actor) -> list[date]:
        """Destroy the keys of all days before ``day``; their content is unreadable from then on, for ever.

        Returns:
            The days whose keys were destroyed now.

        Raises:
            Forbidden: ``by`` may not destroy content.
            TooSoon: ``day`` is in the future, so that a day that is not over would be destroyed.
            LogUnavailable: The database does not answer; nothing was destroyed.
        """
        by.must(Permission.DESTROY_CONTENT)
        now = self._clock.now()
        if day > day_of(now):
            raise TooSoon(f"Content can be destroyed up to yesterday, {day_of(now)} excluded; {day} is later.")
        due = (day_keys.c.day < day.isoformat(), day_keys.c.destroyed_us.is_(None))
        with reaching("the day keys"), self._engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            rows = connection.execute(
                sa.select(day_keys.c.day, day_keys.c.wrapped_key).where(*due).order_by(day_keys.c.day)
            ).all()
            for row in rows:
                blank = bytes(len(row.wrapped_key))  # of the same length, so that it is overwritten where it lies
                connection.execute(
                    sa.update(day_keys).where(day_keys.c.day == row.day).values(wrapped_key=blank, destroyed_us=to_us(now))
                )
            days = [row.day for row in rows]
            if days:
                body = {"days": days, "before": day.isoformat()}
                self._append(connection, kind="traffic.keys_destroyed", subject=days[-1], actor=by.id, at=now, body=body)
        self._keys.forget()
        self._fold_in()
        return [day.fromisoformat(each) for each in days]

    def drop_segments_before(self, day: date, by: Actor) -> int:
        """Delete the segments whose exchanges were all admitted before ``day`` and whose keys are all destroyed.

        Returns:
            How many were deleted.

        Raises:
            Forbidden: ``by`` may not destroy content.
            LogUnavailable: The database or a segment cannot be read.
        """
        by.must(Permission.DESTROY_CONTENT)
        query = sa.select(sa.func.min(day_keys.c.day)).where(day_keys.c.destroyed_us.is_(None))
        with reaching("the day keys"), self._engine.execution_options(read_only=True).connect() as connection:
            oldest_kept = connection.execute(query).scalar_one() or day.isoformat()
        limit = min(day.isoformat(), oldest_kept)
        dropped = [file for file in self._layout.segment_files() if self._segments.header(file).last_day < limit]
        if not dropped:
            return 0
        body = {
            "before": day.isoformat(),
            "segments": len(dropped),
            "exchanges": sum(self._segments.header(file).rows for file in dropped),
        }
        with reaching("the ledger"), self._engine.begin() as connection:
            self._append(connection, kind="traffic.segments_dropped", subject=limit, actor=by.id, at=self._clock.now(), body=body)
        for file in dropped:
            try:
                file.path.unlink(missing_ok=True)
            except OSError as error:
                raise LogUnavailable(f"The segment {file.path.name} cannot be deleted: {error.strerror}.") from error
        return len(dropped)

    def _fold_in(self) -> None:
        """Have SQLite overwrite the keys in its file, and empty the log written ahead, which still holds them."""
        if self._engine.dialect.name == "sqlite":
            with reaching("the day keys"), self._engine.connect() as connection:
                raw = connection.connection.driver_connection
                assert raw is not None
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
