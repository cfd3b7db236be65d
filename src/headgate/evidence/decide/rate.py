"""What labels say of a claimed rate.

PASS: the stake against "the rate is at or above the limit" has reached one over what this attempt may spend. FAIL: the
mirror stake, against "the rate is at or below the limit", has. They cannot both. Everything else is INSUFFICIENT, no
labels at all included; and labels that contradict themselves are an ERROR, never evidence.

Where gold items have measured the reviewers, the stake is against "the rate of *standing* harms is at or above the limit times
the lower bound on what reviewers recognise", each of the two at half of what may be spent: by the theorem of
``headgate.stats.noise`` a pass then speaks of true harms, reviewers' misses included. The mirror needs no such help, since
reviewers who miss harms only make the rate look lower. Where nothing has measured them, labels are taken as they stand, and the
reading says so; unless the claim takes no pass without a measurement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.evidence.decide import malformed, not_shown
from headgate.evidence.decide.phrases import count_text, rate_text
from headgate.evidence.decide.reviewing import in_readers
from headgate.evidence.model import REALISED_TRAFFIC, LabelsToGo, Method, RateReading
from headgate.kernel.verdict import Verdict
from headgate.stats import gate, noise, power
from headgate.stats.spending import attempt_alpha

if TYPE_CHECKING:
    from headgate.evidence.model import LabelledTraffic, RateClaim
    from headgate.evidence.model.reviewing import Readers


def read_rate(traffic: LabelledTraffic, claim: RateClaim, readers: Readers | None = None) -> RateReading:
    """Return what ``traffic`` says of ``claim``. The same input gives the same reading, for ever.

    Args:
        traffic: The labels.
        claim: What is to be shown.
        readers: What gold items say of those who gave the labels; ``None`` when nothing does.
    """
    wrong = malformed.in_claim(claim) or malformed.in_traffic(traffic) or (readers and in_readers(readers))
    if wrong is None and traffic.hazard != claim.hazard:
        wrong = f"The labels are for {traffic.hazard}, the claim is about {claim.hazard}."
    if wrong is not None:
        return unreadable(claim, f"Nothing is concluded: the evidence contradicts itself. {wrong}")

    alpha = attempt_alpha(claim.alpha, claim.attempt)
    ask = _asked(claim, readers, alpha)
    threshold = -math.log(ask.alpha)
    sums = _uniform(traffic, claim.below, ask) if traffic.uniform else _weighted(traffic, claim.below, ask)
    if sums.log_e >= threshold and not ask.unmeasured:
        verdict = Verdict.PASS
    elif sums.harm_log_e >= threshold:
        verdict = Verdict.FAIL
    else:
        verdict = Verdict.INSUFFICIENT
    weighted = len({segment.pi0 for segment in traffic.segments if segment.requests}) > 1
    to_go = _to_go(sums, ask.limit or claim.below, ask.alpha)
    return RateReading(
        verdict=verdict,
        log_e=sums.log_e,
        harm_log_e=sums.harm_log_e,
        threshold_log_e=threshold,
        alpha_spent=alpha,
        harms=len(traffic.harms),
        labels=traffic.labels,
        requests=traffic.frontier,
        point_estimate=sums.rate,
        upper_bound=sums.upper_bound,
        labels_to_go=to_go,
        method=Method.UNIFORM if traffic.uniform else Method.HORVITZ_THOMPSON,
        claim=REALISED_TRAFFIC,
        weighted=weighted,
        sentence=_sentence(verdict, traffic, claim, to_go, sums.upper_bound) + _about_readers(ask, readers),
        not_shown=not_shown.of_rate(traffic, claim, upper_bound=sums.upper_bound, weighted=weighted, readers=readers),
        limit=ask.limit,
        recognised=ask.recognised,
    )


def unreadable(claim: RateClaim, sentence: str) -> RateReading:
    """Return the ERROR reading of labels that cannot be used, or cannot be had; it holds no number that could pass for one."""
    sound = malformed.in_claim(claim) is None
    alpha = attempt_alpha(claim.alpha, claim.attempt) if sound else 0.0
    return RateReading(
        verdict=Verdict.ERROR,
        log_e=0.0,
        harm_log_e=0.0,
        threshold_log_e=-math.log(alpha) if sound else 0.0,
        alpha_spent=alpha,
        harms=0,
        labels=0,
        requests=0,
        point_estimate=None,
        upper_bound=1.0,
        labels_to_go=LabelsToGo(best=int(power.boundaries(claim.below, alpha, 0)[0]) if sound else 0, likely=None, never=False),
        method=Method.UNIFORM,
        claim=REALISED_TRAFFIC,
        weighted=False,
        sentence=sentence,
        not_shown=("Anything: the evidence could not be read.",),
        limit=None,
        recognised=None,
    )


@dataclass(frozen=True, slots=True)
class _Ask:
    """What labels are held against.

    Attributes:
        limit: What the rate of standing harms must be shown to lie below; ``None`` when so little is known of the readers that
            nothing can.
        alpha: What that may spend.
        recognised: The lower bound on what readers recognise; ``None`` when nothing has measured it.
        unmeasured: A measurement is asked for, and there is none.
    """

    limit: float | None
    alpha: float
    recognised: float | None
    unmeasured: bool


def _asked(claim: RateClaim, readers: Readers | None, alpha: float) -> _Ask:
    if readers is None or readers.shown == 0:
        return _Ask(claim.below, alpha, None, unmeasured=readers is not None and readers.required)
    recognised = noise.sensitivity_lower(readers.shown, readers.caught, alpha / 2)
    return _Ask(claim.below * recognised or None, alpha / 2, recognised, unmeasured=False)


@dataclass(frozen=True, slots=True)
class _Sums:
    """What either method comes to. ``weight`` is in labels: how many a uniform sample at the floor would have had."""

    log_e: float
    harm_log_e: float
    rate: float | None
    upper_bound: float
    weight: float
    harms: int
    clean_labels: int


def _uniform(traffic: LabelledTraffic, theta: float, ask: _Ask) -> _Sums:
    n, s = traffic.labels, len(traffic.harms)
    return _Sums(
        log_e=0.0 if ask.limit is None else float(gate.log_e_uniform(n, s, ask.limit)),
        harm_log_e=float(gate.log_harm_uniform(n, s, theta)),
        rate=s / n if n else None,
        upper_bound=_true_bound(gate.upper_bound_uniform(n, s, ask.alpha), ask),
        weight=n,
        harms=s,
        clean_labels=power.clean_labels_to_go(n, s, ask.limit or theta, ask.alpha),
    )


def _true_bound(standing: float, ask: _Ask) -> float:
    """Return the bound on true harms from the one on standing harms: a pass at ``limit`` is this bound below the claim's."""
    return standing if ask.recognised is None else 1.0 if ask.limit is None else min(1.0, standing / ask.recognised)


