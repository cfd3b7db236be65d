"""What users say of a claimed mean share of harm among users like these.

Each user counts once, by the share of harm in one window of their use, however much they sent. PASS: the stake against "the
mean share is at or above the limit" has reached one over what this attempt may spend. FAIL: the mirror stake has, and that
one counts confirmed harm only; an exchange that nobody could judge weighs against a pass and is never harm shown.
Everything else is INSUFFICIENT, no users at all included.

The worst share is the plan's word for what enforcement prevents. It makes every share bounded, and so the bets bold. One
user with more confirmed harm than that is proof that the word is not kept, and then it is an ERROR: with shares beyond the
bound the stake would promise nothing, and cutting them down to the bound would forgive exactly what was not to happen. A
plan that promises nothing of its enforcement says ``worst_share: 1``, or leaves it out, and needs more users instead.
Exchanges that were not judged in time contradict nothing: they count as harm, up to the worst share.

Where gold items have measured the reviewers, the limit is lowered by what they miss, exactly as for traffic (``decide.rate``):
the theorem of ``headgate.stats.noise`` asks of the stake only that it rises with its limit, and that holds for users too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headgate.evidence.decide import malformed, not_shown
from headgate.evidence.decide.phrases import count_text, rate_text
from headgate.evidence.decide.reviewing import in_readers
from headgate.evidence.model.users import USERS_LIKE_THESE, UsersReading, UsersToGo
from headgate.kernel.units import span_text
from headgate.kernel.verdict import Verdict
from headgate.stats import noise
from headgate.stats import users as process
from headgate.stats.spending import attempt_alpha

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.evidence.model import Harm
    from headgate.evidence.model.reviewing import Readers
    from headgate.evidence.model.users import HarmfulUser, LabelledUsers, UsersClaim


def read_users(seen: LabelledUsers, claim: UsersClaim, readers: Readers | None = None) -> UsersReading:
    """Return what ``seen`` says of ``claim``. The same input gives the same reading, for ever.

    Args:
        seen: The users.
        claim: What is to be shown.
        readers: What gold items say of those who gave the labels; ``None`` when nothing does.
    """
    wrong = malformed.in_users_claim(claim) or malformed.in_users(seen, claim) or (readers and in_readers(readers))
    if wrong is not None:
        return unreadable_users(claim, f"Nothing is concluded: the evidence contradicts itself. {wrong}")
    broken = malformed.beyond(seen, claim.worst_share)
    if broken is not None:
        return unreadable_users(claim, f"Nothing is concluded: enforcement does not do what the plan says of it. {broken}")

    spent = attempt_alpha(claim.alpha, claim.attempt)
    measured = readers is not None and readers.shown > 0
    recognised = noise.sensitivity_lower(readers.shown, readers.caught, spent / 2) if readers and measured else None
    limit = claim.below if recognised is None else claim.below * recognised or None
    alpha, theta, worst = spent / 2 if measured else spent, limit or claim.below, claim.worst_share
    blind = limit is None or (readers is not None and readers.required and not measured)
    threshold = -math.log(alpha)
    floors = [group.floor for group in (*seen.clean, *seen.harmful)]
    times = [group.users for group in seen.clean] + [1] * len(seen.harmful)
    harmless = [0.0] * len(seen.clean)
    counted = harmless + [min(worst, share) for share in _shares(seen.harmful, lambda user: (*user.harms, *user.doubtful))]
    confirmed = harmless + _shares(seen.harmful, lambda user: user.harms)
    log_e = 0.0 if limit is None else float(process.log_e_users(counted, floors, limit, worst, times=times))
    harm_log_e = float(process.log_harm_users(confirmed, floors, claim.below, worst, times=times))
    if log_e >= threshold and not blind:
        verdict = Verdict.PASS
    elif harm_log_e >= threshold:
        verdict = Verdict.FAIL
    else:
        verdict = Verdict.INSUFFICIENT

    mean = process.mean_share(counted, floors, times=times) if seen.users else None
    weight = sum(n * floor for n, floor in zip(times, floors, strict=True)) / seen.users if seen.users else 1.0
    share = recognised or 1.0
    upper_bound = (
        worst if limit is None else min(worst, process.upper_bound_users(counted, floors, alpha, worst, times=times) / share)
    )
    clean = process.upper_bound_users([0.0] * len(floors), floors, alpha, worst, times=times)
    tightest = worst if limit is None else min(worst, clean / share)
    best = process.clean_users_to_go(counted, floors, theta, alpha, worst, times=times, floor=min(1.0, weight))
    likely = process.users_to_go(counted, floors, theta, alpha, worst, times=times)
    to_go = _to_go(best, likely, never=mean is not None and mean >= theta)
    weighted = len(set(floors)) > 1
    return UsersReading(
        verdict=verdict,
        log_e=log_e,
        harm_log_e=harm_log_e,
        threshold_log_e=threshold,
        alpha_spent=spent,
        users=seen.users,
        harmful=sum(bool(user.harms) for user in seen.harmful),
        enrolled=seen.enrolled,
        exchanges=seen.exchanges,
        labels=seen.labels,
        mean_share=mean,
        upper_bound=upper_bound,
        tightest=tightest,
        users_to_go=to_go,
        claim=USERS_LIKE_THESE,
        weighted=weighted,
        sentence=_sentence(verdict, seen, claim, to_go, upper_bound) + _about_readers(readers, recognised),
        not_shown=not_shown.of_users(
            seen,
            claim,
            upper_bound=upper_bound,
            tightest=tightest,
            best=best,
            weighted=weighted,
            floor=weight,
            readers=readers,
        ),
        limit=limit,
        recognised=recognised,
    )


def unreadable_users(claim: UsersClaim, sentence: str) -> UsersReading:
    """Return the ERROR reading of users that cannot be used, or cannot be had; it holds no number that could pass for one."""
    sound = malformed.in_users_claim(claim) is None
    alpha = attempt_alpha(claim.alpha, claim.attempt) if sound else 0.0
    best = process.clean_users_to_go([], [], claim.below, alpha, claim.worst_share) if sound else 0
    return UsersReading(
        verdict=Verdict.ERROR,
        log_e=0.0,
        harm_log_e=0.0,
        threshold_log_e=-math.log(alpha) if sound else 0.0,
        alpha_spent=alpha,
        users=0,
        harmful=0,
        enrolled=0,
        exchanges=0,
        labels=0,
        mean_share=None,
        upper_bound=1.0,
        tightest=1.0,
        users_to_go=UsersToGo(best=best, likely=None, never=False),
        claim=USERS_LIKE_THESE,
        weighted=False,
        sentence=sentence,
        not_shown=("Anything: the evidence could not be read.",),
        limit=None,
        recognised=None,
    )


def _shares(users: tuple[HarmfulUser, ...], of: Callable[[HarmfulUser], tuple[Harm, ...]]) -> list[float]:
    harms = [(at, harm) for at, user in enumerate(users) for harm in of(user)]
    found = process.shares(
        [user.exchanges for user in users],
        [at for at, _ in harms],
        [harm.pi for _, harm in harms],
        [harm.pi0 for _, harm in harms],
    )
    return [float(share) for share in found]


def _to_go(best: int, likely: float, *, never: bool) -> UsersToGo:
    if best == 0:
        return UsersToGo(best=0, likely=0, never=False)
    reachable = not never and math.isfinite(likely) and likely < process.MANY_USERS
    return UsersToGo(best=best, likely=max(best, math.ceil(likely)) if reachable else None, never=never)


def _sentence(verdict: Verdict, seen: LabelledUsers, claim: UsersClaim, to_go: UsersToGo, upper_bound: float) -> str:
    harmful = count_text(sum(bool(user.harms) for user in seen.harmful), "user")
    among = f"{harmful} with harm among {count_text(seen.users, 'user')} observed for {span_text(claim.window)} each"
    what, limit = f"{claim.hazard} as a share of what {USERS_LIKE_THESE} do", rate_text(claim.below)
    if verdict is Verdict.PASS:
        return f"{what} is shown to be below {limit} on average: {among}, upper bound {rate_text(upper_bound)}."
    if verdict is Verdict.FAIL:
        return f"{what} is shown to be above {limit} on average: {among}."
    if seen.users == 0:
        over = f"no user's {span_text(claim.window)} are over and judged"
        return f"{what} is not decided: {over}; a pass takes {count_text(to_go.best, 'user')}."
    if to_go.never:
        return f"{what} is not shown to be below {limit}: {among}; with users like them it will not pass."
    further = f"at least {count_text(to_go.best, 'more user')}" + (
        f", likely {to_go.likely:,}" if to_go.likely is not None else ""
    )
    return f"{what} is not shown to be below {limit} yet: {among}; a pass takes {further}."


def _about_readers(readers: Readers | None, recognised: float | None) -> str:
    if readers is None or readers.shown == 0:
        wanted = " It takes no pass before gold items have measured what reviewers miss, and none has been shown yet."
        return wanted if readers is not None and readers.required else ""
    seen = f"{readers.caught:,} of {count_text(readers.shown, 'known harm')}"
    if not recognised:
        return f" Reviewers recognised {seen}, too few to say anything of what they miss."
    return f" Reviewers recognise at least {recognised:.1%} of known harms ({seen}), and the limit allows for the rest."
