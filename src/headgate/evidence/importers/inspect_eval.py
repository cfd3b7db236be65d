"""Inspect logs (UK AI Security Institute), ``.eval`` archives and ``.json`` documents, log versions 2 and 3.

An archive holds ``header.json`` (everything but samples), ``summaries.json`` (each sample's scores) and one entry for each
sample; a document holds all of it. Counts are taken from the samples' scores and never from the header's numbers, which
round, reduce over epochs, and print a standard error of 0 for 0 of 64. The header's value must agree with what was counted.

Refused, and why: a run that did not succeed or was stopped early (what is missing is not missing at random); invalidated or
edited results; samples that were not completed, not scored, or ended in an error; ``limit`` or chosen samples (somebody
chose them); answers from a fallback model where a capability is claimed.

Runs of one sample over several epochs are one cluster. Where the log reduces epochs to "any success" (``max``), an item
counts once, and the finding says how many tries it had.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from headgate.evidence.importers.archive import SIGNATURE, Archive
from headgate.evidence.importers.findings import GRADED, NUMBERS, SCALE_UNKNOWN, Gathered, clustered, counts_as
from headgate.evidence.importers.interface import MOST_ENTRIES, MOST_SCANNED_BYTES, Imported, Reason, Unfit
from headgate.evidence.importers.reading import count, document, instant, number, rows_in, str_in, table, table_in, whole
from headgate.evidence.model.record import Caveat, Direction, Format, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from headgate.evidence.importers.interface import Declared, Glimpse, Upload
    from headgate.evidence.model.record import Counts

_HEADER, _SUMMARIES, _START = "header.json", "summaries.json", "_journal/start.json"
_SAMPLES = "samples/"
_RATES = ("accuracy", "mean")
_ERRORS_OF_RATES = frozenset({"stderr", "std", "var", "bootstrap_stderr"})
_HARMLESS_EDITS = frozenset({"tags", "metadata"})
_WORDS = {"c": 1.0, "i": 0.0, "p": 0.5, "n": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_SAME = 1e-6
_STATED = re.compile(rb'"(model_fallbacks|invalidation)"\s*:\s*(?=\S)(?!null|\[\s*\]|\{\s*\}|false)')
_OVERLAP, _AHEAD = 4096, 64

HALTED = Caveat("halted_samples", "Some samples were halted by a limit on time, tokens or messages: more room might change them.")
NO_SAMPLES = Caveat("no_samples", "The log holds no scores of single samples.")
UNSCANNED = Caveat("fallbacks_unchecked", "The log is too large to check every sample for answers from a fallback model.")
REDUCED = Caveat("reduced", "Epochs were reduced in a way that leaves no counts.")


@dataclass(frozen=True, slots=True)
class _Sample:
    """One run of one sample.

    Attributes:
        item: What tells samples apart; runs of one sample share it.
        scores: Values by scorer.
    """

    item: int | str
    scores: Mapping[str, object]


class InspectEval:
    """Inspect's ``.eval`` archives."""

    format = Format.INSPECT_EVAL

    def recognises(self, glimpse: Glimpse) -> bool:
        # a log that is still being written has no directory yet, and starts with its journal
        cut_off = glimpse.start.startswith(SIGNATURE) and not glimpse.entries and _START.encode() in glimpse.start[:128]
        return cut_off or _HEADER in glimpse.entries or _START in glimpse.entries

    def read(self, upload: Upload, declared: Declared) -> Imported:
        archive = Archive(upload)
        content = archive.read(_HEADER)
        if content is None:
            raise Unfit(Reason.NOT_FINISHED, "The log has no header: the run did not finish.")
        header = table(document(content), _HEADER)
        gathered = _gathered(upload, declared, header, self.format)
        summaries = archive.read(_SUMMARIES)
        rows = None if summaries is None else document(summaries)
        entries = [entry for name, entry in archive.entries.items() if name.startswith(_SAMPLES)]
        held = len(cast("list[Any]", rows)) if isinstance(rows, list) else len(entries)
        if entries and len(entries) != held:
            raise Unfit(Reason.CONTRADICTION, "The log's summaries and its samples differ in number.")
        _scan(archive, gathered)
        return _read(gathered, header, cast("object", rows))


