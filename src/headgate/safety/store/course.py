"""The course of an epoch's labels in SQL: a bounded number of cuts through the sample, whatever its size."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING

from headgate.kernel.clock import from_us, to_us
from headgate.safety.sampling.course import Reached
from headgate.safety.store import numbers
from headgate.safety.store.opening import reading
from headgate.safety.store.sample import Samples

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    import sqlalchemy as sa


class SqlCourses:
    """Reads courses from the system of record.

    Args:
        engine: Where it is.
        samples: What is known of samples there.
    """

    def __init__(self, engine: sa.Engine, samples: Samples | None = None) -> None:
        self._engine = engine
        self._samples = samples or Samples()

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
            whole = numbers.labelled(connection, self._samples, epoch, hazard, overdue_us=to_us(now - d_max)).answer
            if not whole.labels:
                return ()
            state = numbers.of_epoch(connection, epoch, hazard)
            sample = self._samples.of(connection, state, hazard)
            floors = numbers.floors(connection, epoch)
        every = -(-whole.labels // most)
        cuts = [*range(every, whole.labels, every), whole.labels]
        places = sample.places[sample.counted(whole.frontier)].tolist()
        course: list[Reached] = []
        for labels in cuts:
            upto = whole.frontier if labels == whole.labels else int(sample.places[labels - 1])
            part = replace(
                whole,
                segments=numbers.segments(floors, 1, upto),
                harms=whole.harms[: bisect_right(places, upto)],
                labels=labels,
                frontier=upto,
            )
            course.append(Reached(from_us(int(sample.drawn_at_us[labels - 1])), part))
        return tuple(course)
