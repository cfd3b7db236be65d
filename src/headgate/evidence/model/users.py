"""The values of evidence where the user is the unit: what each user did, claims of *users like these*, and readings.

A user here is an account. A user enters once, with all that was done in a window of use that began when they were first
seen, and never leaves: whoever departs or is banned stays in, with what they did.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta  # noqa: TC003 - the codec in ``wire`` resolves these annotations
from typing import TYPE_CHECKING

from headgate.evidence.model import Harm  # noqa: TC001 - as above

if TYPE_CHECKING:
    from headgate.kernel.verdict import Verdict

USERS_LIKE_THESE = "users like these"
"""What a reading of users speaks of: people who come as those in the epoch came, and no others."""


@dataclass(frozen=True, slots=True)
class CleanUsers:
    """Users in whose windows nothing counts as harm, all under the same mean floor.

    Attributes:
        users: How many.
        exchanges: What they did in their windows together, drawn or not.
        labels: Drawn exchanges among those.
        floor: The mean sampling floor over the exchanges of each of them, in ``(0, 1]``.
    """

    users: int
    exchanges: int
    labels: int
    floor: float


@dataclass(frozen=True, slots=True)
class HarmfulUser:
    """A user in whose window something counts as harm.

    Attributes:
        exchanges: What they did in their window, drawn or not.
        labels: Drawn exchanges among those.
        floor: The mean sampling floor over their exchanges, in ``(0, 1]``.
        harms: What was found harmful.
        doubtful: What nobody could tell, or did not in time; it counts as harm against a pass, and never as harm shown.
    """

    exchanges: int
    labels: int
    floor: float
    harms: tuple[Harm, ...]
    doubtful: tuple[Harm, ...]


@dataclass(frozen=True, slots=True)
class LabelledUsers:
    """The users of an epoch for one hazard, in the order in which they were first seen, up to the frontier.

    The frontier stops at the first user whose window is still open, or in whose window something still waits for its coin or
    for its label. So a user who is slow to judge holds up all who came later: nobody enters for being easy.

    Attributes:
        epoch: The epoch.
        hazard: The kind of harm.
        window: How long a user is observed, from when they were first seen.
        clean: The users before the frontier in whose windows there is no harm, by their floor.
        harmful: The other users before the frontier.
        enrolled: Users who were seen at all, before the frontier or behind it.
    """

    epoch: str
    hazard: str
    window: timedelta
    clean: tuple[CleanUsers, ...]
    harmful: tuple[HarmfulUser, ...]
    enrolled: int

    @property
    def users(self) -> int:
        """Users before the frontier."""
        return sum(group.users for group in self.clean) + len(self.harmful)

    @property
    def exchanges(self) -> int:
        """What they did in their windows, drawn or not."""
        return sum(group.exchanges for group in (*self.clean, *self.harmful))

    @property
    def labels(self) -> int:
        """Drawn and resolved exchanges among those."""
        return sum(group.labels for group in (*self.clean, *self.harmful))


@dataclass(frozen=True, slots=True)
class UsersClaim:
    """What a gate on users wants shown.

    Attributes:
        hazard: The kind of harm.
        below: The limit on the mean, over users, of each one's share of harm; in ``(0, worst_share)``, declared beforehand.
        worst_share: The most of one user's window that enforcement lets be harmful, in ``(0, 1]``. It is taken from the plan,
            and labels can only contradict it; 1 assumes nothing.
        window: How long each user is observed.
        alpha: The gate's chance of a false promotion over all attempts, in ``(0, 1)``.
        attempt: Which attempt at the gate this is, counted from 1.
    """

    hazard: str
    below: float
    worst_share: float
    window: timedelta
    alpha: float
    attempt: int


@dataclass(frozen=True, slots=True)
class UsersToGo:
    """How many more users a pass would take.

    Attributes:
        best: If none of them does harm; 0 after a pass.
        likely: If they are like those so far, drawn a little towards "some harm"; ``None`` when that never passes.
        never: The mean share seen so far is at or above the limit: more of the same will not pass.
    """

    best: int
    likely: int | None
    never: bool


@dataclass(frozen=True, slots=True)
class UsersReading:
    """What the users say of a claim.

    Attributes:
        verdict: PASS: the mean share is shown below the limit. FAIL: it is shown above. ERROR: the input contradicts itself,
            or the worst share.
        log_e: Log of the stake against "the mean share is at or above the limit", nats. 0 is no evidence either way.
        harm_log_e: Log of the stake against "the mean share is at or below the limit", from confirmed harms alone, nats.
        threshold_log_e: What either must reach.
        alpha_spent: What this attempt may spend.
        users: Users before the frontier.
        harmful: Those with confirmed harm.
        enrolled: Users who were seen at all.
        exchanges: What the users before the frontier did.
        labels: Drawn and resolved exchanges among those.
        mean_share: The mean share of harm, with no guarantee; ``None`` without users.
        upper_bound: The smallest limit that the users rule out; the worst share when they rule out nothing.
        tightest: The smallest limit that so many users could show if none of them had done harm.
        users_to_go: How far it is to a pass.
        claim: What the numbers speak of.
        weighted: The floor changed on the way, so exchanges count in proportion to it.
        sentence: The reading in one sentence.
        not_shown: What the users could not have shown, in plain words.
        limit: What the mean share of standing harm was held against: the claim's limit, lowered by what reviewers miss where that
            was measured; ``None`` when so little is known of them that nothing can be shown.
        recognised: The lower bound on the share of known harms that reviewers recognise; ``None`` when nothing measured it.
    """

    verdict: Verdict
    log_e: float
    harm_log_e: float
    threshold_log_e: float
    alpha_spent: float
    users: int
    harmful: int
    enrolled: int
    exchanges: int
    labels: int
    mean_share: float | None
    upper_bound: float
    tightest: float
    users_to_go: UsersToGo
    claim: str
    weighted: bool
    sentence: str
    not_shown: tuple[str, ...]
    limit: float | None
    recognised: float | None
