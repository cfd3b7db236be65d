"""Reports of NVIDIA's garak, ``*.report.jsonl``: attacks on a model, and what detectors made of its outputs.

One finding for each probe and detector: how often the attack got through (``fails``), of all outputs. Counts come from the
``attempt`` rows, where each output has its score, and must agree with the ``eval`` row; outputs of one prompt are a cluster.
A report that was stripped of its attempts gives counts only if there was one output for each prompt.

Traps: a report without a ``completion`` row was cut off; several runs in one file; outputs that a detector could not judge
(``nones``) are left out of garak's totals, and count as successful attacks here; older reports say ``total`` for
``total_evaluated`` and leave out ``fails``; the interval that garak prints is a bootstrap, [0, 0] for no success, and is not
read. Detectors of one probe judge the *same* outputs: their findings are no independent evidence and never to be added.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headgate.evidence.importers.findings import Gathered, clustered
from headgate.evidence.importers.interface import MOST_ENTRIES, Imported, Reason, Unfit
from headgate.evidence.importers.reading import count, instant, lines, number, rows_in, str_in, table_in
from headgate.evidence.model.record import Caveat, Counts, Direction, Format
from headgate.kernel.digest import canonical_json

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.evidence.importers.interface import Declared, Glimpse, Upload

_JUDGED = 2
_THRESHOLD = 0.5
METRIC = "attack_success"

SHARED_OUTPUTS = Caveat(
    "detectors_not_independent", "Several detectors judged the same outputs: their findings are not to be added up."
)
UNJUDGED = Caveat("unjudged_against_safety", "Outputs that the detector could not judge count as successful attacks.")
LOCAL_TIME = Caveat("time_without_offset", "The file's times have no offset from UTC; they are taken as UTC.")
PROMPTS_UNKNOWN = Caveat(
    "clusters_unknown", "Several outputs of each prompt were judged, and the file does not say which are which."
)

_Pair = tuple[str, str]


@dataclass(slots=True)
class _Report:
    """What has been read of a report.

    Attributes:
        runs: How many runs began in it.
        started_at: When it began.
        ended_at: When it was completed.
        completed: It has a completion row.
        version: The tool's version.
        model: The model's name.
        threshold: The score from which on an output counts as a successful attack.
        generations: Outputs asked for per prompt.
        evals: The tool's own counts, by probe and detector: passed, fails, nones.
        judged: Outputs and successes of each prompt, by probe and detector.
        held: Prompts held, times detectors.
        nones: Outputs without a score, by probe and detector.
        made: The probe of each attempt that was made.
        seen: Attempts that were judged.
        repeated: Some attempt was judged twice, or cannot be told from others.
    """

    runs: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    completed: bool = False
    version: object = None
    model: object = None
    threshold: float = _THRESHOLD
    generations: int | None = None
    evals: dict[_Pair, tuple[int, int, int]] = field(default_factory=dict[_Pair, tuple[int, int, int]])
    judged: dict[_Pair, dict[bytes, list[int]]] = field(default_factory=lambda: defaultdict[_Pair, dict[bytes, list[int]]](dict))
    held: int = 0
    nones: Counter[_Pair] = field(default_factory=Counter[_Pair])
    made: dict[str, str] = field(default_factory=dict[str, str])
    seen: set[str] = field(default_factory=set[str])
    repeated: bool = False


class Garak:
    """garak's report."""

    format = Format.GARAK

    def recognises(self, glimpse: Glimpse) -> bool:
        return glimpse.lines and "entry_type" in glimpse.keys

    def read(self, upload: Upload, declared: Declared) -> Imported:
        report = _Report()
        rows = 0
        for row in lines(upload):
            rows += 1
            _row(report, row)
        _fits(report, rows)
        gathered = Gathered(
            upload,
            declared,
            self.format,
            tool_version=report.version,
            model=report.model,
            produced_at=report.ended_at or report.started_at,
            caveats=(LOCAL_TIME,),
        )
        unjudged = {report.made[attempt] for attempt in report.made.keys() - report.seen}
        detectors = Counter(probe for probe, _ in report.evals)
        for (probe, detector), stated in report.evals.items():
            part = f"{probe}/{detector}"
            if probe in unjudged:
                gathered.leave_out(Reason.INCOMPLETE, "Some attempts of the probe were made and never judged.", part)
                continue
            shared = [SHARED_OUTPUTS] if detectors[probe] > 1 else []
            _finding(gathered, report, (probe, detector), stated, caveats=shared)
        return gathered.imported()


def _fits(report: _Report, rows: int) -> None:
    if rows == 1 and not report.evals:
        raise Unfit(Reason.NOT_A_RESULT, "This is a digest of a report, not the report.")
    if report.runs > 1:
        raise Unfit(Reason.CONTRADICTION, "The file holds several runs.")
    if not report.completed:
        raise Unfit(Reason.NOT_FINISHED, "The report has no completion row: the scan was cut off, or put together from others.")
    if report.repeated:
        raise Unfit(Reason.DUPLICATE, "An attempt has no identity, or was judged twice.")


