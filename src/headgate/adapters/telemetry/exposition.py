"""The numbers of all workers, as Prometheus reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from headgate.adapters.telemetry.families import FAMILIES, Family, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import Metric

Numbers = dict[Family, dict[tuple[str, ...], list[float]]]


def exposed(numbers: Numbers, accept: str) -> tuple[bytes, str]:
    """Return the numbers in the format that the reader asks for, and that format's media type.

    Args:
        numbers: As :meth:`Sheets.together` returns them.
        accept: The reader's ``Accept`` header, empty for none.
    """
    encode, media_type = choose_encoder(accept)
    registry = CollectorRegistry()
    registry.register(_Given(numbers))
    return encode(registry), media_type


class _Given(Collector):
    """Hands out numbers that were collected already."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        for family in FAMILIES:
            yield _metric(family, self._numbers.get(family, {}))


def _metric(family: Family, entries: Mapping[tuple[str, ...], list[float]]) -> Metric:
    match family.kind:
        case Kind.COUNTER:
            counter = CounterMetricFamily(family.name, family.help, labels=family.labels)
            for labels, numbers in sorted(entries.items()):
                counter.add_metric(labels, numbers[0])
            return counter
        case Kind.HISTOGRAM:
            histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
            for labels, numbers in sorted(entries.items()):
                histogram.add_metric(labels, _buckets(family.bounds, numbers[:-1]), numbers[-1])
            return histogram
        case Kind.SUM | Kind.MOST | Kind.LEAST:
            gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
            for labels, numbers in sorted(entries.items()):
                gauge.add_metric(labels, numbers[0])
            return gauge


def _buckets(bounds: tuple[float, ...], counts: list[float]) -> list[tuple[str, float]]:
    """Return a histogram's buckets as Prometheus has them: each counts what is not above its bound."""
    buckets: list[tuple[str, float]] = []
    so_far = 0.0
    for bound, count in zip((*map(str, bounds), "+Inf"), counts, strict=True):
        so_far += count
        buckets.append((bound, so_far))
    return buckets