class InspectJson:
    """Inspect's ``.json`` documents."""

    format = Format.INSPECT_JSON

    def recognises(self, glimpse: Glimpse) -> bool:
        return not glimpse.lines and {"version", "status", "eval"} <= glimpse.keys

    def read(self, upload: Upload, declared: Declared) -> Imported:
        header = table(document(whole(upload)), "log")
        gathered = _gathered(upload, declared, header, self.format)
        return _read(gathered, header, header.get("samples"))


def _gathered(upload: Upload, declared: Declared, header: dict[str, Any], form: Format) -> Gathered:
    spec, stats = table_in(header, "eval"), table_in(header, "stats")
    times = (instant(stats.get("completed_at")), instant(stats.get("started_at")), instant(spec.get("created")))
    steps = [table(step, "step").get("solver") for step in rows_in(table_in(header, "plan"), "steps")]
    return Gathered(
        upload,
        declared,
        form,
        tool_version=table_in(spec, "packages").get("inspect_ai"),
        model=spec.get("model"),
        produced_at=next((time for time in times if time is not None), None),
        steps=steps,
    )


def _read(gathered: Gathered, header: dict[str, Any], rows: object) -> Imported:
    spec, results = table_in(header, "eval"), table_in(header, "results")
    epochs = _fits(header, spec, results)
    samples, halted = _samples(rows, gathered.declared.kind)
    total = count(results.get("total_samples", 0), "total_samples")
    if samples is not None and len(samples) != total:
        raise Unfit(Reason.CONTRADICTION, "The log states another number of samples than it holds.")
    scores = rows_in(results, "scores")
    if not scores:
        raise Unfit(Reason.NO_RESULTS, "The log has no scores: the run was not scored.")
    for score in scores:
        _score(gathered, table(score, "score"), samples, task=spec.get("task"), total=total, epochs=epochs, halted=halted)
    return gathered.imported()


def _fits(header: dict[str, Any], spec: dict[str, Any], results: dict[str, Any]) -> int:
    """Return the number of epochs of a run that may count.

    Raises:
        Unfit: It may not.
    """
    if header.get("status") != "success" or header.get("error") is not None:
        raise Unfit(Reason.NOT_FINISHED, "The run did not succeed: it was cancelled, failed, or is still going on.")
    if header.get("invalidated"):
        raise Unfit(Reason.INVALIDATED, "Whoever ran it declared samples of the run invalid.")
    edits = (edit for update in rows_in(header, "log_updates") for edit in rows_in(table(update, "log update"), "edits"))
    if not all(str_in(table(edit, "edit"), "type") in _HARMLESS_EDITS for edit in edits):
        raise Unfit(Reason.EDITED, "The log was changed after the run, in more than its tags and notes.")
    config = table_in(spec, "config")
    if config.get("limit") is not None or config.get("sample_id") is not None:
        raise Unfit(Reason.LIMITED, "The run was limited to some of the samples.")
    if not results:
        raise Unfit(Reason.NO_RESULTS, "The log has no results.")
    return _complete(results, config, table_in(spec, "dataset").get("samples"))


def _complete(results: dict[str, Any], config: dict[str, Any], there: object) -> int:
    """Return the number of epochs of a run that is complete.

    Raises:
        Unfit: It is not.
    """
    if results.get("early_stopping") is not None:
        raise Unfit(Reason.NOT_FINISHED, "The run was stopped early, by what it had found.")
    total, completed = count(results.get("total_samples", 0), "total_samples"), results.get("completed_samples", 0)
    if count(completed, "completed_samples") < total:
        raise Unfit(Reason.INCOMPLETE, "Some samples were not completed.")
    epochs = max(1, count(config.get("epochs") or 1, "epochs"))
    if there is not None and total != count(there, "dataset samples") * epochs:
        raise Unfit(Reason.INCOMPLETE, "The run holds another number of samples than its data set, times epochs.")
    return epochs