def _weighted(traffic: LabelledTraffic, theta: float, ask: _Ask) -> _Sums:
    requests = [segment.requests for segment in traffic.segments]
    floors = [segment.pi0 for segment in traffic.segments]
    pi, pi0 = [harm.pi for harm in traffic.harms], [harm.pi0 for harm in traffic.harms]
    draws = (requests, floors, pi, pi0)
    seen = traffic.frontier > 0
    if floors:
        clean = math.ceil(power.clean_requests_to_go(*draws, ask.limit or theta, ask.alpha) * floors[-1])
    else:
        clean = power.clean_labels_to_go(0, 0, ask.limit or theta, ask.alpha)
    return _Sums(
        log_e=0.0 if ask.limit is None else gate.log_e_weighted(*draws, ask.limit),
        harm_log_e=gate.log_harm_weighted(*draws, theta),
        rate=gate.rate_weighted(*draws) if seen and traffic.labels else None,
        upper_bound=_true_bound(gate.upper_bound_weighted(*draws, ask.alpha), ask),
        weight=sum(n * floor for n, floor in zip(requests, floors, strict=True)),
        harms=len(pi),
        clean_labels=clean,
    )


def _to_go(sums: _Sums, theta: float, alpha: float) -> LabelsToGo:
    best = sums.clean_labels
    if best == 0:
        return LabelsToGo(best=0, likely=0, never=False)
    shrunk = ((sums.rate or 0.0) * sums.weight + 0.5) / (sums.weight + 1)
    likely = power.labels_to_go(sums.log_e, min(1.0, shrunk), theta, alpha)
    never = sums.harms > 0 and sums.rate is not None and sums.rate >= theta
    return LabelsToGo(
        best=best,
        likely=max(best, math.ceil(likely)) if math.isfinite(likely) and not never else None,
        never=never,
    )


def _sentence(verdict: Verdict, traffic: LabelledTraffic, claim: RateClaim, to_go: LabelsToGo, upper_bound: float) -> str:
    harms, labels = count_text(len(traffic.harms), "harm"), count_text(traffic.labels, "label")
    seen = f"{harms} in {labels} of {count_text(traffic.frontier, 'request')}"
    limit = rate_text(claim.below)
    if verdict is Verdict.PASS:
        return f"{claim.hazard} is shown to be below {limit} in the traffic so far: {seen}, upper bound {rate_text(upper_bound)}."
    if verdict is Verdict.FAIL:
        return f"{claim.hazard} is shown to be above {limit} in the traffic so far: {seen}."
    if traffic.labels == 0:
        return f"{claim.hazard} is not decided: nothing has been labelled yet; a pass takes at least {to_go.best:,} labels."
    if to_go.never:
        return f"{claim.hazard} is not shown to be below {limit}: {seen}; at this rate it will not pass."
    further = f"at least {to_go.best:,} more labels" + (f", likely {to_go.likely:,}" if to_go.likely is not None else "")
    return f"{claim.hazard} is not shown to be below {limit} yet: {seen}; a pass takes {further}."


def _about_readers(ask: _Ask, readers: Readers | None) -> str:
    if ask.unmeasured:
        return " It takes no pass before gold items have measured what reviewers miss, and none has been shown yet."
    if readers is None or ask.recognised is None:
        return ""
    seen = f"{readers.caught:,} of {count_text(readers.shown, 'known harm')}"
    if ask.limit is None:
        return f" Reviewers recognised {seen}, too few to say anything of what they miss."
    return f" Reviewers recognise at least {ask.recognised:.1%} of known harms ({seen}), and the limit allows for the rest."
