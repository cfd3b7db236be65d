"""The values of the calibration ledger: what was predicted, and how it turned out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.evidence.model import Method
    from headgate.kernel.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a rate reading says of the future, written down with it.

    Attributes:
        epoch: The epoch.
        hazard: The kind of harm.
        below: The gate's limit.
        alpha: The gate's chance of a false promotion over all attempts.
        reading: The digest of the kept reading.
        made_at: When.
        verdict: What the reading said.
        method: How labels were weighed.
        labels: Labels then.
        harms: Harms among them.
        upper_bound: The bound that the reading gave.
        level: The error probability of that bound.
        to_go: Labels to a pass at the rate seen so far; ``None`` when it cannot be said, or a pass is not expected.
        expected_at: When that is, at the pace of the labels before; ``None`` when either is unknown.
    """

    epoch: str
    hazard: str
    below: float
    alpha: float
    reading: str
    made_at: datetime
    verdict: Verdict
    method: Method
    labels: int
    harms: int
    upper_bound: float
    level: float
    to_go: int | None
    expected_at: datetime | None

    @property
    def release(self) -> str:
        """The release that the epoch belongs to."""
        return self.epoch.partition("/")[0]

    @property
    def series(self) -> tuple[str, str, float, float]:
        """What one forecast after another is about: an epoch's labels for one gate."""
        return (self.epoch, self.hazard, self.below, self.alpha)


@dataclass(frozen=True, slots=True)
class Band:
    """Forecasts whose chance was about the same.

    Attributes:
        over: The chance given was higher than this,
        most: and at most this.
        forecasts: How many there are.
        series: The stretches of labels that they come from.
        expected: The chance that was given, on average over the stretches.
        covered: The share that came true, likewise.
    """

    over: float
    most: float
    forecasts: int
    series: int
    expected: float
    covered: float


@dataclass(frozen=True, slots=True)
class Paced:
    """How far off a pass was said to be, and was.

    Attributes:
        made_at: When it was said.
        epoch: Of which epoch.
        hazard: Of which hazard.
        said: Labels that it would take.
        took: Labels that it took.
    """

    made_at: datetime
    epoch: str
    hazard: str
    said: int
    took: int


@dataclass(frozen=True, slots=True)
class BoundScore:
    """How bounds fared against labels that came later.

    Attributes:
        forecasts: Forecasts that could be scored.
        series: The independent stretches of labels that they come from: a hundred forecasts of one stretch are one experience.
        covered: The share of them whose bound lay above the later rate, each series counting alike.
        expected: The chance that was given to that, likewise.
        brier: Mean squared distance of the chance from what happened.
        log_score: Mean surprise, in nats.
        bands: The same by the chance that was given, from the least; only those with forecasts in them.
    """

    forecasts: int
    series: int
    covered: float
    expected: float
    brier: float
    log_score: float
    bands: tuple[Band, ...]


@dataclass(frozen=True, slots=True)
class PaceScore:
    """How "so many more labels, by such a day" fared, where a pass came.

    Attributes:
        forecasts: Forecasts before a pass.
        series: The stretches of labels that they come from.
        ratio: The median of labels that it really took over labels forecast.
        within_twice: The share of forecasts that were right to a factor of two.
        dated: How many of them named a day.
        days_late: The median of days by which the pass came later than forecast; negative when sooner. ``None`` without a date.
        days_off: The median of the same without its sign.
        latest: The latest of the forecasts, one by one, the oldest first.
    """

    forecasts: int
    series: int
    ratio: float
    within_twice: float
    dated: int
    days_late: float | None
    days_off: float | None
    latest: tuple[Paced, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What has become of all forecasts.

    Attributes:
        forecasts: How many there are.
        series: The stretches of labels that they are about.
        later: Bounds against the labels that followed in the same epoch; ``None`` when none can be scored yet.
        following: Bounds against the labels of the release's next epoch; likewise.
        pace: Labels and days to a pass; likewise.
    """

    forecasts: int
    series: int
    later: BoundScore | None
    following: BoundScore | None
    pace: PaceScore | None
