"""Jobs on a timer, one after the other, in one thread.

A job that fails is logged and tried again at its next turn; it never stops the others. What the failure means for a
release is written where it is felt: a detector that does not answer is a monitor that is down, a reading that cannot be taken is
ERROR, and neither ever widens anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from headgate.kernel.errors import HeadgateError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from headgate.kernel.clock import Clock

log = structlog.get_logger()


@dataclass(slots=True)
class Job:
    """Something to be done again and again.

    Attributes:
        name: What to call it in the log.
        every_s: Seconds between the ends of one run and the start of the next.
        run: Does it, once; returns what is worth logging, or nothing.
        due_at: When it is due, on the monotonic clock.
    """

    name: str
    every_s: float
    run: Callable[[datetime], object]
    due_at: float = 0.0


class Rounds:
    """Runs jobs as they fall due.

    Args:
        jobs: What to do; of several that are due, the first in this order goes first.
        clock: Tells both times.
    """

    def __init__(self, jobs: Sequence[Job], clock: Clock) -> None:
        self._jobs = jobs
        self._clock = clock

    def once(self) -> None:
        """Run every job that is due, once."""
        for job in self._jobs:
            if self._clock.monotonic() >= job.due_at:
                self._run(job)
                job.due_at = self._clock.monotonic() + job.every_s

    def until(self, stop: threading.Event) -> None:
        """Go round until ``stop`` is set."""
        while not stop.is_set():
            self.once()
            soonest = min((job.due_at for job in self._jobs), default=self._clock.monotonic() + 1)
            stop.wait(max(0.01, soonest - self._clock.monotonic()))

    def _run(self, job: Job) -> None:
        try:
            done = job.run(self._clock.now())
        except HeadgateError as problem:
            log.warning("job.failed", job=job.name, code=problem.code, why=problem.message)
        except (SQLAlchemyError, OSError):
            log.exception("job.failed", job=job.name)
        else:
            if done:
                log.debug("job.done", job=job.name, done=str(done))
