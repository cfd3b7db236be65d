"""Results of lm-evaluation-harness: what they give, and each trap."""

from __future__ import annotations

import io
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.evidence.importers.detect import read
from headgate.evidence.importers.interface import Imported, Reason, Refusal
from headgate.evidence.model.record import Direction, Kind
from headgate.testing.evaluations import MEASURED_AT, a_declaration, an_lm_eval_document, as_json, as_lines


def outcome(document: object, **declared: Any) -> Imported | Refusal:
    return read(io.BytesIO(as_json(document)), a_declaration(**declared))


def taken(document: object, **declared: Any) -> Imported:
    read = outcome(document, **declared)
    assert isinstance(read, Imported), read
    return read


def test_counts_follow_from_a_mean_of_zeros_and_ones() -> None:
    (finding,) = taken(an_lm_eval_document()).findings
    assert finding.counts is not None
    assert (finding.counts.k, finding.counts.n, finding.counts.unit) == (50, 200, "item")
    assert (finding.task, finding.metric, finding.source.part) == ("wmdp_cyber", "acc", "wmdp_cyber/acc,none")
    assert finding.elicitation.steps == ("5-shot",)
    assert (finding.source.tool_version, finding.source.model) == ("0.4.13", "atlas-2")
    assert finding.produced_at == MEASURED_AT


@given(st.integers(2, 5000).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1))))
def test_every_count_is_found_again(drawn: tuple[int, int]) -> None:
    n, k = drawn
    row = {"some_metric,none": k / n, "some_metric_stderr,none": math.sqrt((k / n) * (1 - k / n) / (n - 1))}
    document = an_lm_eval_document(results__wmdp_cyber=row)
    document["n-samples"] = {"wmdp_cyber": {"original": n, "effective": n}}
    (finding,) = taken(document).findings
    assert finding.counts is not None
    assert (finding.counts.k, finding.counts.n) == (k, n)


@pytest.mark.parametrize(
    ("row", "counted"),
    [
        ({"acc,none": 0.0, "acc_stderr,none": 0.0}, True),
        ({"acc,none": 1.0, "acc_stderr,none": "N/A"}, True),
        ({"exact_match,strict-match": 0.5, "exact_match_stderr,strict-match": "N/A"}, True),
        ({"f1,none": 0.0, "f1_stderr,none": 0.0}, False),
        ({"f1,none": 0.5, "f1_stderr,none": "N/A"}, False),
        ({"f1,none": 0.5, "f1_stderr,none": 0.01}, False),
        ({"f1,none": 0.5, "f1_stderr,none": 10**400}, False),
        ({"acc,none": 0.5, "acc_stderr,none": 10**400}, True),
        ({"acc,none": 0.2512, "acc_stderr,none": "N/A"}, False),
        ({"word_perplexity,none": 12.5}, False),
        ({"acc,none": -0.5}, False),
    ],
)
def test_counts_are_not_made_up(row: dict[str, Any], counted: bool) -> None:
    (finding,) = taken(an_lm_eval_document(results__wmdp_cyber={"name": "x", "alias": "x", "sample_len": 200, **row})).findings
    assert finding.unquantified is not counted
    assert ("not_countable" in {caveat.code for caveat in finding.caveats}) is not counted


def test_what_stands_beside_metrics_is_no_metric() -> None:
    row = {"name": "x", "alias": "x", "sample_len": 200, "sample_count": {"acc,none": 200}, " ": " ", "acc,none": 0.25}
    assert [finding.metric for finding in taken(an_lm_eval_document(results__wmdp_cyber=row)).findings] == ["acc"]