def _samples(rows: object, kind: Kind) -> tuple[list[_Sample] | None, bool]:
    """Return the runs of samples, ``None`` where the log holds none, and whether any was halted by a limit."""
    if rows is None or rows == []:
        return None, False
    if not isinstance(rows, list):
        raise Unfit(Reason.UNREADABLE, "The log's samples are no list.")
    held = cast("list[object]", rows)
    if len(held) > MOST_ENTRIES:
        raise Unfit(Reason.TOO_LARGE, f"A log may hold {MOST_ENTRIES:,} samples.")
    samples: list[_Sample] = []
    seen: set[tuple[int | str, int]] = set()
    halted = False
    for row in held:
        sample = table(row, "sample")
        _sample_fits(sample, kind)
        item = sample.get("id")
        if isinstance(item, bool) or not isinstance(item, int | str):
            raise Unfit(Reason.UNREADABLE, "A sample has no id.")
        epoch = count(sample.get("epoch", 1), "epoch")
        if (item, epoch) in seen:
            raise Unfit(Reason.DUPLICATE, "A sample appears twice in one epoch.")
        seen.add((item, epoch))
        halted = halted or sample.get("limit") is not None
        samples.append(_Sample(item, table_in(sample, "scores")))
    return samples, halted


def _sample_fits(sample: dict[str, Any], kind: Kind) -> None:
    if sample.get("error") is not None or sample.get("completed") is False:
        raise Unfit(Reason.INCOMPLETE, "A sample ended in an error, or was not completed.")
    if sample.get("invalidation") is not None:
        raise Unfit(Reason.INVALIDATED, "Whoever ran it declared a sample invalid.")
    if kind is Kind.CAPABILITY and sample.get("model_fallbacks"):
        raise Unfit(Reason.OTHER_MODEL, "Some answers came from a fallback model.")
    for score in table_in(sample, "scores").values():
        if rows_in(table(score, "score"), "history"):
            raise Unfit(Reason.EDITED, "A score was changed after the run.")


