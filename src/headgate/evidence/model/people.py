"""The values of evidence about people to come: kinds that users showed, the strata that they belong to, claims and readings.

A user is an account, counted once by a window of use that began when they were first seen, in the order in which they came
(``users``). What is said here goes beyond the users who were seen: to those of the next stage. It holds for users who come
as those here came, or, carried over stratum by stratum, for users of a stratum who are like those of the same stratum here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta  # noqa: TC003 - the codec in ``wire`` resolves these annotations
from typing import TYPE_CHECKING

from headgate.evidence.model.users import LabelledUsers  # noqa: TC001 - as above

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.kernel.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Stretch:
    """Users who came one after another under one floor.

    Attributes:
        users: How many.
        pi0: The least sampling floor over the exchanges of each of them, in ``(0, 1]``.
    """

    users: int
    pi0: float


@dataclass(frozen=True, slots=True)
class Showing:
    """A drawn exchange that stands as harm of a kind that the plan does not list.

    Attributes:
        user: Whose, by place among the users, counted from 1.
        pi: Its inclusion probability.
        kinds: What reviewers call it; empty when nobody had a word or could tell, and then it is like nothing that was seen.
    """

    user: int
    pi: float
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KindsShown:
    """What kinds of harm the users of an epoch showed, beside those that the plan lists.

    Attributes:
        epoch: The epoch.
        window: How long each user is observed.
        stretches: The users before the frontier, in the order in which they came.
        shown: What they showed, by user, and for each user in the order of the draws.
        enrolled: Users who were seen at all, before the frontier or behind it.
    """

    epoch: str
    window: timedelta
    stretches: tuple[Stretch, ...]
    shown: tuple[Showing, ...]
    enrolled: int

    @property
    def users(self) -> int:
        """Users before the frontier."""
        return sum(stretch.users for stretch in self.stretches)


@dataclass(frozen=True, slots=True)
class DiscoveryClaim:
    """What a discovery gate wants shown.

    Attributes:
        tolerated: How many users of the next stage may be expected to meet a kind of harm that nobody has seen.
        next_stage: The stage that is to open; ``None`` when there is none.
        next_users: How many users it will have; ``None`` when nothing bounds them.
        alpha: The gate's chance of a false promotion over all attempts, in ``(0, 1)``.
        attempt: Which attempt at the gate this is, counted from 1.
    """

    tolerated: float
    next_stage: str | None
    next_users: int | None
    alpha: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Estimates:
    """What might be guessed of kinds beside the bound; none of it is guaranteed, and no verdict reads it.

    Attributes:
        good_turing: The share of users whose kind nobody else showed.
        chao1: Kinds in all, seen or not.
        more_kinds: New kinds that the next stage's users would show; ``None`` when nobody knows how many they are.
    """

    good_turing: float
    chao1: float
    more_kinds: float | None


@dataclass(frozen=True, slots=True)
class DiscoveryReading:
    """What users say of kinds of harm to come.

    Attributes:
        verdict: PASS: few enough users of the next stage are expected to meet an unseen kind. ERROR: the input contradicts
            itself. It is never FAIL: that kinds are unseen cannot be shown by what was seen.
        unseen_mass: The bound on the probability that the next user shows a kind that nobody showed before.
        next_users: Users of the next stage; ``None`` when nothing bounds them.
        expected: At most so many of them are expected to meet an unseen kind; ``None`` when nothing bounds them.
        chance_of_none: At least this probability that none of them does; ``None`` likewise.
        tolerated: How many may.
        alpha_spent: What this attempt may spend.
        users: Users before the frontier.
        enrolled: Users who were seen at all.
        kinds: The kinds that were named, in the order in which they were first shown.
        discoveries: Users who showed a kind that nobody before them had shown, or one that nobody could name.
        estimates: Guesses; ``None`` without users.
        users_to_go: How many more users, all showing nothing new, a pass takes; 0 after a pass; ``None`` when no number does.
        weighted: The floor changed on the way, so users count in proportion to it.
        sentence: The reading in one sentence.
        not_shown: What the users could not have shown, in plain words.
    """

    verdict: Verdict
    unseen_mass: float
    next_users: int | None
    expected: float | None
    chance_of_none: float | None
    tolerated: float
    alpha_spent: float
    users: int
    enrolled: int
    kinds: tuple[str, ...]
    discoveries: int
    estimates: Estimates | None
    users_to_go: int | None
    weighted: bool
    sentence: str
    not_shown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stratum:
    """People who are alike in one respect.

    Attributes:
        name: What they have in common, such as a language.
        expected: The share of the next stage's users that they are expected to be, in ``[0, 1]``.
        seen: Those of them who are here.
    """

    name: str
    expected: float
    seen: LabelledUsers


@dataclass(frozen=True, slots=True)
class Division:
    """The users of an epoch told apart in one respect, with the labels of one hazard.

    Attributes:
        of: By what they are told apart, such as ``language``.
        hazard: The kind of harm.
        worst_share: The most of one user's window that enforcement lets be harmful, in ``(0, 1]``; the plan's word.
        strata: Those that are expected, and those that are here.
        first_seen: The places, counted from 1, of the users with whom a stratum was first seen, among all who came.
    """

    of: str
    hazard: str
    worst_share: float
    strata: tuple[Stratum, ...]
    first_seen: tuple[int, ...]

    @property
    def enrolled(self) -> int:
        """Users who were seen at all."""
        return sum(stratum.seen.enrolled for stratum in self.strata)


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of the users of another stage, in one respect and for one hazard.

    Attributes:
        of: By what people are told apart.
        hazard: The kind of harm.
        worst_share: The most of one user's window that enforcement lets be harmful, in ``(0, 1]``.
        shares: The share of each stratum, adding up to one.
    """

    of: str
    hazard: str
    worst_share: float
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class CoverageClaim:
    """What a coverage gate wants shown.

    Attributes:
        of: By what people are told apart.
        hazards: The kinds of harm whose rates are carried over.
        for_stage: The stage that is to open.
        below: The limit on the mean share of harm among its users, in ``(0, 1)``, declared beforehand.
        alpha: The gate's chance of a false promotion over all attempts, in ``(0, 1)``.
        attempt: Which attempt at the gate this is, counted from 1.
    """

    of: tuple[str, ...]
    hazards: tuple[str, ...]
    for_stage: str
    below: float
    alpha: float
    attempt: int


