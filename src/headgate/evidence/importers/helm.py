"""Run folders of Stanford's HELM: ``run_spec.json``, ``per_instance_stats.json`` and, where it is there, ``stats.json``.

A folder is handed in as its files, or packed as a ZIP archive. Counts come from the statistics of single instances;
``stats.json`` holds means over instances, each counted *once for a trial*, with the variance of those means and not of the
instances (and divided by n, not n - 1), so nothing is derived from it. It must agree with what was counted.

Rows under a perturbation repeat the same instances in other words and are left alone, as is HELM's bookkeeping (tokens,
run times, reasons for finishing). A run folder has no date: it must be declared.
"""

from __future__ import annotations

import io
import math
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from headgate.evidence.importers.archive import Archive
from headgate.evidence.importers.findings import GRADED, NUMBERS, SCALE_UNKNOWN, Gathered, clustered
from headgate.evidence.importers.interface import MOST_DOCUMENT_BYTES, MOST_ENTRIES, Imported, Reason, Unfit, Upload
from headgate.evidence.importers.reading import count, document, number, rows_in, str_in, table, table_in
from headgate.evidence.model.record import Caveat, Direction, Format
from headgate.kernel.digest import digest_of, sha256_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.evidence.importers.interface import Declared, Glimpse

RUN_SPEC, PER_INSTANCE, STATS = "run_spec.json", "per_instance_stats.json", "stats.json"
_BOOKKEEPING = re.compile(
    r"num_.*|.*_tokens|inference_.*|training_.*|batch_size|finish_reason_.*|prompt_truncated|logprob.*|.*_runtime|predicted_index"
)
_SAME = 1e-6

SAMPLED = Caveat(
    "sampled_instances", "The run took as many instances as it was told to, out of a larger set, by HELM's own draw."
)


@dataclass(slots=True)
class _Metric:
    """A metric's values: (times, sum) of each row, by instance.

    Attributes:
        by_instance: Times, sum and sum of squares of each row.
        low: The least value, as far as the rows say.
        high: The greatest.
    """

    by_instance: dict[str, list[tuple[int, float, float]]] = field(
        default_factory=lambda: defaultdict[str, list[tuple[int, float, float]]](list)
    )
    low: float = math.inf
    high: float = -math.inf


class Helm:
    """A run folder, packed as a ZIP archive."""

    format = Format.HELM

    def recognises(self, glimpse: Glimpse) -> bool:
        names = {name.rpartition("/")[2] for name in glimpse.entries}
        return {RUN_SPEC, PER_INSTANCE} <= names

    def read(self, upload: Upload, declared: Declared) -> Imported:
        archive = Archive(upload)
        folders = [name.removesuffix(RUN_SPEC) for name in archive.entries if name.rpartition("/")[2] == RUN_SPEC]
        if len(folders) != 1:
            raise Unfit(Reason.CONTRADICTION, "The archive holds several runs; hand them in one by one.")
        held = {name: archive.read(folders[0] + name) for name in (RUN_SPEC, PER_INSTANCE, STATS)}
        return _read(upload, declared, {name: content for name, content in held.items() if content is not None})


def read_folder(files: Mapping[str, bytes], declared: Declared) -> Imported:
    """Read a run folder from its files.

    Args:
        files: Content by file name; only the three named above are read, and all of them are in the digest.
        declared: What was declared of it.

    Raises:
        Unfit: It is not evidence.
    """
    read = {name: files[name] for name in (RUN_SPEC, PER_INSTANCE, STATS) if name in files}
    if any(len(content) > MOST_DOCUMENT_BYTES for content in read.values()):
        raise Unfit(Reason.TOO_LARGE, f"A document may hold {MOST_DOCUMENT_BYTES:,} bytes.")
    digest = digest_of({name: sha256_of(content) for name, content in files.items()})
    upload = Upload(io.BytesIO(), sum(map(len, files.values())), digest)
    return _read(upload, declared, read)


def _read(upload: Upload, declared: Declared, files: Mapping[str, bytes]) -> Imported:
    if RUN_SPEC not in files or PER_INSTANCE not in files:
        raise Unfit(Reason.UNREADABLE, f"A run folder holds {RUN_SPEC} and {PER_INSTANCE}.")
    spec = table(document(files[RUN_SPEC]), RUN_SPEC)
    adapter = table_in(spec, "adapter_spec")
    instances, metrics = _metrics(document(files[PER_INSTANCE]))
    stated = _stated(document(files[STATS])) if STATS in files else {}
    if stated.get("num_instances", instances) != instances:
        raise Unfit(Reason.INCOMPLETE, "The run had another number of instances than are here.")
    most = adapter.get("max_eval_instances")
    sampled = most is not None and instances >= count(most, "max_eval_instances")
    shots = adapter.get("max_train_instances")
    gathered = Gathered(
        upload,
        declared,
        Format.HELM,
        model=adapter.get("model") or adapter.get("model_deployment"),
        steps=[] if shots is None else [f"up to {count(shots, 'max_train_instances')}-shot"],
        caveats=[SAMPLED] if sampled else [],
    )
    task = str_in(spec, "name").partition(":")[0]
    for name, metric in metrics.items():
        _finding(gathered, task, name, metric, stated.get(name))
    return gathered.imported()


