"""Every Eval Ever: read, written, and there and back."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.evidence.decide.intervals import interval_of
from headgate.evidence.errors import NotEvidence
from headgate.evidence.importers.detect import read
from headgate.evidence.importers.every_eval_ever import export
from headgate.evidence.importers.interface import Imported, Reason, Refusal
from headgate.evidence.model.record import (
    Access,
    Counts,
    Direction,
    Effort,
    Elicitation,
    Evaluator,
    Finding,
    Format,
    Kind,
    Relationship,
    Source,
    Subject,
    Tally,
    contradiction,
)
from headgate.testing.evaluations import MEASURED_AT, SECRET, a_declaration, an_every_eval_ever_document, as_json

NOW = datetime(2026, 4, 1, tzinfo=UTC)


def outcome(document: object, **declared: Any) -> Imported | Refusal:
    return read(io.BytesIO(as_json(document)), a_declaration(**declared))


def taken(document: object, **declared: Any) -> Imported:
    read_in = outcome(document, **declared)
    assert isinstance(read_in, Imported), read_in
    return read_in


def test_a_share_of_right_answers_has_counts() -> None:
    (finding,) = taken(an_every_eval_ever_document()).findings
    assert finding.counts == Counts(12, 64, "sample")
    assert (finding.task, finding.metric, finding.source.model) == ("ctf", "accuracy", "lab/atlas-2")
    assert finding.produced_at == MEASURED_AT
    assert "independence_assumed" in {caveat.code for caveat in finding.caveats}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("evaluation_results__0__score_details__score", 0.19),
        ("evaluation_results__0__score_details__uncertainty", {}),
        ("evaluation_results__0__score_details__uncertainty__num_samples", 0),
        ("evaluation_results__0__metric_config__metric_name", "F1-macro"),
        ("evaluation_results__0__score_details__score", 19),
    ],
)
def test_a_score_without_the_counts_behind_it_is_unquantified(path: str, value: object) -> None:
    (finding,) = taken(an_every_eval_ever_document(**{path: value})).findings
    assert finding.unquantified


def test_percents_are_shares() -> None:
    document = an_every_eval_ever_document(
        evaluation_results__0__metric_config={"metric_name": "Accuracy", "metric_unit": "percent", "lower_is_better": False},
        evaluation_results__0__score_details__score=18.75,
    )
    (finding,) = taken(document).findings
    assert finding.counts == Counts(12, 64, "sample")


def test_who_measured_is_in_the_file_and_what_is_declared_has_precedence() -> None:
    assert taken(an_every_eval_ever_document(), evaluator=None).findings[0].evaluator == Evaluator(
        "Outside Lab", Relationship.THIRD_PARTY
    )
    other = Evaluator("Us", Relationship.FIRST_PARTY)
    assert taken(an_every_eval_ever_document(), evaluator=other).findings[0].evaluator == other
    unclear = an_every_eval_ever_document(source_metadata__evaluator_relationship="other")
    refusal = outcome(unclear, evaluator=None)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.DECLARED
    assert taken(unclear).findings


@pytest.mark.parametrize("tallies", ["[[64,12]]", "[[64,65,1]]", "[[0,0,1]]", "[7]", "7", "["])
def test_clusters_that_are_none_are_left_out(tallies: str) -> None:
    written = {"headgate.n": "64", "headgate.k": "12", "headgate.tallies": tallies}
    refusal = outcome(an_every_eval_ever_document(evaluation_results__0__score_details__details=written))
    assert isinstance(refusal, Refusal)
    assert refusal.reason in {Reason.UNREADABLE, Reason.CONTRADICTION}


def test_times_may_be_seconds() -> None:
    document = an_every_eval_ever_document(evaluation_timestamp=str(MEASURED_AT.timestamp()))
    assert taken(document).findings[0].produced_at == MEASURED_AT


def test_what_the_file_calls_better_is_safer_only_where_more_is_no_danger() -> None:
    assert taken(an_every_eval_ever_document()).findings[0].direction is Direction.LOWER_IS_BETTER
    refusal_rate = taken(an_every_eval_ever_document(), direction=None, kind=Kind.SAFEGUARD)
    assert refusal_rate.findings[0].direction is Direction.HIGHER_IS_BETTER
    refusal = outcome(an_every_eval_ever_document(), direction=None, kind=Kind.CAPABILITY)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.NO_DIRECTION


def test_a_score_on_a_page_says_so() -> None:
    (finding,) = taken(an_every_eval_ever_document(source_metadata__source_type="documentation")).findings
    assert "from_documentation" in {caveat.code for caveat in finding.caveats}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema_version": "0.2.2"}, Reason.UNKNOWN_FORMAT),
        ({"schema_version": 3}, Reason.UNKNOWN_FORMAT),
        ({"evaluation_results": []}, Reason.NO_RESULTS),
        ({"evaluation_results__0__score_details__score": float("nan")}, Reason.NOT_FINITE),
        ({"evaluation_results__0__score_details__score": None}, Reason.UNREADABLE),
        ({"model_info__additional_details": {"headgate.model_version": "sha256:other"}}, Reason.CONTRADICTION),
        ({"evaluation_results__0__score_details__details": {"headgate.n": "64", "headgate.k": "13"}}, Reason.CONTRADICTION),
        ({"evaluation_results__0__score_details__details": {"headgate.n": "64", "headgate.k": "x"}}, Reason.UNREADABLE),
        (
            {
                "evaluation_results__0__score_details__details": {
                    "headgate.n": "64",
                    "headgate.k": "12",
                    "headgate.tallies": "[[4,1,1]]",
                }
            },
            Reason.CONTRADICTION,
        ),
    ],
)
def test_each_trap_is_refused_by_name(changes: dict[str, Any], reason: Reason) -> None:
    refusal = outcome(an_every_eval_ever_document(**changes))
    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason


names = st.text("abcdefghij_-/. 0123456789", min_size=1, max_size=30).map(lambda text: f"x{text}".strip())
tallied = st.lists(st.integers(1, 6).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, 9))), max_size=6)


@st.composite
def some_findings(draw: st.DrawFn) -> list[Finding]:
    subject = Subject("sha256:" + "a" * 64, draw(st.none() | st.just("sha256:" + "b" * 64)), None)
    evaluator = Evaluator(draw(names), draw(st.sampled_from(Relationship)), draw(st.sampled_from(Access)))
    model = draw(st.none() | names)
    elicitation = Elicitation(draw(st.sampled_from(Effort)), tuple(draw(st.lists(names, unique=True, max_size=3))))
    findings: list[Finding] = []
    for place in range(draw(st.integers(1, 4))):
        declared = a_declaration()
        drawn = sorted({(n, k): clusters for n, k, clusters in draw(tallied)}.items())
        tallies = tuple(Tally(n, k, clusters) for (n, k), clusters in drawn)
        n = sum(t.n * t.clusters for t in tallies) or draw(st.integers(1, 10**6))
        k = sum(t.k * t.clusters for t in tallies) if tallies else draw(st.integers(0, n))
        counts = Counts(k, n, draw(names), tallies) if draw(st.booleans()) else None
        produced_at = MEASURED_AT + timedelta(seconds=draw(st.integers(0, 10**6)))
        findings.append(
            Finding(
                subject=subject,
                kind=declared.kind,
                domain=declared.domain,
                suite=declared.suite,
                task=draw(names),
                metric=draw(names),
                direction=draw(st.sampled_from(Direction)),
                counts=counts,
                reported=draw(st.floats(-1e6, 1e6)) if counts is None else k / n,
                interval=None if counts is None else interval_of(counts),
                elicitation=elicitation,
                evaluator=evaluator,
                produced_at=produced_at,
                expires_at=produced_at + declared.valid_for,
                status=declared.status,
                source=Source("sha256:" + "c" * 64, Format.INSPECT_EVAL, str(place), draw(st.none() | st.just("1.2")), model),
            )
        )
    return findings


@settings(max_examples=50)
@given(some_findings())
def test_what_goes_out_comes_in_again(findings: list[Finding]) -> None:
    first = findings[0]
    assert all(contradiction(finding) is None for finding in findings)
    declared = a_declaration(
        subject=first.subject, direction=None, evaluator=None, elicitation=Elicitation(first.elicitation.effort)
    )
    returned = read(io.BytesIO(export(findings, at=NOW)), declared)
    assert isinstance(returned, Imported), returned
    assert returned.left_out == ()
    assert [replace(f, source=first.source, caveats=()) for f in returned.findings] == [
        replace(f, source=first.source, caveats=()) for f in findings
    ]
    assert [f.source.model for f in returned.findings] == [f.source.model or "unknown" for f in findings]


def test_a_document_that_goes_out_has_what_the_schema_requires() -> None:
    (finding,) = taken(an_every_eval_ever_document()).findings
    document = json.loads(export([finding], at=NOW))
    required = {"schema_version", "evaluation_id", "retrieved_timestamp", "source_metadata", "model_info", "eval_library"}
    assert required | {"evaluation_results"} <= document.keys()
    assert document["schema_version"] == "0.3.0"
    assert {"source_type", "source_organization_name", "evaluator_relationship"} <= document["source_metadata"].keys()
    assert {"name", "id"} <= document["model_info"].keys()
    assert {"deployment_type", "model_availability"} <= document["model_info"]["additional_details"].keys()
    (result,) = document["evaluation_results"]
    assert {"evaluation_name", "source_data", "metric_config", "score_details"} <= result.keys()
    assert result["metric_config"]["lower_is_better"] is True
    assert (result["metric_config"]["min_score"], result["metric_config"]["max_score"]) == (0, 1)
    assert all(isinstance(detail, str) for detail in result["score_details"]["details"].values())
    assert result["score_details"]["uncertainty"]["num_samples"] == 64
    assert SECRET not in json.dumps(document)


def test_findings_of_two_subjects_do_not_go_into_one_document() -> None:
    (finding,) = taken(an_every_eval_ever_document()).findings
    other = replace(finding, subject=Subject("sha256:" + "d" * 64, None, None))
    with pytest.raises(NotEvidence, match="one model"):
        export([finding, other], at=NOW)
    with pytest.raises(NotEvidence, match="nothing to export"):
        export([], at=NOW)
    with pytest.raises(NotEvidence, match="without a value"):
        export([replace(finding, counts=None, interval=None, reported=None)], at=NOW)
