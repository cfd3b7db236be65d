"""``headgate evidence calibration``: how predictions turned out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import typer

from headgate.evidence.cli.session import AsJson, print_json
from headgate.evidence.decide.phrases import count_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headgate.evidence.cli.session import Session
    from headgate.evidence.model.calibration import BoundScore, Calibration, PaceScore


@dataclass(frozen=True, slots=True)
class CalibrationVerb:
    """The verb that scores predictions.

    Attributes:
        open_session: Opens evidence for whoever sits at the terminal.
    """

    open_session: Callable[[], Session]

    def calibration(self, *, as_json: AsJson = False) -> None:
        """Say how earlier predictions turned out: bounds, labels to go, and days."""
        session = self.open_session()
        found = session.forecasting.calibration(by=session.by)
        if as_json:
            print_json(msgspec.to_builtins(found))
            return
        for line in said(found):
            typer.echo(line)


def said(found: Calibration) -> Iterator[str]:
    """Yield a calibration line by line."""
    if not found.forecasts:
        yield "Nothing has been predicted yet: predictions are written down daily while a rate gate is waited for."
        return
    yield f"{count_text(found.forecasts, 'prediction')} about {_stretches(found.series)} of labels."
    yield from _bound("in what came later in the same epoch", found.later)
    yield from _bound("in the release's next epoch", found.following)
    yield from _pace(found.pace)
    yield "Predictions of one stretch share its labels: judge by the number of stretches, not of predictions."


def _bound(where: str, found: BoundScore | None) -> Iterator[str]:
    if found is None:
        yield f"Bounds {where}: none can be scored yet."
        return
    yield (
        f"Bounds {where}: the rate stayed below in {found.covered:.1%} of {count_text(found.forecasts, 'prediction')}"
        f" ({_stretches(found.series)}); {found.expected:.1%} were expected if nothing changed."
        f" Brier score {found.brier:.4f}, log score {found.log_score:.4f}."
    )


def _pace(found: PaceScore | None) -> Iterator[str]:
    if found is None:
        yield "Labels to a pass: no pass has come after a prediction yet."
        return
    yield (
        f"Labels to a pass: {found.ratio:.2f} times as many as predicted (median of {count_text(found.forecasts, 'prediction')},"
        f" {_stretches(found.series)}); {found.within_twice:.1%} right to a factor of two."
    )
    if found.days_late is not None and found.days_off is not None:
        way = "late" if found.days_late >= 0 else "early"
        yield (
            f"Day of the pass: {abs(found.days_late):.1f} days {way}, {found.days_off:.1f} days off either way"
            f" (medians of {count_text(found.dated, 'dated prediction')})."
        )


def _stretches(count: int) -> str:
    return count_text(count, "stretch", "stretches")
