"""What users say of the users of another stage, told apart by what they are.

The mean share of harm is bounded stratum by stratum (``stats.users``), and the bounds are weighted by the shares that the
*next* stage is expected to have (``stats.coverage``). A stratum that nobody here belongs to is bounded by 1: nothing is known of
it, and a tenth of it is a tenth of harm that cannot be ruled out. With ``K`` strata each bound is at ``alpha / K``.

PASS: every hazard, by every division, is bounded below the limit. Since all must pass, nothing is lost by asking several. FAIL:
confirmed harm alone shows a rate at or above it. Everything else is INSUFFICIENT: no users, no declared shares of the next
stage, or strata that are expected and unseen. They have to get users, or be left out of the next stage.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headgate.evidence.decide import left_open, malformed
from headgate.evidence.decide.phrases import count_text, rate_text
from headgate.evidence.model.people import CarriedOver, CoverageReading, StratumReading
from headgate.evidence.model.users import UsersClaim
from headgate.kernel.verdict import Verdict
from headgate.stats import coverage, discovery, users
from headgate.stats.spending import attempt_alpha

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from headgate.evidence.model import Harm
    from headgate.evidence.model.people import CoverageClaim, Division, Stratum
    from headgate.evidence.model.users import HarmfulUser, LabelledUsers

FEW_USERS = 30
"""A stratum with fewer users is named beside every reading."""


def read_coverage(divisions: Sequence[Division], claim: CoverageClaim) -> CoverageReading:
    """Return what the users of each division say of ``claim``. The same input gives the same reading, for ever.

    Args:
        divisions: For each hazard of the claim and each of what people are told apart by, the users; one without declared shares
            is left out, and then nothing can pass.
        claim: The claim.
    """
    wrong = _wrong_with_claim(claim) or next(filter(None, (_wrong_with(division, claim) for division in divisions)), None)
    if wrong is not None:
        return unreadable_coverage(claim, f"Nothing is concluded: the evidence contradicts itself. {wrong}")
    alpha = attempt_alpha(claim.alpha, claim.attempt)
    carried = tuple(_carry(division, alpha) for division in divisions)
    there = {(division.of, division.hazard) for division in divisions}
    undeclared = tuple(of for of in claim.of if any((of, hazard) not in there for hazard in claim.hazards))
    if any(rate.least >= claim.below for rate in carried):
        verdict = Verdict.FAIL
    elif not undeclared and carried and all(rate.bound < claim.below and rate.users for rate in carried):
        verdict = Verdict.PASS
    else:
        verdict = Verdict.INSUFFICIENT
    unseen = tuple(
        dict.fromkeys(
            f"{rate.of}: {stratum.name}" for rate in carried for stratum in rate.strata if stratum.expected and not stratum.users
        )
    )
    return CoverageReading(
        verdict=verdict,
        bound=max((rate.bound for rate in carried), default=1.0),
        alpha_spent=alpha,
        carried=carried,
        unseen=unseen,
        sentence=_sentence(verdict, carried, claim, unseen, undeclared),
        not_shown=left_open.of_coverage(divisions, carried, claim, undeclared=undeclared, few=FEW_USERS),
    )


def unreadable_coverage(claim: CoverageClaim, sentence: str) -> CoverageReading:
    """Return the ERROR reading of users that cannot be used, or cannot be had; it holds no number that could pass for one."""
    return CoverageReading(
        verdict=Verdict.ERROR,
        bound=1.0,
        alpha_spent=attempt_alpha(claim.alpha, claim.attempt) if _wrong_with_claim(claim) is None else 0.0,
        carried=(),
        unseen=(),
        sentence=sentence,
        not_shown=("Anything: the evidence could not be read.",),
    )


def _carry(division: Division, alpha: float) -> CarriedOver:
    strata = division.strata
    weighed = sum(stratum.expected > 0 for stratum in strata)
    each = alpha / weighed
    here = sum(stratum.seen.users for stratum in strata)
    upper = [_upper(stratum.seen, each, division.worst_share) for stratum in strata]
    lower = [_lower(stratum.seen, each, division.worst_share) if stratum.expected else 0.0 for stratum in strata]
    shares = [stratum.expected for stratum in strata]
    came = [division.enrolled] if division.enrolled else []
    return CarriedOver(
        of=division.of,
        hazard=division.hazard,
        bound=coverage.transport_bound(shares, upper),
        least=coverage.transport_bound(shares, lower),
        users=here,
        effective_users=coverage.effective_users([stratum.seen.users for stratum in strata], shares),
        unseen_mass=discovery.unseen_mass_bound(
            came, [1.0] * len(came), division.first_seen, [1.0] * len(division.first_seen), alpha
        ),
        strata=tuple(
            StratumReading(stratum.name, stratum.seen.users, stratum.seen.users / here if here else 0.0, stratum.expected, bound)
            for stratum, bound in zip(strata, upper, strict=True)
        ),
    )


def _upper(seen: LabelledUsers, alpha: float, worst_share: float) -> float:
    if seen.users == 0:
        return 1.0
    counted = _shares(seen, lambda user: (*user.harms, *user.doubtful))
    return users.upper_bound_users([min(worst_share, share) for share in counted], _floors(seen), alpha, worst_share)


def _lower(seen: LabelledUsers, alpha: float, worst_share: float) -> float:
    confirmed = _shares(seen, lambda user: user.harms)
    return coverage.lower_bound_users(confirmed, _floors(seen), alpha, worst_share)


def _floors(seen: LabelledUsers) -> list[float]:
    return [group.floor for group in seen.clean for _ in range(group.users)] + [user.floor for user in seen.harmful]


def _shares(seen: LabelledUsers, of: Callable[[HarmfulUser], tuple[Harm, ...]]) -> list[float]:
    harms = [(at, harm) for at, user in enumerate(seen.harmful) for harm in of(user)]
    found = users.shares(
        [user.exchanges for user in seen.harmful],
        [at for at, _ in harms],
        [harm.pi for _, harm in harms],
        [harm.pi0 for _, harm in harms],
    )
    return [0.0] * (seen.users - len(seen.harmful)) + [float(share) for share in found]


def _sentence(
    verdict: Verdict, carried: Sequence[CarriedOver], claim: CoverageClaim, unseen: Sequence[str], undeclared: Sequence[str]
) -> str:
    limit, there = rate_text(claim.below), claim.for_stage
    if verdict is Verdict.FAIL:
        most = max(carried, key=lambda rate: rate.least)
        shown = f"{most.hazard} by {most.of}, from {count_text(most.users, 'user')}"
        return f"Carried over to {there}, harm is shown above {limit}: at least {rate_text(most.least)} ({shown})."
    if undeclared:
        return f"Nothing can be carried over to {there}: nothing says what its shares by {', '.join(undeclared)} will be."
    if not any(rate.users for rate in carried):
        return f"Nothing can be carried over to {there}: nobody's first days are over and judged yet."
    worst = max(carried, key=lambda rate: rate.bound)
    over = f"{worst.hazard} by {worst.of}, from {count_text(worst.users, 'user')}"
    if verdict is Verdict.PASS:
        return f"Carried over to {there}, harm stays below {limit}: at most {rate_text(worst.bound)} ({over})."
    if unseen:
        over = f"nobody here is of {', '.join(unseen)}"
    return f"Carried over to {there}, harm may come to {rate_text(worst.bound)}, not below {limit} ({over})."


def _wrong_with_claim(claim: CoverageClaim) -> str | None:
    if not 0 < claim.alpha < 1:
        return f"An error probability of {rate_text(claim.alpha)} is not between 0 and 1."
    if claim.attempt < 1:
        return f"Attempts count from 1, not {claim.attempt}."
    if not 0 < claim.below < 1:
        return f"A limit of {rate_text(claim.below)} is not between 0 and 1."
    return None


def _wrong_with(division: Division, claim: CoverageClaim) -> str | None:
    if division.of not in claim.of or division.hazard not in claim.hazards or not 0 < division.worst_share <= 1:
        return f"Nobody asked for {division.hazard} by {division.of} at a worst share of {rate_text(division.worst_share)}."
    total = math.fsum(stratum.expected for stratum in division.strata)
    if not all(0 <= stratum.expected <= 1 for stratum in division.strata) or abs(total - 1) > coverage.ROUNDING:
        return f"The shares by {division.of} that are expected add up to {total:.6g}, not to 1."
    if len({stratum.name for stratum in division.strata}) < len(division.strata):
        return f"A stratum by {division.of} is named twice."
    places = division.first_seen
    if list(places) != sorted(set(places)) or any(not 1 <= place <= division.enrolled for place in places):
        return f"Strata by {division.of} were first seen out of order, or by nobody."
    return next(filter(None, (_wrong_with_stratum(stratum, division, claim) for stratum in division.strata)), None)


def _wrong_with_stratum(stratum: Stratum, division: Division, claim: CoverageClaim) -> str | None:
    seen = stratum.seen
    if seen.hazard != division.hazard:
        return f"The labels are for {seen.hazard}, and not for {division.hazard}."
    own = UsersClaim(seen.hazard, claim.below, division.worst_share, seen.window, claim.alpha, claim.attempt)
    return malformed.in_users(seen, own) or malformed.beyond(seen, division.worst_share)