def test_an_old_document_has_no_counts() -> None:
    document = {
        "results": {"hendrycksTest-virology": {"acc": 0.25, "acc_stderr": 0.0344, "acc_norm": 0.31, "acc_norm_stderr": 0.03}},
        "versions": {"hendrycksTest-virology": 0},
        "config": {"model": "hf-causal", "num_fewshot": 0, "limit": None},
    }
    findings = taken(document).findings
    assert [(f.metric, f.unquantified, f.reported) for f in findings] == [("acc", True, 0.25), ("acc_norm", True, 0.31)]
    assert findings[0].elicitation.steps == ("0-shot",)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"config__limit": 100}, Reason.LIMITED),
        ({"n-samples": {"wmdp_cyber": {"original": 1000, "effective": 200}}}, Reason.LIMITED),
        ({"n-samples": {"wmdp_cyber": {"original": 100, "effective": 200}}}, Reason.CONTRADICTION),
        ({"results__wmdp_cyber__sample_len": 100}, Reason.CONTRADICTION),
        ({"n-samples": {"wmdp_cyber": {"original": 0, "effective": 0}}, "results__wmdp_cyber__sample_len": 0}, Reason.NO_RESULTS),
        ({"groups": {"wmdp_cyber": {}}}, Reason.AGGREGATE),
        ({"group_subtasks": {"wmdp_cyber": ["a", "b"]}}, Reason.AGGREGATE),
        ({"results__wmdp_cyber__acc,none": float("nan")}, Reason.NOT_FINITE),
        ({"results": {}}, Reason.NO_RESULTS),
    ],
)
def test_each_trap_is_refused_by_name(changes: dict[str, Any], reason: Reason) -> None:
    refusal = outcome(an_lm_eval_document(**changes))
    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason


def test_one_bad_task_does_not_take_the_others_along() -> None:
    document = an_lm_eval_document(results__all={"acc,none": 0.3, "alias": "all"}, group_subtasks__all=["wmdp_cyber"])
    read = taken(document)
    assert [finding.task for finding in read.findings] == ["wmdp_cyber"]
    assert [(left.reason, left.part) for left in read.left_out] == [(Reason.AGGREGATE, "all")]


def test_what_the_file_calls_better_is_safer_only_where_more_is_no_danger() -> None:
    assert taken(an_lm_eval_document()).findings[0].direction is Direction.LOWER_IS_BETTER
    benefit = taken(an_lm_eval_document(), direction=None, kind=Kind.BENEFIT)
    assert benefit.findings[0].direction is Direction.HIGHER_IS_BETTER
    for kind, document in ((Kind.CAPABILITY, an_lm_eval_document()), (Kind.BENEFIT, an_lm_eval_document(higher_is_better={}))):
        refusal = outcome(document, direction=None, kind=kind)
        assert isinstance(refusal, Refusal)
        assert refusal.reason is Reason.NO_DIRECTION


def a_samples_file(*rows: tuple[int, str, float]) -> bytes:
    fixed = {"doc": {"question": "?"}, "resps": [["x"]], "filtered_resps": ["x"], "doc_hash": "0"}
    return as_lines(
        [{"doc_id": doc, "filter": name, "exact_match": score, "metrics": ["exact_match"], **fixed} for doc, name, score in rows]
    )


def test_a_samples_file_has_one_row_for_each_filter() -> None:
    rows = [(0, "strict", 0.0), (0, "flexible", 1.0), (1, "strict", 1.0), (1, "flexible", 1.0), (1, "strict", 1.0)]
    name = "samples_gsm8k_2026-03-01T12-00-00.000001.jsonl"
    read_in = read(io.BytesIO(a_samples_file(*rows)), a_declaration(), name=name)
    assert isinstance(read_in, Imported)
    assert [(f.task, f.source.part, f.counts and (f.counts.k, f.counts.n)) for f in read_in.findings] == [
        ("gsm8k", "exact_match,strict", (1, 2)),
        ("gsm8k", "exact_match,flexible", (2, 2)),
    ]
    assert "extent_unknown" in {caveat.code for caveat in read_in.findings[0].caveats}


def test_two_values_of_one_sample_are_refused() -> None:
    refusal = read(io.BytesIO(a_samples_file((0, "none", 0.0), (0, "none", 1.0))), a_declaration())
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.DUPLICATE
