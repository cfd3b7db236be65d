"""Plain counts, as CSV: for whoever has numbers and no tool that anybody here reads.

UTF-8, commas, and exactly this header::

    task,metric,unit,cluster,k,n

One row for each cluster of units that belong together (runs of one item, questions on one passage, prompts of one person):
``k`` of its ``n`` units count. ``cluster`` tells clusters apart and is not kept. Where units stand for themselves there is
one row with an empty ``cluster``. Rows of one task, metric and unit are one finding; either all of them name a cluster, or
there is only one.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from headgate.evidence.importers.findings import Gathered, clustered
from headgate.evidence.importers.interface import MOST_ENTRIES, Imported, Reason, Unfit
from headgate.evidence.importers.naming import kept_or
from headgate.evidence.importers.reading import count, whole
from headgate.evidence.model.record import Counts, Format

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.evidence.importers.interface import Declared, Glimpse, Upload

HEADER = ("task", "metric", "unit", "cluster", "k", "n")
_DIGITS = 10

Name = tuple[str, str, str]
"""Task, metric and unit."""


class CountsCsv:
    """A table of counts."""

    format = Format.COUNTS_CSV

    def recognises(self, glimpse: Glimpse) -> bool:
        return glimpse.start.removeprefix(b"\xef\xbb\xbf").startswith(",".join(HEADER).encode())

    def read(self, upload: Upload, declared: Declared) -> Imported:
        findings = clusters_in(whole(upload))
        gathered = Gathered(upload, declared, self.format)
        for (task, metric, unit), clusters in findings.items():
            alone, named = clusters.get(""), kept_or(unit, "unit")
            counts = clustered(clusters.values(), named) if alone is None else Counts(alone[1], alone[0], named)
            gathered.add(task=task, metric=metric, part=f"{task}/{metric}", counts=counts, reported=counts.k / counts.n)
        return gathered.imported()


def clusters_in(content: bytes) -> dict[Name, dict[str, tuple[int, int]]]:
    """Return the clusters of a table by task, metric and unit, and by name: units, and units that count.

    Raises:
        Unfit: It is no such table.
    """
    findings: dict[Name, dict[str, tuple[int, int]]] = {}
    for number, (name, cluster, k, n) in enumerate(_rows(content), start=2):
        if number > MOST_ENTRIES:
            raise Unfit(Reason.TOO_LARGE, f"A table may hold {MOST_ENTRIES:,} rows.")
        clusters = findings.setdefault(name, {})
        if cluster in clusters or (clusters and "" in {cluster, *clusters}):
            raise Unfit(Reason.DUPLICATE, f"Row {number:,} names a cluster again, or none beside others.")
        clusters[cluster] = (n, k)
    return findings


def _rows(content: bytes) -> Iterator[tuple[Name, str, int, int]]:
    try:
        rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        if tuple(next(rows, ())) != HEADER:
            raise Unfit(Reason.UNREADABLE, f"The first row is not {','.join(HEADER)}.")
        for number, row in enumerate(rows, start=2):
            if not row:
                continue
            if len(row) != len(HEADER):
                raise Unfit(Reason.UNREADABLE, f"Row {number:,} does not have {len(HEADER)} columns.")
            task, metric, unit, cluster, k, n = row
            counted, units = _whole(k, number), _whole(n, number)
            if not (task and metric and unit and units > 0 and counted <= units):
                raise Unfit(Reason.UNREADABLE, f"Row {number:,} has an empty name, or counts that are no rate.")
            yield (task, metric, unit), cluster, counted, units
    except (csv.Error, UnicodeDecodeError) as wrong:
        raise Unfit(Reason.UNREADABLE, "The table is not CSV in UTF-8.") from wrong


def _whole(text: str, row: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise Unfit(Reason.UNREADABLE, f"Row {row:,} has a count that is not a whole number.")
    return count(int(text), f"row {row:,}")
