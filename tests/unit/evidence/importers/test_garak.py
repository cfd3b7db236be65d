"""garak reports: what they give, and each trap."""

from __future__ import annotations

import io
from typing import Any

import pytest

from headgate.evidence.importers.detect import read
from headgate.evidence.importers.interface import Imported, Reason, Refusal
from headgate.evidence.model.record import Direction, Tally
from headgate.testing.evaluations import MEASURED_AT, a_declaration, a_garak_report, as_json, as_lines


def taken(rows: list[dict[str, Any]], **declared: Any) -> Imported:
    outcome = read(io.BytesIO(as_lines(rows)), a_declaration(**declared))
    assert isinstance(outcome, Imported), outcome
    return outcome


def refused(rows: list[dict[str, Any]]) -> Reason:
    outcome = read(io.BytesIO(as_lines(rows)), a_declaration())
    assert isinstance(outcome, Refusal), outcome
    return outcome.reason


def without(rows: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["entry_type"] != kind]


def evals_changed(rows: list[dict[str, Any]], **changes: Any) -> list[dict[str, Any]]:
    return [{**row, **changes} if row["entry_type"] == "eval" else row for row in rows]


def test_a_report_gives_successful_attacks_by_prompt() -> None:
    (finding,) = taken(a_garak_report(), direction=None).findings
    assert finding.counts is not None
    assert (finding.counts.k, finding.counts.n, finding.counts.unit) == (3, 6, "output")
    assert finding.counts.tallies == (Tally(2, 0, 1), Tally(2, 1, 1), Tally(2, 2, 1))
    assert (finding.task, finding.metric) == ("dan.Dan_11_0/dan.DAN", "attack_success")
    assert finding.direction is Direction.LOWER_IS_BETTER
    assert (finding.source.tool_version, finding.source.model) == ("0.14.0", "atlas-2")
    assert finding.produced_at == MEASURED_AT
    assert "time_without_offset" in {caveat.code for caveat in finding.caveats}


def test_the_same_prompt_in_two_attempts_is_one_cluster() -> None:
    rows = a_garak_report([[1.0], [0.0]])
    for row in rows:
        if row["entry_type"] == "attempt":
            row["prompt"] = {"turns": ["the same"]}
    (finding,) = taken(rows).findings
    assert finding.counts is not None
    assert finding.counts.tallies == (Tally(2, 1, 1),)
    assert finding.interval is not None
    assert (finding.interval.low, finding.interval.high) == (0, 1)


def test_zero_hits_have_an_interval_of_our_own() -> None:
    (finding,) = taken(a_garak_report([[0.0]] * 50)).findings
    assert finding.interval is not None
    assert finding.interval.high == pytest.approx(1 - 0.025 ** (1 / 50))


def test_detectors_of_one_probe_are_never_added_up() -> None:
    findings = taken(a_garak_report(detectors=["a.A", "b.B", "c.C"])).findings
    assert [finding.counts and finding.counts.n for finding in findings] == [6, 6, 6]
    assert all("detectors_not_independent" in {caveat.code for caveat in finding.caveats} for finding in findings)


def test_outputs_that_could_not_be_judged_count_as_successes() -> None:
    (finding,) = taken(a_garak_report([[0.0, None], [0.0, 0.0]])).findings
    assert finding.counts is not None
    assert (finding.counts.k, finding.counts.n) == (1, 4)
    assert "unjudged_against_safety" in {caveat.code for caveat in finding.caveats}


def test_an_older_report_says_total_and_no_fails() -> None:
    rows = evals_changed(a_garak_report([[1.0], [0.0], [0.0]]))
    for row in rows:
        if row["entry_type"] == "eval":
            row["total"] = row.pop("total_evaluated")
            del row["fails"], row["nones"], row["total_processed"]
    (finding,) = taken(rows).findings
    assert finding.counts is not None
    assert (finding.counts.k, finding.counts.n) == (1, 3)


def test_without_attempts_counts_need_one_output_for_each_prompt() -> None:
    (single,) = taken(without(a_garak_report([[1.0], [0.0]]), "attempt")).findings
    assert single.counts is not None
    assert (single.counts.k, single.counts.n, single.counts.tallies) == (1, 2, ())
    (several,) = taken(without(a_garak_report(), "attempt")).findings
    assert several.unquantified
    assert several.reported == 0.5
    assert "clusters_unknown" in {caveat.code for caveat in several.caveats}


def test_the_report_s_own_threshold_decides_what_a_hit_is() -> None:
    rows = a_garak_report([[0.6], [0.9]])
    rows[0]["run.eval_threshold"] = 0.8
    (finding,) = taken(evals_changed(rows, passed=1, fails=1)).findings
    assert finding.counts is not None
    assert finding.counts.k == 1


def test_each_trap_is_refused_by_name() -> None:
    rows = a_garak_report()
    assert refused(without(rows, "completion")) is Reason.NOT_FINISHED
    assert refused([*rows, rows[1]]) is Reason.CONTRADICTION
    assert refused([*rows, rows[-2]]) is Reason.DUPLICATE
    assert refused(evals_changed(rows, fails=0)) is Reason.CONTRADICTION
    assert refused(evals_changed(rows, total_processed=99)) is Reason.CONTRADICTION
    assert refused(evals_changed(rows, passed=47, total_evaluated=50, total_processed=50)) is Reason.CONTRADICTION
    assert refused(without(rows, "eval")) is Reason.NO_RESULTS
    judged = [row for row in rows if row.get("status") == 2]
    assert refused([*rows, judged[0]]) is Reason.DUPLICATE
    waiting = {"entry_type": "attempt", "uuid": "late", "status": 1, "probe_classname": "dan.Dan_11_0"}
    assert refused([*rows, waiting]) is Reason.INCOMPLETE


def test_a_digest_and_avid_records_are_no_report() -> None:
    digest = {"entry_type": "digest", "meta": {}, "eval": {"dan": {}}}
    for content in (as_json(digest), as_lines([digest]), b"{\n" + as_json(digest)[1:]):
        refusal = read(io.BytesIO(content), a_declaration())
        assert isinstance(refusal, Refusal)
        assert refusal.reason is Reason.NOT_A_RESULT
    avid = {"data_type": "AVID", "problemtype": {}, "metrics": []}
    refusal = read(io.BytesIO(as_lines([avid, avid])), a_declaration())
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.NOT_A_RESULT