@dataclass(frozen=True, slots=True)
class StratumReading:
    """What is known of one stratum.

    Attributes:
        name: Its name.
        users: Users before the frontier.
        share: Their share of all users before the frontier.
        expected: Their share of the next stage.
        upper_bound: On their mean share of harm; 1 when there is nobody.
    """

    name: str
    users: int
    share: float
    expected: float
    upper_bound: float


@dataclass(frozen=True, slots=True)
class CarriedOver:
    """One hazard's rate, carried over by one division.

    Attributes:
        of: By what people are told apart.
        hazard: The kind of harm.
        bound: Upper bound on the mean share of harm among the next stage's users.
        least: Lower bound on it, of confirmed harm alone.
        users: Users before the frontier.
        effective_users: How many of the next stage's users those are worth.
        unseen_mass: Bound on the probability that the next user here belongs to a stratum that nobody belonged to before.
        strata: What is known of each.
    """

    of: str
    hazard: str
    bound: float
    least: float
    users: int
    effective_users: float
    unseen_mass: float
    strata: tuple[StratumReading, ...]


@dataclass(frozen=True, slots=True)
class CoverageReading:
    """What users say of the users of another stage.

    Attributes:
        verdict: PASS: every bound lies below the limit. FAIL: one rate is shown above it. ERROR: the input contradicts itself.
        bound: The largest of the bounds; 1 when there is none.
        alpha_spent: What this attempt may spend; each bound holds at it, and none needs more since all must pass.
        carried: Each hazard's rate by each division.
        unseen: Strata that are expected and that nobody here belongs to, as ``language: fr``.
        sentence: The reading in one sentence.
        not_shown: What the users could not have shown, in plain words.
    """

    verdict: Verdict
    bound: float
    alpha_spent: float
    carried: tuple[CarriedOver, ...]
    unseen: tuple[str, ...]
    sentence: str
    not_shown: tuple[str, ...]
