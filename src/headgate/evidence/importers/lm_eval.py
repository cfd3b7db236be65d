"""Results of EleutherAI's lm-evaluation-harness: the results document, and the samples file that ``--log_samples`` writes.

A results document gives a mean, a standard error and, since 0.4.3, a number of samples. It gives no counts. A mean of zeros
and ones has the standard error ``sqrt(p (1 - p) / (n - 1))`` to every digit, and no other set of scores between 0 and 1 with
that mean has; so where the two agree and ``p n`` is whole, ``k`` is known. Where the standard error is missing, or the mean
is 0 or 1, the metric's name must be one that is known to be right or wrong. Everything else, and every document without a
number of samples (0.3, and 0.4 before 0.4.3), is unquantified.

Traps: ``name``, ``alias``, ``sample_len`` and ``sample_count`` stand beside the metrics; a standard error may be the text
"N/A"; a group's row sums up its tasks; ``effective`` below ``original`` means that ``--limit`` chose samples; a samples file
has one row for each filter of a sample.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from headgate.evidence.importers.findings import GRADED, NUMBERS, Gathered, clustered, counts_as, safer
from headgate.evidence.importers.interface import MOST_ENTRIES, Imported, Reason, Unfit
from headgate.evidence.importers.reading import (
    count,
    document,
    instant,
    lines,
    number,
    rows_in,
    str_in,
    table,
    table_in,
    whole,
)
from headgate.evidence.model.record import Caveat, Counts, Direction, Format

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.evidence.importers.interface import Declared, Glimpse, Upload

_NOT_METRICS = frozenset({"name", "alias", "sample_len", "sample_count", "samples", " "})
_RIGHT_OR_WRONG = frozenset({"acc", "acc_norm", "acc_mutual_info", "acc_bytes", "exact_match", "em", "mc1"})
_NEITHER_METRIC_NOR_ROW = frozenset(
    {
        "doc_id",
        "doc",
        "target",
        "arguments",
        "resps",
        "filtered_resps",
        "filter",
        "metrics",
        "doc_hash",
        "prompt_hash",
        "target_hash",
    }
)
_WHOLE, _SAME = 1e-6, 1e-6
_SAMPLES_NAME = re.compile(r"samples_(.+)_\d{4}-\d\d-\d\dT[\d.-]+\.jsonl")

NOT_COUNTABLE = Caveat("not_countable", "The value is not shown to be a share of right answers, so no counts follow from it.")
PART_UNKNOWN = Caveat("extent_unknown", "A samples file does not say whether all samples were run.")


class LmEvalResults:
    """The results document."""

    format = Format.LM_EVAL

    def recognises(self, glimpse: Glimpse) -> bool:
        return not glimpse.lines and {"results", "versions", "config"} <= glimpse.keys

    def read(self, upload: Upload, declared: Declared) -> Imported:
        results = table(document(whole(upload)), "results document")
        config = table_in(results, "config")
        if config.get("limit") is not None:
            raise Unfit(Reason.LIMITED, "The run was limited to some of the samples.")
        gathered = Gathered(
            upload,
            declared,
            self.format,
            tool_version=results.get("lm_eval_version"),
            model=results.get("model_name"),
            produced_at=instant(results.get("date")),
        )
        groups = {
            *table_in(results, "groups"),
            *(name for name, tasks in table_in(results, "group_subtasks").items() if tasks),
        }
        for name, row in table_in(results, "results").items():
            if name in groups:
                gathered.leave_out(Reason.AGGREGATE, "The row sums up tasks that are read themselves.", name)
            else:
                _task(gathered, name, table(row, "task"), results)
        return gathered.imported()


class LmEvalSamples:
    """The samples file of one task."""

    format = Format.LM_EVAL

    def recognises(self, glimpse: Glimpse) -> bool:
        return {"doc_id", "doc"} <= glimpse.keys and not {"resps", "filtered_resps"}.isdisjoint(glimpse.keys)

    def read(self, upload: Upload, declared: Declared) -> Imported:
        by_metric: dict[tuple[str, str], dict[int, float]] = {}
        held = 0
        for row in lines(upload):
            doc_id, filtered = count(row.get("doc_id"), "doc_id"), str_in(row, "filter") or "none"
            for metric, value in _metrics_of(row):
                scores = by_metric.setdefault((metric, filtered), {})
                if scores.setdefault(doc_id, value) != value:
                    raise Unfit(Reason.DUPLICATE, "A sample appears twice under one filter, with two values.")
                held += 1
                if held > MOST_ENTRIES:
                    raise Unfit(Reason.TOO_LARGE, f"A samples file may hold {MOST_ENTRIES:,} scores.")
        named = _SAMPLES_NAME.fullmatch(upload.name or "")
        gathered = Gathered(upload, declared, self.format, caveats=(PART_UNKNOWN,))
        direction = declared.direction or Direction.LOWER_IS_BETTER
        for (metric, filtered), scores in by_metric.items():
            values = list(scores.values())
            # a 1 is known to be the best there is by the metric's name, or does not matter, or something below it was seen
            ends_at_one = metric in _RIGHT_OR_WRONG or direction is Direction.LOWER_IS_BETTER or min(values) < 1
            rate = ends_at_one and all(0 <= value <= 1 for value in values)
            gathered.add(
                task=named[1] if named else declared.suite,
                metric=metric,
                part=f"{metric},{filtered}",
                counts=clustered(((1, int(counts_as(value, direction))) for value in values), "item") if rate else None,
                reported=sum(values) / len(values),
                caveats=[NUMBERS, *([GRADED] if any(0 < value < 1 for value in values) else [])],
            )
        return gathered.imported()


def _task(gathered: Gathered, name: str, row: dict[str, Any], results: dict[str, Any]) -> None:
    samples = table_in(table_in(results, "n-samples"), name)
    try:
        n = _samples_of(samples, row)
    except Unfit as unfit:
        gathered.leave_out(unfit.refusal.reason, unfit.refusal.says, name)
        return
    shots = table_in(results, "n-shot").get(name, table_in(results, "config").get("num_fewshot"))
    gathered.steps = [f"{shots}-shot"] if isinstance(shots, int) and not isinstance(shots, bool) and 0 <= shots <= 10**4 else []
    better = table_in(table_in(results, "higher_is_better"), name)
    for key, value in row.items():
        metric, _, filtered = key.partition(",")
        if key in _NOT_METRICS or metric.endswith("_stderr") or isinstance(value, str) or value is None:
            continue
        error = row.get(f"{metric}_stderr,{filtered}" if filtered else f"{metric}_stderr")
        try:
            reported = number(value, "metric")
        except Unfit as unfit:
            gathered.leave_out(unfit.refusal.reason, unfit.refusal.says, f"{name}/{key}")
            continue
        counts = None if n is None else _counted(metric, reported, error, n)
        gathered.add(
            task=name,
            metric=metric,
            part=f"{name}/{key}",
            counts=counts,
            reported=reported,
            direction=safer(better.get(metric), gathered.declared.kind),
            caveats=[NOT_COUNTABLE] if n is not None and counts is None else [],
        )


def _samples_of(samples: dict[str, Any], row: dict[str, Any]) -> int | None:
    """Return how many samples a task had, ``None`` where the document does not say.

    Raises:
        Unfit: Only some of them were run, or two numbers disagree.
    """
    length = row.get("sample_len")
    if not samples:
        return None if length is None else _at_least_one(count(length, "sample_len"))
    effective, original = count(samples.get("effective"), "effective"), count(samples.get("original"), "original")
    if effective < original:
        raise Unfit(Reason.LIMITED, "The run was limited to some of the samples.")
    if effective > original or (length is not None and count(length, "sample_len") != effective):
        raise Unfit(Reason.CONTRADICTION, "The document gives two numbers of samples.")
    return _at_least_one(effective)


def _at_least_one(n: int) -> int:
    if n == 0:
        raise Unfit(Reason.NO_RESULTS, "The task has no samples.")
    return n


def _counted(metric: str, mean: float, error: object, n: int) -> Counts | None:
    """Return the counts behind a mean, where they follow from it."""
    k = round(mean * n) if 0 <= mean <= 1 else -1
    if not 0 <= k <= n or abs(mean * n - k) > _WHOLE * max(1.0, k):
        return None
    try:
        stated = number(error, "standard error")
    except Unfit:
        stated = None
    if stated is None or k in {0, n} or n == 1:
        return Counts(k, n, "item") if metric in _RIGHT_OR_WRONG else None
    of_zeros_and_ones = math.sqrt(mean * (1 - mean) / (n - 1))
    return Counts(k, n, "item") if math.isclose(stated, of_zeros_and_ones, rel_tol=_SAME) else None


def _metrics_of(row: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the metrics of a sample's row: those that it lists, or else every number beside the known columns."""
    listed = [name for name in rows_in(row, "metrics") if isinstance(name, str)]
    for name in listed or (key for key in row if key not in _NEITHER_METRIC_NOR_ROW):
        value = row.get(name)
        if isinstance(value, int | float):
            yield name, number(float(value) if isinstance(value, bool) else value, "score")
