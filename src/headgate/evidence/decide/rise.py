"""Whether a rate has risen, window by window of time.

The alarm is worked out anew, from the first window, each time it is asked: nothing has to be remembered between looks, so a
restart or a second controller cannot lose one or count one twice. A request belongs to the window in which its coin was
tossed. A harm counts there from the moment it is found, out of order if need be: an alarm must not wait for one slow review.

The promise. Were every label known, each window's factor would have a conditional mean of at most one while the rate is at or
below ``from_rate``, and the mean time between false alarms would be ``false_alarm_every`` or more. A label that is still
missing counts as harmless, which can only lower a factor. So the alarm never runs ahead of the one that knows everything:
slow, fast or informative reviews can delay an alarm and cannot cause a false one.

A window without requests is skipped, and an alarm is raised only in a window with a harm: silence is no alarm. Both only
lengthen the time between false alarms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headgate.evidence.decide import malformed
from headgate.evidence.decide.phrases import count_text, rate_text
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model import RiseReading, RiseState
from headgate.kernel.units import span_text
from headgate.stats import alarm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from headgate.evidence.model import Look, RiseRule


def read_rise(looks: Sequence[Look], rule: RiseRule) -> RiseReading:
    """Return what all the closed windows of an epoch, from the first, say of a rise.

    Raises:
        NotEvidence: The rule or a window contradicts itself.
    """
    wrong = malformed.in_rule(rule) or next(filter(None, map(malformed.in_look, looks)), None)
    if wrong is not None:
        raise NotEvidence(f"Whether {rule.hazard} has risen cannot be said. {wrong}")
    threshold = alarm.log_threshold(rule.false_alarm_every.total_seconds(), rule.look_every.total_seconds())
    seen = [look for look in looks if any(segment.requests for segment in look.segments)]
    log_r = alarm.run(_factors(seen, rule))
    log_m = alarm.log_mixture(log_r, alarm.rise_weights(rule.to_rate / rule.from_rate))
    raised = np.flatnonzero((log_m >= threshold) & np.array([bool(look.harms) for look in seen], np.bool_))
    state = RiseState(
        looks=len(seen),
        requests=sum(segment.requests for look in seen for segment in look.segments),
        harms=sum(len(look.harms) for look in seen),
        log_m=float(log_m[-1]) if seen else None,
        raised_at=int(raised[0]) + 1 if raised.size else None,
    )
    return RiseReading(state=state, threshold_log_m=threshold, sentence=_sentence(state, rule))


def _factors(looks: Sequence[Look], rule: RiseRule) -> NDArray[np.float64]:
    stretches = [(at, segment) for at, look in enumerate(looks) for segment in look.segments]
    harms = [(at, harm) for at, look in enumerate(looks) for harm in look.harms]
    return alarm.log_factors_draws(
        [at for at, _ in stretches],
        [segment.requests for _, segment in stretches],
        [segment.pi0 for _, segment in stretches],
        [at for at, _ in harms],
        [harm.pi for _, harm in harms],
        [harm.pi0 for _, harm in harms],
        rule.from_rate,
        looks=len(looks),
    )


def _sentence(state: RiseState, rule: RiseRule) -> str:
    window = f"window of {span_text(rule.look_every)}"
    harms, requests = count_text(state.harms, "harm"), count_text(state.requests, "request")
    seen = f"{harms} found in {requests} over {count_text(state.looks, window, f'windows of {span_text(rule.look_every)}')}"
    if state.raised:
        return (
            f"{rule.hazard} has risen above {rate_text(rule.from_rate)}: alarm at window {state.raised_at}, {seen}; "
            f"a false alarm comes less than once in {span_text(rule.false_alarm_every)} on average."
        )
    return f"No rise of {rule.hazard} above {rate_text(rule.from_rate)} has been noticed: {seen}."
