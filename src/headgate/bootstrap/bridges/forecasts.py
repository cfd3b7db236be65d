"""Evidence writes down what the gates that releases wait for predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.evidence.model import RateClaim
from headgate.releases.model.plan import RateGate
from headgate.releases.model.release import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.evidence.service import Evidence
    from headgate.evidence.service.forecasting import Forecasting
    from headgate.releases.model.release import Release


def note_forecasts(releases: Iterable[Release], evidence: Evidence, forecasting: Forecasting) -> int:
    """Write down what each live stage's gates on traffic predict, as far as that is due; return how many were.

    Raises:
        headgate.kernel.errors.Unavailable: The store does not answer; the rest is written down next time.
    """
    noted = 0
    for release in releases:
        stage = release.current
        if release.state is not State.LIVE or stage is None:
            continue
        for gate in stage.leave:
            if isinstance(gate, RateGate) and gate.of == "traffic":
                claim = RateClaim(gate.hazard, gate.below, gate.alpha, release.attempt(stage.name))
                measured = evidence.rate(release.epoch(stage.name), claim, misses_measured=gate.misses_measured)
                noted += forecasting.note(measured, claim)
    return noted
