"""The course of an epoch's labels in SQL: a bounded number of cuts through the sample, whatever its size."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from headgate.kernel.clock import from_us, to_us
from headgate.safety.sampling.course import Reached
from headgate.safety.store import numbers
from headgate.safety.store.opening import reading
from headgate.safety.store.tables import standings

if TYPE_CHECKING:
    from datetime import datetime, timedelta


class SqlCourses:
    """Reads courses from the system of record.

    Args:
        engine: Where it is.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def course(self, epoch: str, hazard: str, *, most: int, now: datetime, d_max: timedelta) -> tuple[Reached, ...]:
        """Return the epoch's labels up to the frontier, cut off after every so many of them; the last cut has them all.

        Args:
            epoch: Which epoch.
            hazard: Which hazard.
            most: How many cuts there may be, at least 1.
            now: The present instant.
            d_max: How long a sampled exchange may stay unresolved before it counts as harm.

        Returns:
            The cuts in order; none where nothing is labelled. Cost: the epoch's sample, never its draws.

        Raises:
            HazardUnknown: The epoch's labels do not answer for the hazard.
            SafetyStoreUnavailable: The database does not answer.
            ValueError: ``most`` is not positive.
        """
        if most < 1:
            raise ValueError("a course has at least one cut")
        with reading(self._engine) as connection:
            whole = numbers.labelled(connection, epoch, hazard, overdue_us=to_us(now - d_max))
            if not whole.labels:
                return ()
            every = -(-whole.labels // most)
            behind = (standings.c.epoch == epoch, standings.c.hazard == hazard, standings.c.position <= whole.frontier)
            place = sa.func.row_number().over(order_by=standings.c.position).label("place")
            placed = sa.select(standings.c.position, standings.c.drawn_at_us, place).where(*behind).subquery()
            wanted = (placed.c.place % every == 0) | (placed.c.place == whole.labels)
            cuts = connection.execute(sa.select(placed).where(wanted).order_by(placed.c.place)).all()
            found = numbers.harms_behind(connection, epoch, hazard, whole.frontier)
            floors = numbers.floors(connection, epoch)
        places = [place for place, _ in found]
        course: list[Reached] = []
        for cut in cuts:
            last = cut.place == whole.labels
            upto = whole.frontier if last else cut.position
            part = replace(
                whole,
                segments=numbers.segments(floors, 1, upto),
                harms=tuple(harm for _, harm in found[: bisect_right(places, upto)]),
                labels=cut.place,
                frontier=upto,
            )
            course.append(Reached(from_us(cut.drawn_at_us), part))
        return tuple(course)
