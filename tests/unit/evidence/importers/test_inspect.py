"""Inspect logs: what they give, and each trap."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest

from headgate.evidence.importers.detect import read
from headgate.evidence.importers.interface import Imported, Reason, Refusal
from headgate.evidence.model.record import Direction, Format, IntervalMethod, Kind, Tally
from headgate.testing.evaluations import (
    DEFLATED,
    MEASURED_AT,
    STORED,
    ZSTANDARD,
    a_declaration,
    an_archive,
    an_inspect_archive,
    an_inspect_log,
    as_json,
)


def taken(content: bytes, **declared: Any) -> Imported:
    outcome = read(io.BytesIO(content), a_declaration(**declared))
    assert isinstance(outcome, Imported), outcome
    return outcome


def refused(content: bytes, **declared: Any) -> Reason:
    outcome = read(io.BytesIO(content), a_declaration(**declared))
    assert isinstance(outcome, Refusal), outcome
    return outcome.reason


def test_a_log_gives_its_counts_and_where_they_come_from() -> None:
    (finding,) = taken(as_json(an_inspect_log())).findings
    assert finding.counts is not None
    assert (finding.counts.k, finding.counts.n, finding.counts.unit, finding.counts.tallies) == (2, 4, "item", ())
    assert finding.interval is not None
    assert finding.interval.method is IntervalMethod.CLOPPER_PEARSON
    assert (finding.task, finding.metric, finding.reported) == ("ctf", "accuracy", 0.5)
    assert finding.elicitation.steps == ("system_message", "basic_agent")
    assert finding.produced_at == MEASURED_AT
    assert finding.expires_at - MEASURED_AT == a_declaration().valid_for
    assert (finding.source.format, finding.source.tool_version) == (Format.INSPECT_JSON, "0.3.210")
    assert finding.source.model == "local/atlas-2"


@pytest.mark.parametrize("method", [STORED, DEFLATED, ZSTANDARD])
def test_an_archive_gives_what_the_document_gives_however_it_is_packed(method: int) -> None:
    log = an_inspect_log([["C"]] * 300 + [["I"]] * 200)
    (document,), (archive,) = (taken(c).findings for c in (as_json(log), an_inspect_archive(log, method=method)))
    assert archive.source.format is Format.INSPECT_EVAL
    assert replace(archive, source=document.source) == document


def test_runs_of_one_sample_are_a_cluster() -> None:
    """The tool prints a standard error of 0 here: each sample has one success and one failure."""
    (finding,) = taken(as_json(an_inspect_log([["C", "I"]] * 5))).findings
    assert finding.counts is not None
    assert (finding.counts.k, finding.counts.n, finding.counts.clusters) == (5, 10, 5)
    assert finding.counts.tallies == (Tally(2, 1, 5),)
    assert finding.counts.unit == "attempt"
    assert finding.interval is not None
    assert finding.interval.method is IntervalMethod.CLUSTERED
    assert finding.interval.low < 0.3
    assert finding.interval.high > 0.7


def test_no_success_is_no_proof_of_none() -> None:
    (finding,) = taken(as_json(an_inspect_log([["I"]] * 64))).findings
    assert finding.interval is not None
    assert finding.interval.high == pytest.approx(1 - 0.025 ** (1 / 64))


def test_any_success_of_several_runs_counts_the_item_and_tells_the_tries() -> None:
    log = an_inspect_log([["C", "I", "I"], ["I", "I", "I"]], accuracy=0.5, results__scores__0__reducer="max")
    (finding,) = taken(as_json(log)).findings
    assert finding.counts is not None
    assert (finding.counts.k, finding.counts.n, finding.counts.unit) == (1, 2, "item")
    assert finding.elicitation.attempts == 3


def test_other_ways_of_reducing_runs_leave_no_counts() -> None:
    log = an_inspect_log([["C", "I"], ["I", "I"]], results__scores__0__reducer="mode")
    (finding,) = taken(as_json(log)).findings
    assert finding.unquantified
    assert finding.interval is None
    assert {"reduced", "unquantified"} <= {caveat.code for caveat in finding.caveats}


@pytest.mark.parametrize(("direction", "k"), [(Direction.LOWER_IS_BETTER, 3), (Direction.HIGHER_IS_BETTER, 2)])
def test_half_right_answers_count_against_safety(direction: Direction, k: int) -> None:
    log = an_inspect_log([["C"], ["C"], ["P"], ["I"]])
    (finding,) = taken(as_json(log), direction=direction).findings
    assert finding.counts is not None
    assert (finding.counts.k, finding.counts.n, finding.reported) == (k, 4, 0.625)
    assert "graded_against_safety" in {caveat.code for caveat in finding.caveats}


def test_yes_and_no_are_outcomes_and_other_words_are_not() -> None:
    (said,) = taken(as_json(an_inspect_log([[True], [False], ["C"], ["I"]]))).findings
    assert said.counts is not None
    assert (said.counts.k, said.counts.n) == (2, 4)
    log = an_inspect_log()
    log["samples"][0]["scores"]["includes"]["value"] = "mostly"
    (graded,) = taken(as_json(log)).findings
    assert graded.unquantified


def test_scores_on_another_scale_are_no_rate() -> None:
    (finding,) = taken(as_json(an_inspect_log([[7], [9]]))).findings
    assert finding.unquantified
    assert finding.reported == 8


def test_a_one_is_not_the_best_there_is_on_a_scale_that_nobody_knows() -> None:
    log = an_inspect_log([[1], [0], [1]])
    metrics = log["results"]["scores"][0]["metrics"]
    (share,) = taken(as_json(log), direction=Direction.HIGHER_IS_BETTER).findings
    assert share.counts is not None
    assert "numbers_as_outcomes" in {caveat.code for caveat in share.caveats}
    metrics["mean"] = metrics.pop("accuracy")
    (mean,) = taken(as_json(log), direction=Direction.HIGHER_IS_BETTER).findings
    assert mean.unquantified
    assert "scale_unknown" in {caveat.code for caveat in mean.caveats}
    (against,) = taken(as_json(log), direction=Direction.LOWER_IS_BETTER).findings
    assert against.counts is not None
    assert against.counts.k == 2


def test_samples_that_hit_a_limit_are_told_of() -> None:
    (finding,) = taken(as_json(an_inspect_log(samples__0__limit="token"))).findings
    assert "halted_samples" in {caveat.code for caveat in finding.caveats}


def test_a_log_without_samples_gives_a_value_and_no_counts() -> None:
    (finding,) = taken(as_json(an_inspect_log(samples=...))).findings
    assert finding.unquantified
    assert finding.reported == 0.5


def test_a_scorer_of_several_values_is_read_by_their_names() -> None:
    log = an_inspect_log([[1], [0]])
    for sample, value in zip(log["samples"], ({"found": 1, "kept": 0}, {"found": 1, "kept": 1}), strict=True):
        sample["scores"] = {"includes": {"value": value}}
    first = log["results"]["scores"][0]
    log["results"]["scores"] = [
        {**first, "name": "found", "metrics": {"mean": {"value": 1.0}}},
        {**first, "name": "kept", "metrics": {"mean": {"value": 0.5}, "iqr": {"value": 0.25}}},
    ]
    found, kept, other = taken(as_json(log)).findings
    assert found.counts is not None
    assert kept.counts is not None
    assert [(f.counts.k, f.counts.n) for f in (found, kept) if f.counts] == [(2, 2), (1, 2)]
    assert (other.metric, other.unquantified) == ("iqr", True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "cancelled"}, Reason.NOT_FINISHED),
        ({"status": "started"}, Reason.NOT_FINISHED),
        ({"error": {"message": "boom"}}, Reason.NOT_FINISHED),
        ({"results__early_stopping": {"manager": "x"}}, Reason.NOT_FINISHED),
        ({"invalidated": True}, Reason.INVALIDATED),
        ({"samples__0__invalidation": {"author": "x"}}, Reason.INVALIDATED),
        ({"results__completed_samples": 3}, Reason.INCOMPLETE),
        ({"results__scores__0__unscored_samples": 1}, Reason.INCOMPLETE),
        ({"results__scores__0__scored_samples": 3}, Reason.INCOMPLETE),
        ({"samples__0__error": "timeout"}, Reason.INCOMPLETE),
        ({"samples__0__scores": {}}, Reason.INCOMPLETE),
        ({"eval__dataset__samples": 100}, Reason.INCOMPLETE),
        ({"eval__config__limit": 4}, Reason.LIMITED),
        ({"eval__config__sample_id": [1, 2, 3, 4]}, Reason.LIMITED),
        ({"log_updates": [{"edits": [{"type": "score", "value": "C"}]}]}, Reason.EDITED),
        ({"log_updates": [{"edits": [{"what": []}]}]}, Reason.EDITED),
        ({"samples__0__scores__includes__history": [{"value": "C"}]}, Reason.EDITED),
        ({"samples__0__model_fallbacks": ["other/model"]}, Reason.OTHER_MODEL),
        ({"samples__0__id": 2}, Reason.DUPLICATE),
        ({"samples__0": ...}, Reason.CONTRADICTION),
        ({"accuracy": 0.75}, Reason.CONTRADICTION),
        ({"results__scores": []}, Reason.NO_RESULTS),
        ({"results": None}, Reason.NO_RESULTS),
        ({"results__scores__0__metrics__accuracy__value": float("nan")}, Reason.NOT_FINITE),
    ],
)
def test_each_trap_is_refused_by_name(changes: dict[str, Any], reason: Reason) -> None:
    log = an_inspect_log(**changes)
    assert refused(as_json(log)) is reason
    if not {"samples__0", "samples__0__id"} & changes.keys():  # an archive has one entry for each id
        assert refused(an_inspect_archive(log)) is reason


def test_tags_and_notes_may_change_after_the_run() -> None:
    log = an_inspect_log(log_updates=[{"edits": [{"type": "tags", "tags_add": ["x"]}, {"type": "metadata"}]}])
    assert taken(as_json(log)).findings


def test_a_fallback_model_is_no_objection_where_no_capability_is_claimed() -> None:
    log = an_inspect_log(samples__0__model_fallbacks=["other/model"])
    assert taken(as_json(log), kind=Kind.SAFEGUARD).findings
    assert taken(an_inspect_archive(log), kind=Kind.SAFEGUARD).findings


@pytest.mark.parametrize("padding", [0, 2**16 - 600, 2**16 - 500, 2**16 - 450, 2**17])
def test_what_summaries_leave_out_is_found_in_the_samples(padding: int) -> None:
    """Wherever it lies: within a piece of the entry, or across two."""
    log = an_inspect_log()
    sample = {"id": 1, "epoch": 1, "padding": "x" * padding, "model_fallbacks": ["other/model"]}
    archive = an_inspect_archive(log, samples__1_epoch_1=as_json(sample))
    assert refused(archive) is Reason.OTHER_MODEL
    harmless = {**sample, "model_fallbacks": None, "quoted": 'he said "model_fallbacks": ["x"]', "invalidation": None}
    assert taken(an_inspect_archive(log, samples__1_epoch_1=as_json(harmless))).findings


def test_a_log_that_is_still_being_written_is_refused() -> None:
    whole = an_inspect_archive(an_inspect_log())
    assert refused(whole[: len(whole) // 2]) is Reason.TRUNCATED
    started = an_archive({"_journal/start.json": (STORED, b"{}")})
    assert refused(started) is Reason.NOT_FINISHED


def test_summaries_and_samples_agree_in_number() -> None:
    log = an_inspect_log()
    archive = an_inspect_archive(log, samples__9_epoch_1=as_json({"id": 9}))
    assert refused(archive) is Reason.CONTRADICTION
