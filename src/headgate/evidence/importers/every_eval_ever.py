"""Every Eval Ever (EvalEval coalition), schema 0.3.0: read and written, so that findings can leave as they came.

A document is one evaluation of one model: who measured and how they stand to the maker, the tool, and results with a score
and, where the writer was careful, the number of samples. The schema has no counts and no clusters. Counts follow from score
and samples only if the metric is a share of right answers by its name or type, and their product is whole to the digits
written; rounded scores do not qualify. What Headgate writes carries the exact counts, their clusters and the digests of the
subject among the details (keys that begin ``headgate.``), so nothing is lost on the way out and in.

``lower_is_better`` is the writer's idea of better, which is not safer where a dangerous capability or an attack is measured:
there it must be declared. What Headgate writes says which way is safer in a detail of its own. A score on a page
(``documentation``) is read with a caveat; an evaluator whose standing is ``other`` must be declared.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from headgate.evidence.errors import NotEvidence
from headgate.evidence.importers.findings import Gathered, safer
from headgate.evidence.importers.interface import Imported, Reason, Unfit
from headgate.evidence.importers.naming import kept
from headgate.evidence.importers.reading import count, document, instant, number, rows_in, str_in, table, table_in, whole
from headgate.evidence.model.record import Access, Caveat, Counts, Direction, Evaluator, Format, Relationship, Tally
from headgate.kernel.digest import canonical_json, digest_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.evidence.importers.interface import Declared, Glimpse, Upload
    from headgate.evidence.model.record import Finding, Kind

SCHEMA = "0.3.0"
_VERSION = re.compile(r"0\.3\.\d+")
_RIGHT_OR_WRONG = frozenset(
    {"accuracy", "exact_match", "pass_rate", "success_rate", "attack_success_rate", "attack_success", "refusal_rate", "refusal"}
)
_WHOLE = 1e-6
_K, _N, _UNIT, _TALLIES = "headgate.k", "headgate.n", "headgate.unit", "headgate.tallies"
_SAFER = "headgate.safer"
_SUBJECT = ("headgate.model_version", "headgate.weights", "headgate.safeguards")
_SECONDS = re.compile(r"\d{1,12}(?:\.\d{1,9})?")

FROM_A_PAGE = Caveat("from_documentation", "The score was read off a page or a paper, not out of a run.")
INDEPENDENT = Caveat(
    "independence_assumed", "The file does not say which samples belong together; they are taken as independent."
)


class EveryEvalEver:
    """A document of the schema."""

    format = Format.EVERY_EVAL_EVER

    def recognises(self, glimpse: Glimpse) -> bool:
        return not glimpse.lines and {"schema_version", "evaluation_id", "evaluation_results"} <= glimpse.keys

    def read(self, upload: Upload, declared: Declared) -> Imported:
        held = table(document(whole(upload)), "evaluation")
        if not _VERSION.fullmatch(str_in(held, "schema_version")):
            raise Unfit(Reason.UNKNOWN_FORMAT, "Only version 0.3 of the schema is read here.")
        source, model, library = (table_in(held, key) for key in ("source_metadata", "model_info", "eval_library"))
        _same_subject(table_in(model, "additional_details"), declared)
        gathered = Gathered(
            upload,
            declared,
            self.format,
            tool_version=library.get("version"),
            model=model.get("id") or model.get("name"),
            evaluator=_evaluator(source),
            caveats=[FROM_A_PAGE] if source.get("source_type") != "evaluation_run" else [],
        )
        when = _time(held.get("evaluation_timestamp"))
        for place, result in enumerate(rows_in(held, "evaluation_results")):
            _result(gathered, table(result, "result"), str(place), when)
        return gathered.imported()


def export(findings: Sequence[Finding], *, at: datetime) -> bytes:
    """Return findings of one evaluation as a document of the schema.

    Args:
        findings: Not empty; of one subject, one evaluator and one model's name. One without counts must state a value.
        at: When the document is made, aware.

    Raises:
        NotEvidence: They do not belong in one document, or one states nothing.
    """
    if not findings:
        raise NotEvidence("There is nothing to export.")
    first = findings[0]
    if any((f.subject, f.evaluator, f.source.model) != (first.subject, first.evaluator, first.source.model) for f in findings):
        raise NotEvidence("A document of Every Eval Ever is about one model, evaluated by one evaluator.")
    model = first.source.model or "unknown"
    subject = zip(_SUBJECT, (first.subject.model_version, first.subject.weights, first.subject.safeguards), strict=True)
    seconds = f"{at.timestamp():.6f}"
    held = {
        "schema_version": SCHEMA,
        "evaluation_id": f"{first.suite}/{model}/{seconds}",
        "evaluation_timestamp": min(f.produced_at for f in findings).isoformat(),
        "retrieved_timestamp": seconds,
        "source_metadata": {
            "source_name": "Headgate",
            "source_type": "evaluation_run",
            "source_organization_name": first.evaluator.name,
            "evaluator_relationship": first.evaluator.relationship.value,
            "additional_details": {"headgate.access": first.evaluator.access.value},
        },
        "eval_library": {"name": first.source.format.value, "version": first.source.tool_version or "unknown"},
        "model_info": {
            "name": model,
            "id": model,
            "additional_details": {
                "deployment_type": "unknown",
                "model_availability": "unknown",
                **{key: digest for key, digest in subject if digest is not None},
            },
        },
        "evaluation_results": [_written(finding) for finding in findings],
    }
    return canonical_json(held)


def _written(finding: Finding) -> dict[str, Any]:
    counts, interval = finding.counts, finding.interval
    score = finding.reported if counts is None else counts.k / counts.n
    if score is None:
        raise NotEvidence("A finding without counts and without a value says nothing that could be exported.")
    details = {"headgate.kind": finding.kind.value, "headgate.domain": finding.domain, "headgate.suite": finding.suite}
    details[_SAFER] = finding.direction.value
    uncertainty: dict[str, Any] = {}
    if counts is not None and interval is not None:
        tallies = json.dumps([[tally.n, tally.k, tally.clusters] for tally in counts.tallies])
        details |= {_K: str(counts.k), _N: str(counts.n), _UNIT: counts.unit, _TALLIES: tallies}
        uncertainty = {
            "num_samples": counts.n,
            "confidence_interval": {
                "lower": interval.low,
                "upper": interval.high,
                "confidence_level": interval.confidence,
                "method": interval.method.value,
            },
        }
    share = {"metric_unit": "proportion", "score_type": "continuous", "min_score": 0, "max_score": 1} if 0 <= score <= 1 else {}
    elicited = finding.elicitation
    return {
        "evaluation_result_id": digest_of({"source": finding.source.sha256, "part": finding.source.part}),
        "evaluation_name": finding.task,
        "evaluation_timestamp": finding.produced_at.isoformat(),
        "source_data": {"dataset_name": finding.task, "source_type": "other"},
        "metric_config": {
            "metric_name": finding.metric,
            "lower_is_better": finding.direction is Direction.LOWER_IS_BETTER,
            **share,
        },
        "score_details": {"score": score, "details": details, **({"uncertainty": uncertainty} if uncertainty else {})},
        "generation_config": {
            "generation_args": {
                "eval_plan": {"name": elicited.effort.value, "steps": list(elicited.steps)},
                "max_attempts": elicited.attempts,
            }
        },
    }


def _result(gathered: Gathered, result: dict[str, Any], place: str, when: datetime | None) -> None:
    config, scored = table_in(result, "metric_config"), table_in(result, "score_details")
    task = str_in(result, "evaluation_name")
    metric = next((name for key in ("metric_name", "metric_id", "metric_kind") if (name := str_in(config, key))), "score")
    try:
        score = number(scored.get("score"), "score")
        if config.get("metric_unit") == "percent":
            score /= 100
        counts, caveats = _counts(config, scored, score)
        args = table_in(table_in(result, "generation_config"), "generation_args")
        attempts = max(1, count(args.get("max_attempts") or 1, "max_attempts"))
        steps = [step for step in rows_in(table_in(args, "eval_plan"), "steps") if isinstance(step, str)]
    except Unfit as unfit:
        gathered.leave_out(unfit.refusal.reason, unfit.refusal.says, f"{place}/{task}")
        return
    gathered.steps = [step for step in steps if step not in gathered.declared.elicitation.steps]
    gathered.produced_at = _time(result.get("evaluation_timestamp")) or when
    gathered.add(
        task=task,
        metric=metric,
        part=f"{place}/{task}/{metric}",
        counts=counts,
        reported=score,
        direction=_direction(config, table_in(scored, "details"), gathered.declared.kind),
        attempts=1 if gathered.declared.elicitation.attempts == attempts else attempts,
        caveats=caveats,
    )


def _direction(config: dict[str, Any], details: dict[str, Any], kind: Kind) -> Direction | None:
    written = str_in(details, _SAFER)
    if written in {direction.value for direction in Direction}:
        return Direction(written)
    lower = config.get("lower_is_better")
    return safer(not lower, kind) if isinstance(lower, bool) else None


def _counts(config: dict[str, Any], scored: dict[str, Any], score: float) -> tuple[Counts | None, list[Caveat]]:
    """Return the counts behind a score, where they are written or follow from it, and what limits them.

    Raises:
        Unfit: What is written contradicts itself.
    """
    details = table_in(scored, "details")
    if _N in details:
        return _own(details, score), []
    samples = table_in(scored, "uncertainty").get("num_samples")
    if samples is None or not 0 <= score <= 1:
        return None, []
    n = count(samples, "num_samples")
    names = {str_in(config, key).lower().replace(" ", "_") for key in ("metric_name", "metric_id", "metric_kind")}
    k = round(score * n)
    binary = config.get("score_type") == "binary" or not names.isdisjoint(_RIGHT_OR_WRONG)
    if not n or not binary or abs(score * n - k) > _WHOLE * max(1.0, k):
        return None, []
    return Counts(k, n, "sample"), [INDEPENDENT]


def _own(details: dict[str, Any], score: float) -> Counts:
    k, n = (_digits(details.get(key)) for key in (_K, _N))
    written = str_in(details, _TALLIES) or "[]"
    tallies = tuple(_tally(row) for row in rows_in({_TALLIES: document(written.encode("utf-8", "replace"))}, _TALLIES))
    if n < 1 or not math.isclose(k / n, score, rel_tol=1e-9, abs_tol=1e-12):
        raise Unfit(Reason.CONTRADICTION, "The score is not that of its counts.")
    counts = Counts(k, n, kept(details.get(_UNIT)) or "unit", tallies)
    if tallies and (sum(t.n * t.clusters for t in tallies), sum(t.k * t.clusters for t in tallies)) != (n, k):
        raise Unfit(Reason.CONTRADICTION, "The clusters do not add up to the counts.")
    return counts


def _tally(row: object) -> Tally:
    held = rows_in({"cluster": row}, "cluster")
    if len(held) != 3:  # noqa: PLR2004 - units, those that count, clusters of the kind
        raise Unfit(Reason.UNREADABLE, "A cluster is not three whole numbers.")
    tally = Tally(count(held[0], "cluster size"), count(held[1], "cluster count"), count(held[2], "clusters"))
    if not (tally.n >= 1 and tally.k <= tally.n and tally.clusters >= 1):
        raise Unfit(Reason.CONTRADICTION, "A cluster holds more than it has, or nothing.")
    return tally


def _digits(text: object) -> int:
    if not isinstance(text, str) or not re.fullmatch(r"\d{1,10}", text, re.ASCII):
        raise Unfit(Reason.UNREADABLE, "A count among the details is not a whole number.")
    return count(int(text), "count")


def _same_subject(details: dict[str, Any], declared: Declared) -> None:
    subject = (declared.subject.model_version, declared.subject.weights, declared.subject.safeguards)
    for key, digest in zip(_SUBJECT, subject, strict=True):
        written = details.get(key)
        if written is not None and written != digest:
            raise Unfit(Reason.CONTRADICTION, "The file is about another subject than the one that was declared.")


def _evaluator(source: dict[str, Any]) -> Evaluator | None:
    name, standing = kept(source.get("source_organization_name")), str_in(source, "evaluator_relationship")
    if name is None or standing not in {relationship.value for relationship in Relationship}:
        return None
    access = str_in(table_in(source, "additional_details"), "headgate.access")
    depth = Access(access) if access in {level.value for level in Access} else Access.UNSTATED
    return Evaluator(name, Relationship(standing), depth)


def _time(value: object) -> datetime | None:
    if isinstance(value, str) and _SECONDS.fullmatch(value):
        return instant(float(value))
    read = instant(value)
    return None if read is None else read.astimezone(UTC)
