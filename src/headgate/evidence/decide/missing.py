"""Whether enough of the traffic was looked at.

What no detector scored looks exactly like what no detector flagged. So missing scores are watched for their own sake, in two
ways. The share over the last day or so must keep to what is tolerated: that is a rule about completeness, not a test, and
it holds again when the share recovers. And a detector on the share of each window notices that scores have begun to go
missing before the day is spoilt; it assumes nothing of how they go missing, one by one or all at once, because a whole
window counts as one bounded share. Its alarm stays raised, as every alarm does, until a new epoch.

Requests that never reached the exchange log are not seen here; a request is admitted only after it is written there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headgate.evidence.decide import malformed_windows
from headgate.evidence.decide.phrases import count_text
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model.alarms import MissingReading
from headgate.kernel.units import span_text
from headgate.stats import alarm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.evidence.model.alarms import MissingRule, ScoreWindow


def read_missing(windows: Sequence[ScoreWindow], rule: MissingRule) -> MissingReading:
    """Return how completely the closed windows of an epoch, from the first, were looked at.

    Raises:
        NotEvidence: The rule or a window contradicts itself.
    """
    wrong = malformed_windows.in_missing_rule(rule) or malformed_windows.in_scores(windows)
    if wrong is not None:
        raise NotEvidence(f"How much was looked at cannot be said. {wrong}")
    seen = [window for window in windows if window.requests]
    shares = np.array([window.unscored / window.requests for window in seen], np.float64)
    log_r = alarm.run(alarm.log_factor_shares(shares, rule.usual, 1.0))
    log_m = alarm.log_mixture(log_r, alarm.RISE_WEIGHTS)
    threshold = alarm.log_threshold(rule.false_alarm_every.total_seconds(), rule.look_every.total_seconds())
    over = np.flatnonzero((log_m >= threshold) & (shares > 0))
    raised_at = seen[int(over[0])].window + 1 if over.size else None
    newest = windows[-1].window if windows else 0
    recent = [window for window in seen if (newest - window.window) * rule.look_every < rule.over]
    requests, unscored = sum(window.requests for window in recent), sum(window.unscored for window in recent)
    spoilt = unscored > rule.at_most * requests
    return MissingReading(
        requests=requests,
        unscored=unscored,
        spoilt=spoilt,
        log_m=float(log_m[-1]) if seen else None,
        threshold_log_m=threshold,
        raised_at=raised_at,
        sentence=_sentence(rule, requests, unscored, raised_at, spoilt=spoilt),
    )


def _sentence(rule: MissingRule, requests: int, unscored: int, raised_at: int | None, *, spoilt: bool) -> str:
    if requests == 0:
        told = f"nothing was served in the last {span_text(rule.over)}"
    else:
        done = f"{1 - unscored / requests:.2%} of {count_text(requests, 'request')} scored in the last {span_text(rule.over)}"
        told = f"{done}, {1 - rule.at_most:.4g} wanted" if not spoilt else f"{done}, too few: {1 - rule.at_most:.4g} wanted"
    if raised_at is not None:
        every = span_text(rule.false_alarm_every)
        return (
            f"Scores go missing: alarm at window {raised_at}; {told}; a false alarm comes less than once in {every} on average."
        )
    return f"Scores are missing: {told}." if spoilt else f"Scores are complete enough: {told}."
