"""Whether wider access made things worse: what can be said, and what cannot.

Only users who were kept back at random, over the same days, tell the effect of access from everything else that changed. Without
them, before and after can be set beside each other and no more; so that comparison has no verdict, and says why.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headgate.evidence.decide import malformed
from headgate.evidence.decide.phrases import count_text, rate_text
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model.comparing import BeforeAfter, HoldbackReading, Side
from headgate.stats import gate, holdback, special

if TYPE_CHECKING:
    from headgate.evidence.model import LabelledTraffic
    from headgate.evidence.model.comparing import HoldbackClaim

CAVEAT = (
    "Descriptive only: the weeks differ, the users differ and their access differs, so the difference cannot be laid to access;"
    " users kept back at random, over the same days, could show that."
)
DOUBLING = 2.0
HORIZON = 4000
"""Harms over which the mean number needed is reckoned."""
_TAIL = 0.025


def before_after(before: LabelledTraffic, after: LabelledTraffic) -> BeforeAfter:
    """Return two epochs beside each other.

    Raises:
        NotEvidence: The labels contradict themselves, or are about different hazards.
    """
    if before.hazard != after.hazard:
        raise NotEvidence(f"{before.hazard} and {after.hazard} are not compared: they are different hazards.")
    one, other = _side(before), _side(after)
    ratio = other.rate / one.rate if one.rate and other.rate is not None else None
    return BeforeAfter(before.hazard, one, other, ratio, CAVEAT)


def read_holdback(claim: HoldbackClaim) -> HoldbackReading:
    """Return what a holdback shows of a rise.

    Raises:
        NotEvidence: The counts, the share or the error probability contradict themselves.
    """
    if min(claim.new_harms, claim.old_harms) < 0 or not 0 < claim.share < 1 or not 0 < claim.alpha < 1:
        raise NotEvidence("A holdback has counts that are not negative, and a share and an error probability between 0 and 1.")
    log_e = float(holdback.log_e(claim.new_harms, claim.old_harms, claim.share))
    threshold = -math.log(claim.alpha)
    law = holdback.events_needed(claim.share, DOUBLING, claim.alpha, horizon=HORIZON)
    risen = log_e >= threshold
    seen = (
        f"{count_text(claim.new_harms, 'harm')} with the new access, at {claim.share:.0%} of the exposure, and"
        f" {count_text(claim.old_harms, 'harm')} with the old"
    )
    sentence = f"New access raised the rate: {seen}." if risen else f"No rise with the new access is shown: {seen}."
    return HoldbackReading(
        risen=risen,
        log_e=log_e,
        threshold_log_e=threshold,
        needed=math.ceil(law.mean),
        sentence=sentence,
        not_shown=(
            f"A doubling, before about {count_text(math.ceil(law.mean), 'harm')} on both sides together."
            if not risen
            else "How much it rose: only that it did.",
            "Anything, unless users were kept back at random and the shares of exposure are those of the same days.",
            "Harm that comes only after the comparison ends, from people who wait for it.",
        ),
    )


def _side(traffic: LabelledTraffic) -> Side:
    if wrong := malformed.in_traffic(traffic):
        raise NotEvidence(f"Nothing is compared: the evidence contradicts itself. {wrong}")
    n, s = traffic.labels, len(traffic.harms)
    if not n:
        return Side(traffic.epoch, s, n, None, None, None)
    if traffic.uniform:
        low = float(special.betaincinv(s, n - s + 1, _TAIL)) if s else 0.0
        high = float(special.betaincinv(s + 1, n - s, 1 - _TAIL)) if s < n else 1.0
        return Side(traffic.epoch, s, n, s / n, low, high)
    draws = (
        [segment.requests for segment in traffic.segments],
        [segment.pi0 for segment in traffic.segments],
        [harm.pi for harm in traffic.harms],
        [harm.pi0 for harm in traffic.harms],
    )
    return Side(traffic.epoch, s, n, gate.rate_weighted(*draws), None, None)


def said(side: Side) -> str:
    """Return one side in words."""
    counted = f"{count_text(side.harms, 'harm')} in {count_text(side.labels, 'label')}"
    if side.rate is None:
        return f"{side.epoch}: {counted}"
    interval = "" if side.low is None or side.high is None else f", 95 % interval {rate_text(side.low)} to {rate_text(side.high)}"
    return f"{side.epoch}: {counted}, rate {rate_text(side.rate)}{interval}"
