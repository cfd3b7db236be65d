"""The calibration ledger: predictions written down with the reading they were made from, and scored against what came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.evidence import wire
from headgate.evidence.decide.calibration import due, forecast, score
from headgate.evidence.model import Kept
from headgate.kernel.actor import Permission
from headgate.kernel.verdict import Verdict
from headgate.ledger.model import Entry

if TYPE_CHECKING:
    from headgate.evidence.model import Measured, RateClaim, RateReading
    from headgate.evidence.model.calibration import Calibration
    from headgate.evidence.ports import ForecastRecords
    from headgate.kernel.actor import Actor
    from headgate.kernel.clock import Clock

FORECASTER = "evidence"
"""Who a forecast is recorded under: no person made it."""


class Forecasting:
    """Writes predictions down and scores them.

    Args:
        records: Where they are kept.
        clock: The time.
    """

    def __init__(self, records: ForecastRecords, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    def note(self, measured: Measured[RateReading], claim: RateClaim) -> bool:
        """Write down what a reading predicts, if it is due: its verdict is new, or a day has passed. Say whether it was.

        A reading that could not be made predicts nothing.

        Raises:
            EvidenceUnavailable: The store does not answer; nothing was changed.
        """
        if measured.reading.verdict is Verdict.ERROR:
            return False
        now = self._clock.now()
        earlier = [
            each
            for each in self._records.forecasts(measured.epoch, claim.hazard)
            if (each.below, each.alpha) == (claim.below, claim.alpha)
        ]
        if not due(earlier[-1] if earlier else None, measured.reading.verdict, now):
            return False
        result = wire.encode(measured.reading)
        digest = wire.address(measured.epoch, measured.inputs, result)
        kept = Kept(digest, measured.epoch, measured.inputs["kind"], measured.inputs, result, now)
        said = forecast(measured.epoch, claim, measured.reading, digest, earlier, now)
        with self._records.transaction() as tx:
            tx.keep(kept)
            tx.predict(said)
            body = {
                "digest": digest,
                "hazard": said.hazard,
                "verdict": said.verdict.value,
                "labels": said.labels,
                "upper": said.upper_bound,
                "to_go": said.to_go,
                "expected_at": None if said.expected_at is None else said.expected_at.isoformat(),
            }
            tx.record(Entry("evidence.predicted", measured.epoch, FORECASTER, now, body))
        return True

    def calibration(self, *, by: Actor) -> Calibration:
        """Return what has become of all predictions.

        Raises:
            Forbidden: ``by`` may not look.
            EvidenceUnavailable: The store does not answer.
        """
        by.must(Permission.VIEW)
        return score(self._records.forecasts())
