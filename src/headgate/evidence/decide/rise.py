"""Whether a rate has risen, look by look.

Looks take labels in the order in which they *resolve*: an alarm must not wait for one slow review. What that does to the
promise, stated plainly:

* The mean time between false alarms is as promised if, whatever happened before, at most ``from_rate`` of what a look
  brings is harm. Sampling with one probability, that means "of the labels that resolve in it", so neither a backlog nor
  the hurry of a reviewer matters. Sampling by score, a look is charged for the requests that it covers, so a backlog of
  harms cleared in one look can raise a false alarm; it cannot hide a true one.
* If harmful requests resolve *sooner* than harmless ones, the first looks of an epoch see too much harm; if later, too
  little. This wears off as the backlog becomes steady. Gates, which must not be fooled, go by the order of the draws.
* A look that brings nothing is not counted, and an alarm is raised only in a look that brings a harm: silence is no alarm.
  Both only lengthen the time between false alarms.
* A raised alarm stays raised. What follows it is a new epoch with a new detector.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headgate.evidence.decide import malformed
from headgate.evidence.decide.phrases import count_text, rate_text
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model import RiseReading, RiseState
from headgate.kernel.units import span_text
from headgate.stats import alarm

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from headgate.evidence.model import Look, RiseRule


def after(state: RiseState, look: Look, rule: RiseRule) -> RiseState:
    """Return the alarm after one more look.

    Raises:
        NotEvidence: The rule or the look contradicts itself; the alarm stays as it was.
    """
    wrong = malformed.in_rule(rule) or malformed.in_look(look)
    if wrong is not None:
        raise NotEvidence(f"The look cannot be taken. {wrong}")
    requests = sum(segment.requests for segment in look.drawn)
    if state.raised or requests + look.labels == 0:
        return state
    before = state.log_r or (-math.inf,) * alarm.RISE_BETS.size
    log_r = alarm.step(before, _factors(look, rule))
    log_m = alarm.log_mixture(log_r, alarm.rise_weights(rule.to_rate / rule.from_rate))
    looks = state.looks + 1
    return RiseState(
        looks=looks,
        log_r=tuple(float(r) for r in log_r),
        log_m=log_m,
        requests=state.requests + requests,
        labels=state.labels + look.labels,
        harms=state.harms + len(look.harms),
        raised_at=looks if look.harms and log_m >= threshold(rule) else None,
    )


def replay(looks: Iterable[Look], rule: RiseRule) -> RiseState:
    """Return the alarm after all of ``looks``, from the beginning.

    Raises:
        NotEvidence: The rule or a look contradicts itself.
    """
    state = RiseState()
    for look in looks:
        state = after(state, look, rule)
    return state


def threshold(rule: RiseRule) -> float:
    """Return what the log of the average must reach: the log of the looks between false alarms."""
    return alarm.log_threshold(rule.false_alarm_every.total_seconds(), rule.look_every.total_seconds())


def reading(state: RiseState, rule: RiseRule, *, taken: bool) -> RiseReading:
    """Return what the alarm says."""
    return RiseReading(state=state, threshold_log_m=threshold(rule), taken=taken, sentence=_sentence(state, rule))


def _factors(look: Look, rule: RiseRule) -> NDArray[np.float64]:
    if look.uniform:
        return alarm.log_factor_uniform(look.labels, len(look.harms), rule.from_rate)
    return alarm.log_factor_weighted(
        [segment.requests for segment in look.drawn],
        [segment.pi0 for segment in look.drawn],
        [harm.pi for harm in look.harms],
        [harm.pi0 for harm in look.harms],
        rule.from_rate,
    )


def _sentence(state: RiseState, rule: RiseRule) -> str:
    seen = f"{count_text(state.harms, 'harm')} in {count_text(state.labels, 'label')} over {count_text(state.looks, 'look')}"
    if state.raised:
        return (
            f"{rule.hazard} has risen above {rate_text(rule.from_rate)}: alarm at look {state.raised_at}, {seen}; "
            f"a false alarm is due once in {span_text(rule.false_alarm_every)} at most."
        )
    return f"No rise of {rule.hazard} above {rate_text(rule.from_rate)} has been noticed: {seen}."
