"""The values of a holdback that runs: who was served on which side, day by day, and what a comparison of both sides shows.

Units are counted, not exchanges: an organisation, or an account that belongs to none, is drawn as one, so it counts as one,
however much harm it does. Nobody is named here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta  # noqa: TC003 - the codec in ``wire`` resolves these annotations


@dataclass(frozen=True, slots=True)
class HoldbackRule:
    """How two sides are compared.

    Attributes:
        hazards: Every kind of harm that is looked for, in the plan's order.
        share: The share of units that are drawn to be held back.
        window: How long each account is compared, on either side.
        alpha: The chance of ever calling a rise that is none, over all hazards together.
    """

    hazards: tuple[str, ...]
    share: float
    window: timedelta
    alpha: float


@dataclass(frozen=True, slots=True)
class HoldbackDay:
    """One UTC day that is over, of the units that no harm of this kind had been confirmed of before.

    Attributes:
        day: ``YYYY-MM-DD``.
        new_units: Units with the new access that were served.
        old_units: Units that are held back, and were served.
        new_exchanges: What the former exchanged.
        old_exchanges: What the latter exchanged.
        new_harms: How many of the former showed the harm on this day: of each unit, what was confirmed first.
        old_harms: How many of the latter did.
    """

    day: str
    new_units: int
    old_units: int
    new_exchanges: int
    old_exchanges: int
    new_harms: int
    old_harms: int


@dataclass(frozen=True, slots=True)
class Compared:
    """Both sides in respect of one hazard.

    Attributes:
        hazard: Which hazard.
        days: The days on which anybody was compared, in order.
    """

    hazard: str
    days: tuple[HoldbackDay, ...]


@dataclass(frozen=True, slots=True)
class ComparedHazard:
    """What a comparison shows of one hazard.

    Attributes:
        hazard: Which hazard.
        new_harms: Units with the new access that showed it.
        old_harms: Units that are held back and showed it.
        share: The new side's share of the exposure, over all days; ``None`` where nobody was exposed.
        log_e: Log of the stake against "the new access raised nothing", nats.
        risen: That a rise is shown.
    """

    hazard: str
    new_harms: int
    old_harms: int
    share: float | None
    log_e: float
    risen: bool


@dataclass(frozen=True, slots=True)
class ComparisonReading:
    """What a holdback that runs shows.

    Attributes:
        hazards: Each hazard.
        days: Days that are compared.
        new_units: Most units with the new access that were served on one day.
        old_units: Most units held back that were served on one day.
        threshold_log_e: What a hazard's stake must reach.
        risen: That any hazard has risen.
        sentence: The reading in one sentence.
        not_shown: What it leaves open.
    """

    hazards: tuple[ComparedHazard, ...]
    days: int
    new_units: int
    old_units: int
    threshold_log_e: float
    risen: bool
    sentence: str
    not_shown: tuple[str, ...]
