"""What is stated of a world before a plan is played in it, and what came of playing it.

Everything that a play rests on is here and is printed with its results: nothing about the world is hidden in a default that
nobody sees.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.releases.model.plan import Reaction
    from headgate.stats.simulation.estimates import Estimate

DAY = 24
"""Ticks in a day: gates are looked at every hour."""


class Adversary(Enum):
    """How those who do harm behave."""

    EVASIVE = "evasive"
    """Their harm is invisible to every detector, so only the random floor finds it."""
    PATIENT = "patient"
    """They behave until the last stage is open; then the harm in its traffic rises."""
    BURSTY = "bursty"
    """They do all their harm in single hours, one a day on average, at the same mean rate."""


@dataclass(frozen=True, slots=True)
class World:
    """What is true while a plan is played.

    Attributes:
        rates: True harms per exchange by hazard, before anything rises.
        adversaries: How those who do harm behave; of none, harm is spread evenly.
        rise: How many times the rate a patient adversary rises to.
        worst_share: Where set: the share of a harmful person's exchanges that is harmful, all harm being theirs.
        auc: How well a detector's score tells harm from the rest.
        flagged: The share of harmless exchanges that it flags.
        sensitivity: One reviewer's chance to see harm that is there.
        specificity: One reviewer's chance to see none where there is none.
        golds_per_day: Known harms of each hazard that are mixed into what reviewers read on a day; of none, nothing measures
            what they miss.
        label_days: Mean days until a label stands.
        harm_days: The same for harmful exchanges.
        approval_days: Days from all other gates passing to the last signature.
        patience_days: Days after which a stage that has not been left counts as never left; where ``None``, what the plan's
            soak gate allows, or ninety.
        after_days: Days that are played once the last stage is open.
    """

    rates: Mapping[str, float]
    adversaries: frozenset[Adversary] = frozenset()
    rise: float = 10.0
    worst_share: float | None = None
    auc: float = 0.9
    flagged: float = 0.002
    sensitivity: float = 1.0
    specificity: float = 1.0
    golds_per_day: float = 0.0
    label_days: float = 0.5
    harm_days: float = 0.5
    approval_days: float = 0.0
    patience_days: float | None = None
    after_days: float = 90.0


@dataclass(frozen=True, slots=True)
class Visit:
    """What one play saw of one stage.

    Attributes:
        opened: The day it was opened, from the beginning of the play.
        left: Days from then to its promotion; ``None`` where it was not left.
        wrong: Whether it was left although the mean true rate of a hazard, in the traffic that had been judged, was not below
            its gate's limit.
    """

    opened: float
    left: float | None = None
    wrong: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """What stopped a release by itself.

    Attributes:
        reaction: What was done.
        stage: Whose tripwire or gate it was.
        source: Which one.
        day: When, from the beginning of the play.
    """

    reaction: Reaction
    stage: str
    source: str
    day: float


@dataclass(frozen=True, slots=True)
class Play:
    """What came of playing a plan once.

    Attributes:
        visits: The stages that were opened, in order.
        stops: What stopped it, in order; nobody resumes a release that was stopped.
        harms: Harmful exchanges served from the beginning until the release was cut, or to the end of the play.
        risen_harms: Those served after the rise, if anything rose; ``None`` where nothing did.
        rose: The day of the rise.
        days: The day of the cut, or of the end.
    """

    visits: tuple[Visit, ...]
    stops: tuple[Stop, ...]
    harms: int
    risen_harms: int | None
    rose: float | None
    days: float


@dataclass(frozen=True, slots=True)
class StageResult:
    """What plays said of one stage.

    Attributes:
        stage: Its name.
        gated: Whether it can be left at all: it has gates.
        opened: In how many plays it was opened.
        promoted: The share of those in which it was left.
        wrong: The share of those in which it was left wrongly.
        days: Days to promotion: the tenth, the middle and the ninetieth of a hundred, not promoted counted as for ever.
    """

    stage: str
    gated: bool
    opened: int
    promoted: Estimate
    wrong: Estimate
    days: tuple[Estimate, Estimate, Estimate]


@dataclass(frozen=True, slots=True)
class StopResult:
    """How often one thing stopped the release first.

    Attributes:
        stage: Whose tripwire or gate it was.
        source: Which one.
        reaction: What it did.
        share: Of all plays.
    """

    stage: str
    source: str
    reaction: Reaction
    share: Estimate


@dataclass(frozen=True, slots=True)
class Simulation:
    """What came of playing a plan many times.

    Attributes:
        plan: The plan's digest.
        seed: What the plays were drawn from.
        runs: How many there were.
        world: What was true in them.
        stages: Stage by stage, as far as the ladder was played.
        wrong: The share of plays with a wrong promotion anywhere.
        never: The share that never opened the last stage that was played.
        cut: The share that was cut.
        stops: What stopped plays first, most frequent first.
        harms: Harmful exchanges before the cut or the end: mean, middle and ninetieth of a hundred.
        before_cut: The same, among the plays that were cut; ``None`` where none was.
        after_rise: Harmful exchanges from the rise to the cut or the end, likewise; ``None`` where nothing rose.
        noticed: Days from the rise to the cut: middle and ninetieth of a hundred, not cut counted as for ever.
        caught: The share of plays in which something rose that were cut after it.
        assumptions: What the plays took for granted, one sentence each.
    """

    plan: str
    seed: int
    runs: int
    world: World
    stages: tuple[StageResult, ...]
    wrong: Estimate
    never: Estimate
    cut: Estimate
    stops: tuple[StopResult, ...]
    harms: tuple[Estimate, Estimate, Estimate]
    before_cut: tuple[Estimate, Estimate, Estimate] | None
    after_rise: tuple[Estimate, Estimate, Estimate] | None
    noticed: tuple[Estimate, Estimate] | None
    caught: Estimate | None
    assumptions: tuple[str, ...] = field(default=())