def _metrics(rows: object) -> tuple[int, dict[str, _Metric]]:
    """Return how many instances there are, and their metrics without bookkeeping and perturbations."""
    metrics: dict[str, _Metric] = defaultdict(_Metric)
    instances: set[str] = set()
    seen: set[tuple[str, int, str]] = set()
    for row in _list(rows):
        held = table(row, "instance")
        if held.get("perturbation") is not None:
            continue
        instance, trial = str_in(held, "instance_id"), count(held.get("train_trial_index", 0), "train_trial_index")
        instances.add(instance)
        for stat in rows_in(held, "stats"):
            name = _name(table(stat, "stat"))
            if name is None or _BOOKKEEPING.fullmatch(name):
                continue
            if (instance, trial, name) in seen:
                raise Unfit(Reason.DUPLICATE, "An instance has two values of one metric in one trial.")
            seen.add((instance, trial, name))
            if len(seen) > MOST_ENTRIES:
                raise Unfit(Reason.TOO_LARGE, f"A run may hold {MOST_ENTRIES:,} values.")
            _take(metrics[name], instance, stat)
    return len(instances), metrics


def _take(metric: _Metric, instance: str, stat: dict[str, Any]) -> None:
    times = count(stat.get("count"), "count")
    if not times:
        return
    total, squares = number(stat.get("sum"), "sum"), number(stat.get("sum_squared"), "sum_squared")
    metric.by_instance[instance].append((times, total, squares))
    metric.low = min(metric.low, number(stat.get("min"), "min"), total / times)
    metric.high = max(metric.high, number(stat.get("max"), "max"), total / times)


def _stated(rows: object) -> dict[str, float]:
    """Return the means that ``stats.json`` states."""
    stated: dict[str, float] = {}
    for row in _list(rows):
        stat = table(row, "stat")
        name, mean = _name(stat), stat.get("mean")
        if name is not None and mean is not None:
            stated[name] = number(mean, "mean")
    return stated


def _name(stat: dict[str, Any]) -> str | None:
    """Return a statistic's name, with its split where that is not the test's; ``None`` for one under a perturbation."""
    named = table_in(stat, "name")
    name, split = str_in(named, "name"), str_in(named, "split") or "test"
    if not name or named.get("perturbation") is not None:
        return None
    return name if split == "test" else f"{name} ({split})"


def _finding(gathered: Gathered, task: str, name: str, metric: _Metric, stated: float | None) -> None:
    rows = [row for values in metric.by_instance.values() for row in values]
    if not rows:
        return
    means = [sum(total / times for times, total, _ in values) / len(values) for values in metric.by_instance.values()]
    reported = sum(means) / len(means)
    if stated is not None and not math.isclose(stated, reported, rel_tol=_SAME, abs_tol=_SAME):
        gathered.leave_out(Reason.CONTRADICTION, "The run's mean is not that of its instances.", name)
        return
    lower_is_safer = gathered.declared.direction is not Direction.HIGHER_IS_BETTER
    only_ones = metric.low >= 1 and not lower_is_safer
    if metric.low < 0 or metric.high > 1 or only_ones:
        why = [SCALE_UNKNOWN] if only_ones else []
        gathered.add(task=task, metric=name, part=name, counts=None, reported=reported, caveats=why)
        return
    tallies = [[_tally(row, lower_is_safer=lower_is_safer) for row in values] for values in metric.by_instance.values()]
    graded = any(not _right_or_wrong(row) for row in rows)
    gathered.add(
        task=task,
        metric=name,
        part=name,
        counts=clustered(((sum(n for n, _ in values), sum(k for _, k in values)) for values in tallies), "instance"),
        reported=reported,
        caveats=[NUMBERS, *([GRADED] if graded else [])],
    )


def _right_or_wrong(row: tuple[int, float, float]) -> bool:
    """Return whether all values behind a row are 0 or 1: of numbers between them, only these equal their squares in sum."""
    _, total, squares = row
    return math.isclose(total, squares, abs_tol=1e-9) and abs(total - round(total)) < _SAME


def _tally(row: tuple[int, float, float], *, lower_is_safer: bool) -> tuple[int, int]:
    """Return values and those that count; where they are graded, all count against safety that could."""
    times, total, _ = row
    if _right_or_wrong(row):
        return times, min(times, round(total))
    if lower_is_safer:
        return times, times if total > 0 else 0
    return times, times if total >= times else 0


def _list(rows: object) -> list[Any]:
    if not isinstance(rows, list):
        raise Unfit(Reason.UNREADABLE, "There should be a list of statistics.")
    return cast("list[Any]", rows)
