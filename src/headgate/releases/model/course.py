"""How a gate's bound came to be what it is, against its limit: what a chart shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.releases.model.reading import Exposure
    from headgate.releases.model.release import Rung


@dataclass(frozen=True, slots=True)
class Reached:
    """One step of a course.

    Attributes:
        seen: How many labels, or users, there were.
        at: When the last of them was recorded; ``None`` where that is not known.
        exchanges: The exchanges that they speak of; ``None`` where they speak of users.
        harms: Harms among them; for users, those with harm; for kinds of harm, the users who showed a new one; where users are
            carried over to another stage, the strata of that stage that nobody belongs to.
        bound: What was bounded from above; ``None`` where nothing bounds it yet.
    """

    seen: int
    at: datetime | None
    exchanges: int | None
    harms: int
    bound: float | None


@dataclass(frozen=True, slots=True)
class Course:
    """A gate's bound over ever more evidence of its present epoch.

    Attributes:
        gate_id: Which gate.
        unit: What evidence is counted in: ``label`` or ``user``.
        bounds: What is bounded: ``rate``, a share of exchanges; ``share``, the mean over users of each one's share; ``carried``,
            the same among the users of another stage; or ``users``, people of the next stage.
        limit: What the bound must fall below.
        steps: From the first evidence to all there is; the last is what the gate says now.
    """

    gate_id: str
    unit: str
    bounds: str
    limit: float
    steps: tuple[Reached, ...]


@dataclass(frozen=True, slots=True)
class StageExposure:
    """Who has had access under one stage.

    Attributes:
        rung: The stage, with its attempt.
        counted: Accounts, organisations and exchanges over all its attempts; ``None`` when they cannot be read.
    """

    rung: Rung
    counted: Exposure | None