def _score(
    gathered: Gathered,
    score: dict[str, Any],
    samples: list[_Sample] | None,
    *,
    task: object,
    total: int,
    epochs: int,
    halted: bool,
) -> None:
    name, scorer = str_in(score, "name"), str_in(score, "scorer")
    reducer = str_in(score, "reducer") or "mean"
    part = f"{name}/{reducer}" if epochs > 1 else name
    if count(score.get("unscored_samples") or 0, "unscored_samples") > 0:
        gathered.leave_out(Reason.INCOMPLETE, "Some samples were not scored.", part)
        return
    scored = score.get("scored_samples")
    # the tool counts samples here, and runs of samples above
    if scored is not None and count(scored, "scored_samples") not in {total, total // epochs}:
        gathered.leave_out(Reason.INCOMPLETE, "Fewer samples were scored than were run.", part)
        return
    try:
        values = None if samples is None else _values(samples, name, scorer)
    except Unfit as unfit:
        gathered.leave_out(unfit.refusal.reason, unfit.refusal.says, part)
        return
    metrics = table_in(score, "metrics")
    rate = next((metric for metric in _RATES if metric in metrics), None)
    for key, metric in metrics.items():
        if key in _ERRORS_OF_RATES:
            continue
        place = part if key == rate else f"{part}/{key}"
        try:
            reported = number(table(metric, "metric").get("value"), "metric")
        except Unfit as unfit:
            gathered.leave_out(unfit.refusal.reason, unfit.refusal.says, place)
            continue
        caveats = [HALTED] if halted else []
        if key != rate or values is None:
            missing = [NO_SAMPLES] if samples is None else []
            gathered.add(task=task, metric=key, part=place, counts=None, reported=reported, caveats=(*caveats, *missing))
            continue
        _counted(gathered, values, reported, task=task, metric=key, part=place, reducer=reducer, caveats=caveats)


def _counted(
    gathered: Gathered,
    values: Sequence[tuple[int | str, float, bool]],
    reported: float,
    *,
    task: object,
    metric: str,
    part: str,
    reducer: str,
    caveats: list[Caveat],
) -> None:
    """Add a finding from the values of single runs, if they agree with the value that the log states."""
    by_item: dict[int | str, list[float]] = defaultdict(list)
    for item, value, _ in values:
        by_item[item].append(value)
    most = max(map(len, by_item.values()))
    reducing = reducer if most > 1 else "mean"
    direction = gathered.declared.direction
    numbers = any(numeric for _, _, numeric in values)
    # of words and of an accuracy it is known what is right; a mean may be one of scores from 0 to 10
    unknown = numbers and metric == "mean" and direction is Direction.HIGHER_IS_BETTER
    if unknown or reducing not in {"mean", "max"} or any(not 0 <= value <= 1 for _, value, _ in values):
        why = [SCALE_UNKNOWN] if unknown else [REDUCED] if reducing not in {"mean", "max"} else []
        gathered.add(task=task, metric=metric, part=part, counts=None, reported=reported, caveats=[*caveats, *why])
        return
    reduced = [max(runs) if reducing == "max" else sum(runs) / len(runs) for runs in by_item.values()]
    if abs(sum(reduced) / len(reduced) - reported) > _SAME:
        gathered.leave_out(Reason.CONTRADICTION, "The value that the log states is not that of its samples.", part)
        return
    if any(0 < value < 1 for _, value, _ in values):
        caveats = [*caveats, GRADED]
    if numbers:
        caveats = [*caveats, NUMBERS]
    gathered.add(
        task=task,
        metric=metric,
        part=part,
        counts=_counts(by_item.values(), direction or Direction.LOWER_IS_BETTER, at_once=reducing == "max"),
        reported=reported,
        attempts=most if reducing == "max" else 1,
        caveats=caveats,
    )


def _counts(runs: Iterable[list[float]], direction: Direction, *, at_once: bool) -> Counts:
    if at_once:
        return clustered(((1, int(counts_as(max(values), direction))) for values in runs), "item")
    pairs = [(len(values), sum(counts_as(value, direction) for value in values)) for values in runs]
    return clustered(pairs, "item" if all(tries == 1 for tries, _ in pairs) else "attempt")


def _values(samples: list[_Sample], name: str, scorer: str) -> list[tuple[int | str, float, bool]] | None:
    """Return (item, value, was a number) of each run; ``None`` where the values are not all such as can be read as rates.

    Raises:
        Unfit: A run has no score of this name.
    """
    values: list[tuple[int | str, float, bool]] = []
    for sample in samples:
        value = _value(sample.scores, name, scorer)
        if isinstance(value, bool):
            values.append((sample.item, float(value), False))
        elif isinstance(value, int | float):
            values.append((sample.item, number(value, "score"), True))
        elif isinstance(value, str) and value.lower() in _WORDS:
            values.append((sample.item, _WORDS[value.lower()], False))
        elif value is None:
            raise Unfit(Reason.INCOMPLETE, "Some samples were not scored.")
        else:
            return None
    return values


def _value(scores: Mapping[str, object], name: str, scorer: str) -> object:
    """Return a run's value: under the score's own name, or in the table of a scorer that gives several."""
    if name in scores:
        return table(scores[name], "score").get("value")
    if scorer in scores:
        value = table(scores[scorer], "score").get("value")
        if isinstance(value, dict):
            return cast("dict[str, object]", value).get(name)
    return None


def _scan(archive: Archive, gathered: Gathered) -> None:
    """Look through samples that are not read for what the summaries leave out: invalidations, and fallback models.

    Raises:
        Unfit: A sample was declared invalid, or a capability rests on another model's answers.
    """
    left = MOST_SCANNED_BYTES
    for name, entry in archive.entries.items():
        if not name.startswith(_SAMPLES):
            continue
        left -= entry.size
        if left < 0:
            gathered.caveats = (*gathered.caveats, UNSCANNED)
            return
        window = b""
        for piece in archive.pieces(entry):
            window = window[-_OVERLAP:] + piece
            _refuse_stated(window, len(window) - _AHEAD, gathered.declared.kind)
        _refuse_stated(window, len(window), gathered.declared.kind)


def _refuse_stated(window: bytes, until: int, kind: Kind) -> None:
    """Look at a stretch of a sample; what ends behind ``until`` is looked at again, with what follows it.

    Raises:
        Unfit: The sample was declared invalid, or a capability rests on another model's answers.
    """
    for found in _STATED.finditer(window):
        if found.end() > until:
            return
        if found[1] == b"invalidation":
            raise Unfit(Reason.INVALIDATED, "Whoever ran it declared a sample invalid.")
        if kind is Kind.CAPABILITY:
            raise Unfit(Reason.OTHER_MODEL, "Some answers came from a fallback model.")