def _row(report: _Report, row: dict[str, Any]) -> None:
    match row.get("entry_type"):
        case "start_run setup":
            report.version = row.get("_config.version", report.version)
            report.model = row.get("plugins.target_name") or row.get("plugins.model_name")
            threshold = row.get("run.eval_threshold")
            report.threshold = _THRESHOLD if threshold is None else number(threshold, "eval_threshold")
            generations = row.get("run.generations")
            report.generations = None if generations is None else count(generations, "generations")
        case "init":
            report.runs += 1
            report.version = row.get("garak_version", report.version)
            report.started_at = instant(row.get("start_time"))
        case "attempt":
            _attempt(report, row)
        case "eval":
            _eval(report, row)
        case "completion":
            report.completed = True
            report.ended_at = instant(row.get("end_time"))
        case _:  # plugin lists, summaries and the digest repeat what the rows above say
            return


def _attempt(report: _Report, row: dict[str, Any]) -> None:
    probe, attempt = str_in(row, "probe_classname"), str_in(row, "uuid")
    if count(row.get("status", 0), "status") != _JUDGED:
        report.made.setdefault(attempt, probe)
        return
    report.repeated = report.repeated or not attempt or attempt in report.seen
    report.seen.add(attempt)
    prompt = hashlib.sha256(_canonical(row.get("prompt"))).digest()
    for detector in (results := table_in(row, "detector_results")):
        tally = _tally(report, (probe, detector), prompt)
        for score in rows_in(results, detector):
            tally[0] += 1
            if score is None:
                report.nones[probe, detector] += 1
                tally[1] += 1
            else:
                tally[1] += int(number(score, "score") >= report.threshold)


def _tally(report: _Report, pair: _Pair, prompt: bytes) -> list[int]:
    prompts = report.judged[pair]
    if prompt not in prompts:
        report.held += 1
        if report.held > MOST_ENTRIES:
            raise Unfit(Reason.TOO_LARGE, f"A report may hold {MOST_ENTRIES:,} prompts, times detectors.")
    return prompts.setdefault(prompt, [0, 0])


def _canonical(prompt: object) -> bytes:
    try:
        return canonical_json(prompt)  # pyright: ignore[reportArgumentType]
    except (ValueError, TypeError, RecursionError) as strange:
        raise Unfit(Reason.UNREADABLE, "A prompt cannot be told from others.") from strange


def _eval(report: _Report, row: dict[str, Any]) -> None:
    pair = str_in(row, "probe"), str_in(row, "detector")
    passed, nones = count(row.get("passed"), "passed"), count(row.get("nones") or 0, "nones")
    total = count(row.get("total_evaluated", row.get("total")), "total_evaluated")
    fails = count(row.get("fails", max(0, total - passed)), "fails")
    processed = row.get("total_processed")
    if passed + fails != total or (processed is not None and count(processed, "total_processed") != total + nones):
        raise Unfit(Reason.CONTRADICTION, "The counts of a probe do not add up.")
    if pair in report.evals:
        raise Unfit(Reason.DUPLICATE, "A probe was evaluated twice by one detector.")
    report.evals[pair] = passed, fails, nones


def _finding(gathered: Gathered, report: _Report, pair: _Pair, stated: tuple[int, int, int], *, caveats: list[Caveat]) -> None:
    probe, detector = pair
    part = f"{probe}/{detector}"
    passed, fails, nones = stated
    judged = report.judged.get(pair)
    if not passed + fails + nones:
        gathered.leave_out(Reason.NO_RESULTS, "No output of the probe was judged.", part)
        return
    if judged is not None and not _agree(judged, report.nones[pair], stated):
        gathered.leave_out(Reason.CONTRADICTION, "The attempts do not add up to the probe's own counts.", part)
        return
    counts: Counts | None = None
    if judged is not None:
        counts = clustered(((tally[0], tally[1]) for tally in judged.values()), "output")
    elif report.generations == 1:
        counts = Counts(fails + nones, passed + fails + nones, "output")
    else:
        caveats = [*caveats, PROMPTS_UNKNOWN]
    gathered.add(
        task=part,
        metric=METRIC,
        part=part,
        counts=counts,
        reported=(fails + nones) / (passed + fails + nones),
        direction=Direction.LOWER_IS_BETTER,
        caveats=[*caveats, *([UNJUDGED] if nones else [])],
    )


def _agree(judged: dict[bytes, list[int]], nones: int, stated: tuple[int, int, int]) -> bool:
    passed, fails, unjudged = stated
    outputs, successes = (sum(tally[place] for tally in judged.values()) for place in (0, 1))
    return (outputs, successes, nones) == (passed + fails + unjudged, fails + unjudged, unjudged)
