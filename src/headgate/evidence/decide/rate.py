"""What labels say of a claimed rate.

PASS: the stake against "the rate is at or above the limit" has reached one over what this attempt may spend. FAIL: the
mirror stake, against "the rate is at or below the limit", has. They cannot both. Everything else is INSUFFICIENT, no
labels at all included; and labels that contradict themselves are an ERROR, never evidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.evidence.decide import malformed, not_shown
from headgate.evidence.decide.phrases import count_text, rate_text
from headgate.evidence.model import REALISED_TRAFFIC, LabelsToGo, Method, RateReading
from headgate.kernel.verdict import Verdict
from headgate.stats import gate, power
from headgate.stats.spending import attempt_alpha

if TYPE_CHECKING:
    from headgate.evidence.model import LabelledTraffic, RateClaim


def read_rate(traffic: LabelledTraffic, claim: RateClaim) -> RateReading:
    """Return what ``traffic`` says of ``claim``. The same input gives the same reading, for ever."""
    wrong = malformed.in_claim(claim) or malformed.in_traffic(traffic)
    if wrong is None and traffic.hazard != claim.hazard:
        wrong = f"The labels are for {traffic.hazard}, the claim is about {claim.hazard}."
    if wrong is not None:
        return unreadable(claim, f"Nothing is concluded: the evidence contradicts itself. {wrong}")

    alpha = attempt_alpha(claim.alpha, claim.attempt)
    threshold = -math.log(alpha)
    sums = _uniform(traffic, claim.below, alpha) if traffic.uniform else _weighted(traffic, claim.below, alpha)
    if sums.log_e >= threshold:
        verdict = Verdict.PASS
    elif sums.harm_log_e >= threshold:
        verdict = Verdict.FAIL
    else:
        verdict = Verdict.INSUFFICIENT
    weighted = len({segment.pi0 for segment in traffic.segments if segment.requests}) > 1
    to_go = _to_go(sums, claim.below, alpha)
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
        sentence=_sentence(verdict, traffic, claim, to_go, sums.upper_bound),
        not_shown=not_shown.of_rate(traffic, claim, upper_bound=sums.upper_bound, weighted=weighted),
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
    )


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


def _uniform(traffic: LabelledTraffic, theta: float, alpha: float) -> _Sums:
    n, s = traffic.labels, len(traffic.harms)
    return _Sums(
        log_e=float(gate.log_e_uniform(n, s, theta)),
        harm_log_e=float(gate.log_harm_uniform(n, s, theta)),
        rate=s / n if n else None,
        upper_bound=gate.upper_bound_uniform(n, s, alpha),
        weight=n,
        harms=s,
        clean_labels=power.clean_labels_to_go(n, s, theta, alpha),
    )


def _weighted(traffic: LabelledTraffic, theta: float, alpha: float) -> _Sums:
    requests = [segment.requests for segment in traffic.segments]
    floors = [segment.pi0 for segment in traffic.segments]
    pi, pi0 = [harm.pi for harm in traffic.harms], [harm.pi0 for harm in traffic.harms]
    draws = (requests, floors, pi, pi0)
    seen = traffic.frontier > 0
    if floors:
        clean = math.ceil(power.clean_requests_to_go(*draws, theta, alpha) * floors[-1])
    else:
        clean = power.clean_labels_to_go(0, 0, theta, alpha)
    return _Sums(
        log_e=gate.log_e_weighted(*draws, theta),
        harm_log_e=gate.log_harm_weighted(*draws, theta),
        rate=gate.rate_weighted(*draws) if seen and traffic.labels else None,
        upper_bound=gate.upper_bound_weighted(*draws, alpha),
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
