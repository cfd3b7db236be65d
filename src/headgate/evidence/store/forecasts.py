"""Forecasts in a database: one row for each, written once, with the reading that it was made from."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from headgate.evidence.model import Method
from headgate.evidence.model.calibration import Forecast
from headgate.evidence.store.opening import reading, writing
from headgate.evidence.store.readings import EvidenceTx
from headgate.evidence.store.tables import forecasts
from headgate.kernel.clock import from_us, to_us
from headgate.kernel.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Generator


class ForecastStore:
    """Keeps forecasts behind an engine; implements ``ports.ForecastRecords``."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @contextmanager
    def transaction(self) -> Generator[ForecastTx]:
        with writing(self._engine) as connection:
            yield ForecastTx(connection)

    def forecasts(self, epoch: str | None = None, hazard: str | None = None) -> tuple[Forecast, ...]:
        query = sa.select(forecasts).order_by(forecasts.c.made_at_us, forecasts.c.reading)
        if epoch is not None:
            query = query.where(forecasts.c.epoch == epoch)
        if hazard is not None:
            query = query.where(forecasts.c.hazard == hazard)
        with reading(self._engine) as connection:
            return tuple(_forecast(row) for row in connection.execute(query))


class ForecastTx(EvidenceTx):
    """A write transaction of ``ForecastStore``; implements ``ports.ForecastTx``."""

    def predict(self, forecast: Forecast) -> None:
        self.connection.execute(
            forecasts.insert().values(
                epoch=forecast.epoch,
                hazard=forecast.hazard,
                below=forecast.below,
                alpha=forecast.alpha,
                reading=forecast.reading,
                made_at_us=to_us(forecast.made_at),
                verdict=forecast.verdict.value,
                method=forecast.method.value,
                labels=forecast.labels,
                harms=forecast.harms,
                upper_bound=forecast.upper_bound,
                level=forecast.level,
                to_go=forecast.to_go,
                expected_at_us=None if forecast.expected_at is None else to_us(forecast.expected_at),
            )
        )


def _forecast(row: Any) -> Forecast:
    return Forecast(
        epoch=row.epoch,
        hazard=row.hazard,
        below=row.below,
        alpha=row.alpha,
        reading=row.reading,
        made_at=from_us(row.made_at_us),
        verdict=Verdict(row.verdict),
        method=Method(row.method),
        labels=row.labels,
        harms=row.harms,
        upper_bound=row.upper_bound,
        level=row.level,
        to_go=row.to_go,
        expected_at=None if row.expected_at_us is None else from_us(row.expected_at_us),
    )
