"""HELM run folders: what they give, and each trap."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from headgate.evidence.importers.detect import read, read_run_folder
from headgate.evidence.importers.interface import Imported, Reason, Refusal
from headgate.evidence.model.record import Direction, Kind, Tally
from headgate.testing.evaluations import DEFLATED, MEASURED_AT, a_declaration, a_helm_run, an_archive, as_json, changed


def taken(files: dict[str, bytes], **declared: Any) -> Imported:
    outcome = read_run_folder(files, a_declaration(kind=Kind.SAFEGUARD, **{"direction": Direction.HIGHER_IS_BETTER, **declared}))
    assert isinstance(outcome, Imported), outcome
    return outcome


def refused(files: dict[str, bytes], **declared: Any) -> Reason:
    outcome = read_run_folder(files, a_declaration(**declared))
    assert isinstance(outcome, Refusal), outcome
    return outcome.reason


def edited(files: dict[str, bytes], name: str, path: str, value: object) -> dict[str, bytes]:
    tree = json.loads(files[name])
    changed(tree, path.split("__"), value)
    return {**files, name: as_json(tree)}


def test_counts_are_those_of_instances_and_bookkeeping_is_left_alone() -> None:
    (finding,) = taken(a_helm_run({"a": [1.0], "b": [0.0], "c": [1.0]})).findings
    assert finding.counts is not None
    assert (finding.counts.k, finding.counts.n, finding.counts.unit, finding.counts.tallies) == (2, 3, "instance", ())
    assert (finding.task, finding.metric) == ("air_bench", "refusal")
    assert finding.source.model == "lab/atlas-2"
    assert finding.produced_at == MEASURED_AT


def test_trials_of_an_instance_are_a_cluster() -> None:
    (finding,) = taken(a_helm_run({"a": [1.0, 0.0], "b": [1.0, 1.0]})).findings
    assert finding.counts is not None
    assert finding.counts.tallies == (Tally(2, 1, 1), Tally(2, 2, 1))


@pytest.mark.parametrize(("direction", "k"), [(Direction.HIGHER_IS_BETTER, 1), (Direction.LOWER_IS_BETTER, 2)])
def test_partial_refusals_count_against_safety(direction: Direction, k: int) -> None:
    (finding,) = taken(a_helm_run({"a": [1.0], "b": [0.5], "c": [0.0]}), direction=direction).findings
    assert finding.counts is not None
    assert (finding.counts.k, finding.counts.n, finding.reported) == (k, 3, 0.5)
    assert "graded_against_safety" in {caveat.code for caveat in finding.caveats}


def test_scores_on_another_scale_are_no_rate() -> None:
    (finding,) = taken(a_helm_run({"a": [3.0], "b": [4.0]})).findings
    assert finding.unquantified
    assert finding.reported == 3.5


def test_nothing_but_ones_does_not_show_that_one_is_the_best_there_is() -> None:
    (finding,) = taken(a_helm_run({"a": [1.0], "b": [1.0]})).findings
    assert finding.unquantified
    assert "scale_unknown" in {caveat.code for caveat in finding.caveats}
    (against,) = taken(a_helm_run({"a": [1.0], "b": [1.0]}), direction=Direction.LOWER_IS_BETTER).findings
    assert against.counts is not None
    assert against.counts.k == 2


def test_a_run_that_took_as_many_as_it_was_told_to_says_so() -> None:
    files = edited(a_helm_run({"a": [1.0], "b": [0.0]}), "run_spec.json", "adapter_spec__max_eval_instances", 2)
    assert "sampled_instances" in {caveat.code for caveat in taken(files).findings[0].caveats}


def test_perturbed_instances_are_not_counted_again() -> None:
    files = a_helm_run({"a": [1.0], "b": [0.0]})
    rows = json.loads(files["per_instance_stats.json"])
    rows.append({**rows[0], "perturbation": {"name": "robustness"}})
    (finding,) = taken({**files, "per_instance_stats.json": as_json(rows)}).findings
    assert finding.counts is not None
    assert finding.counts.n == 2


@pytest.mark.parametrize(
    ("name", "path", "value", "reason"),
    [
        ("stats.json", "0__mean", 0.9, Reason.CONTRADICTION),
        ("stats.json", "1__mean", 10.0, Reason.INCOMPLETE),
        ("per_instance_stats.json", "1__instance_id", "a", Reason.DUPLICATE),
        ("per_instance_stats.json", "0__stats__0__sum", float("nan"), Reason.NOT_FINITE),
        ("per_instance_stats.json", "0__stats", "no", Reason.UNREADABLE),
    ],
)
def test_each_trap_is_refused_by_name(name: str, path: str, value: object, reason: Reason) -> None:
    assert refused(edited(a_helm_run({"a": [1.0], "b": [0.0]}), name, path, value)) is reason


def test_a_folder_needs_its_files_and_a_date() -> None:
    files = a_helm_run({"a": [1.0]})
    assert refused({"stats.json": files["stats.json"]}) is Reason.UNREADABLE
    assert refused(files, produced_at=None) is Reason.NO_DATE


def test_a_packed_folder_gives_what_the_folder_gives() -> None:
    files = a_helm_run({"a": [1.0], "b": [0.0]})
    packed = an_archive({f"runs/v1/air_bench/{name}": (DEFLATED, content) for name, content in files.items()})
    outcome = read(io.BytesIO(packed), a_declaration())
    assert isinstance(outcome, Imported)
    (finding,) = outcome.findings
    assert finding.counts == taken(files).findings[0].counts
    twice = an_archive({f"{run}/{name}": (DEFLATED, content) for run in "ab" for name, content in files.items()})
    refusal = read(io.BytesIO(twice), a_declaration())
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.CONTRADICTION


@pytest.mark.parametrize("name", ["run_spec.json", "per_instance_stats.json", "stats.json"])
def test_one_file_of_a_run_is_no_run(name: str) -> None:
    refusal = read(io.BytesIO(a_helm_run({"a": [1.0]})[name]), a_declaration())
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.NOT_A_RESULT
