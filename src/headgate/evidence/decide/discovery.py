"""What users say of kinds of harm that nobody has seen yet.

Each user counts once, in the order in which they came: either they showed a kind that the plan does not list and nobody before
them had shown, or they did not. From that order the probability that the *next* user shows an unseen kind is bounded, at all
times at once (``stats.discovery``). The next stage has so many users; if they are of the same population, at most that many
times the bound are expected to meet one. PASS: no more than are tolerated. Everything else is INSUFFICIENT, no users at
all included.

There is no FAIL. That something is still unseen cannot be shown by what was seen: a stage that turned up ten kinds may have
turned up all there are.

What counts as new errs to one side. An exchange that nobody could judge, or judged in time, shows a kind that nobody has
seen; so does a harm for which no reviewer had a word, every time; and two spellings are two kinds. A kind that the plan
lists is not new, whenever it is first met: it has a limit and a gate of its own.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from headgate.evidence.decide import left_open
from headgate.evidence.decide.phrases import count_text, rate_text
from headgate.evidence.model.people import DiscoveryReading, Estimates
from headgate.kernel.verdict import Verdict
from headgate.stats import discovery
from headgate.stats.spending import attempt_alpha

if TYPE_CHECKING:
    from headgate.evidence.model.people import DiscoveryClaim, KindsShown


def read_discovery(seen: KindsShown, claim: DiscoveryClaim) -> DiscoveryReading:
    """Return what ``seen`` says of ``claim``. The same input gives the same reading, for ever."""
    wrong = _wrong_with_claim(claim) or _wrong_with_kinds(seen)
    if wrong is not None:
        return unreadable_discovery(claim, f"Nothing is concluded: the evidence contradicts itself. {wrong}")
    alpha = attempt_alpha(claim.alpha, claim.attempt)
    order = _in_order(seen)
    mass = discovery.unseen_mass_bound(order.users, order.floors, order.at, order.pi, alpha)
    expected = none = None
    if claim.next_users is not None:
        expected, none = discovery.next_stage(claim.next_users, mass)
    passed = expected is not None and expected <= claim.tolerated and seen.users > 0
    verdict = Verdict.PASS if passed else Verdict.INSUFFICIENT
    to_go = 0 if passed else _to_go(order, claim, alpha)
    weighted = len({stretch.pi0 for stretch in seen.stretches if stretch.users}) > 1
    return DiscoveryReading(
        verdict=verdict,
        unseen_mass=mass,
        next_users=claim.next_users,
        expected=expected,
        chance_of_none=none,
        tolerated=claim.tolerated,
        alpha_spent=alpha,
        users=seen.users,
        enrolled=seen.enrolled,
        kinds=tuple(order.shown_by),
        discoveries=len(order.at),
        estimates=_estimates(order, seen.users, claim.next_users),
        users_to_go=to_go,
        weighted=weighted,
        sentence=_sentence(verdict, seen, claim, expected, order, to_go),
        not_shown=left_open.of_discovery(seen, claim, mass=mass, weighted=weighted),
    )


def unreadable_discovery(claim: DiscoveryClaim, sentence: str) -> DiscoveryReading:
    """Return the ERROR reading of users that cannot be used, or cannot be had; it holds no number that could pass for one."""
    sound = _wrong_with_claim(claim) is None
    return DiscoveryReading(
        verdict=Verdict.ERROR,
        unseen_mass=1.0,
        next_users=claim.next_users,
        expected=None,
        chance_of_none=None,
        tolerated=claim.tolerated,
        alpha_spent=attempt_alpha(claim.alpha, claim.attempt) if sound else 0.0,
        users=0,
        enrolled=0,
        kinds=(),
        discoveries=0,
        estimates=None,
        users_to_go=None,
        weighted=False,
        sentence=sentence,
        not_shown=("Anything: the evidence could not be read.",),
    )


@dataclass(frozen=True, slots=True)
class _Order:
    """Users in the order in which they came, and where something new turned up.

    Attributes:
        users: Users per stretch.
        floors: Their floors.
        at: The places of users who showed something that nobody before them had shown.
        pi: The inclusion probability of the first exchange of theirs that did.
        shown_by: How many users showed each kind that was named, in the order in which kinds were first shown.
        unnamed: How often something was shown that nobody named.
    """

    users: list[int]
    floors: list[float]
    at: list[int]
    pi: list[float]
    shown_by: dict[str, int]
    unnamed: int


def _in_order(seen: KindsShown) -> _Order:
    order = _Order([stretch.users for stretch in seen.stretches], [stretch.pi0 for stretch in seen.stretches], [], [], {}, 0)
    unnamed = 0
    for user, showings in groupby(seen.shown, key=lambda showing: showing.user):
        theirs: dict[str, None] = {}
        news: float | None = None
        for showing in showings:
            unnamed += not showing.kinds
            if news is None and (not showing.kinds or any(kind not in order.shown_by for kind in showing.kinds)):
                news = showing.pi
            theirs |= dict.fromkeys(showing.kinds)
        if news is not None:
            order.at.append(user)
            order.pi.append(news)
        for kind in theirs:
            order.shown_by[kind] = order.shown_by.get(kind, 0) + 1
    return replace(order, unnamed=unnamed)


def _to_go(order: _Order, claim: DiscoveryClaim, alpha: float) -> int | None:
    if claim.next_users is None:
        return None
    wanted = claim.tolerated / claim.next_users if claim.next_users else 1.0
    if wanted >= 1:
        return 1  # so few come that nothing has to be known of them; still, somebody has to have been here
    return discovery.clean_users_to_go(order.users, order.floors, order.at, order.pi, wanted, alpha)


def _estimates(order: _Order, users: int, next_users: int | None) -> Estimates | None:
    if users == 0:
        return None
    how_often = Counter(order.shown_by.values())
    how_often[1] += order.unnamed
    kinds = len(order.shown_by) + order.unnamed
    frequencies = [how_often[times] for times in range(1, max(how_often) + 1)]
    more = None if next_users is None else max(0.0, discovery.good_toulmin(frequencies, next_users / users))
    return Estimates(
        good_turing=discovery.good_turing(how_often[1], users),
        chao1=discovery.chao1(kinds, how_often[1], how_often[2], users),
        more_kinds=more,
    )


def _sentence(
    verdict: Verdict, seen: KindsShown, claim: DiscoveryClaim, expected: float | None, order: _Order, to_go: int | None
) -> str:
    found = f"{count_text(seen.users, 'user')}, of whom {len(order.at):,} showed a kind nobody had seen"
    if seen.users == 0:
        return "Kinds to come are not bounded: nobody's first days are over and judged yet."
    if expected is None or claim.next_users is None:
        return f"Kinds to come are not bounded: nothing says how many users come next. So far: {found}."
    coming = f"of {claim.next_users:,} users of {claim.next_stage}"
    if verdict is Verdict.PASS:
        return f"At most {expected:.2g} {coming} are expected to meet an unseen kind, {claim.tolerated:g} may: {found}."
    further = "no number of users like these" if to_go is None else f"at least {to_go:,} more users who show nothing new"
    return (
        f"Up to {min(expected, claim.next_users):.3g} {coming} may meet an unseen kind, {claim.tolerated:g} may: {found}; "
        f"a pass takes {further}."
    )


def _wrong_with_claim(claim: DiscoveryClaim) -> str | None:
    if not 0 < claim.alpha < 1:
        return f"An error probability of {rate_text(claim.alpha)} is not between 0 and 1."
    if claim.attempt < 1:
        return f"Attempts count from 1, not {claim.attempt}."
    if not (claim.tolerated >= 0 and math.isfinite(claim.tolerated)):
        return f"{claim.tolerated} users cannot be tolerated."
    if claim.next_users is not None and claim.next_users < 0:
        return f"The next stage has {claim.next_users:,} users."
    return None


def _wrong_with_kinds(seen: KindsShown) -> str | None:
    for stretch in seen.stretches:
        if stretch.users < 0:
            return f"A stretch holds {stretch.users:,} users."
        if not 0 < stretch.pi0 <= 1:
            return f"A sampling floor of {rate_text(stretch.pi0)} is not a probability above 0."
    if seen.enrolled < seen.users:
        return f"{seen.users:,} users count, of {seen.enrolled:,} who came."
    floors = [(stretch.users, stretch.pi0) for stretch in seen.stretches]
    last, behind, stretch_at = 0, 0, 0
    for showing in seen.shown:
        if showing.user < max(1, last) or showing.user > seen.users:
            return f"Something is shown by user {showing.user:,}, out of order or not among {seen.users:,} users."
        last = showing.user
        while showing.user > behind + floors[stretch_at][0]:
            behind += floors[stretch_at][0]
            stretch_at += 1
        if not floors[stretch_at][1] <= showing.pi <= 1:
            floor = rate_text(floors[stretch_at][1])
            return f"What was shown was drawn with probability {rate_text(showing.pi)}, against a floor of {floor}."
    return None
