"""``headgate evidence`` as it is typed, and ``headgate release explain --what-if-without``."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from typer.testing import CliRunner

from headgate.bootstrap.cli import application
from headgate.evidence.cli import commands
from headgate.evidence.errors import EvidenceDuplicate
from headgate.evidence.importers.interface import Unfit
from headgate.kernel.errors import Forbidden
from headgate.releases.cli import release_commands
from headgate.testing.releases import AUDITOR, LEAD, MANAGER, SECURITY

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from typer.testing import Result

    from headgate.evidence.cli import Session
    from headgate.kernel.actor import Actor
    from headgate.testing.filing import FilingHouse

COUNTS = "task,metric,unit,cluster,k,n\nintrusion,accuracy,item,,{k},{n}\n"
RESULT = (
    "--kind",
    "capability",
    "--suite",
    "dual_use",
    "--expires",
    "90d",
    "--direction",
    "lower",
    "--produced-at",
    "2026-02-20",
)
STAGE: dict[str, Any] = {
    "name": "staff",
    "who": {"cohort": "staff", "seats": 4},
    "what": {"surfaces": ["api.chat"]},
    "asks": ["?"],
}
GATE = {"kind": "evaluation", "suite": "dual_use", "scenario": "api"}
APPROVAL = {"kind": "approval", "roles": ["safety_lead", "release_manager"]}
BY = ("--evaluator", "an institute", "--relationship", "third_party", "--access", "AL2", "--effort", "scaffolded")


def run(house: FilingHouse, *words: str, by: Actor = LEAD, answer: str = "") -> Result:
    session = cast("Session", SimpleNamespace(filing=house.filing, clock=house.clock, by=by))  # what these verbs need of one
    app = commands(lambda: session)
    return CliRunner().invoke(app, list(words), input=answer, env={"COLUMNS": "160", "NO_COLOR": "1"})


def add(house: FilingHouse, path: Path, k: int = 3, *words: str, by: Actor = LEAD) -> str:
    file = path / f"{k}.csv"
    file.write_text(COUNTS.format(k=k, n=120))
    result = run(house, "add", str(file), "--release", "atlas-2", *RESULT, *BY, *words, "--json", by=by)
    assert result.exit_code == 0, result.output
    return str(json.loads(result.stdout)["filed"][0]["id"])


def test_a_file_is_handed_in_listed_and_shown(house: FilingHouse, tmp_path: Path) -> None:
    house.apply()
    name = add(house, tmp_path, 3, "--step", "agent with tools", "--note", "two weeks")
    assert name in run(house, "list").stdout
    assert run(house, "list", "--release", "atlas-2", "--suite", "other").stdout == ""
    shown = run(house, "show", name).stdout
    for words in (
        f"{name}  final        capability  dual_use  accuracy 3/120  until 2026-05-21",
        "counts       3 of 120 (item, 120 clusters); lower is safer; 95% interval 0.005186 to 0.07132 (clopper_pearson)",
        "reported     0.025 by the source; nothing is concluded from it",
        "elicitation  scaffolded, agent with tools; tries an item: 1 two weeks",
        "evaluator    an institute (third_party, access AL2)",
        "goalposts    api 0.3, open_weights 0.2, theft 0.25, margin 0.1, when it was filed",
        "filed        2026-03-01 12:00 UTC by stf_lin",
    ):
        assert words in shown
    document = json.loads(run(house, "show", name, "--json").stdout)
    assert (document["standing"], document["record"]["finding"]["counts"]["k"]) == ("final", 3)


def test_the_terminal_says_when_goalposts_are_missing(house: FilingHouse, tmp_path: Path) -> None:
    house.apply(evaluations={}, stages=[STAGE])
    file = tmp_path / "counts.csv"
    file.write_text(COUNTS.format(k=0, n=50))
    result = run(house, "add", str(file), "--release", "atlas-2", *RESULT, *BY)
    assert "The plan says nothing of dual_use yet" in result.stderr
    assert "Next: headgate evidence show ev_" in result.stderr


def test_what_cannot_count_is_refused_with_the_reason(house: FilingHouse, tmp_path: Path) -> None:
    house.apply()
    add(house, tmp_path)
    (tmp_path / "again.csv").write_text(COUNTS.format(k=3, n=120))
    words = ("add", str(tmp_path / "again.csv"), "--release", "atlas-2", *RESULT, *BY)
    assert isinstance(run(house, *words).exception, EvidenceDuplicate)
    (tmp_path / "odd.bin").write_bytes(b"\x00\x01")
    odd = run(house, "add", str(tmp_path / "odd.bin"), "--release", "atlas-2", *RESULT, *BY)
    assert isinstance(odd.exception, Unfit)
    assert odd.exception.rule == "import.unknown_format"
    nowhere = tmp_path / "folder"
    nowhere.mkdir()
    assert isinstance(run(house, "add", str(nowhere), "--release", "atlas-2", *RESULT, *BY).exception, Unfit)
    assert run(house, "add", str(tmp_path / "absent"), "--release", "atlas-2", *RESULT, *BY).exit_code == 2
    late = [*words[:2], "--release", "atlas-2", *RESULT, "--expires", "soon"]
    assert run(house, *late).exit_code == 2
    assert run(house, *words, "--produced-at", "yesterday").exit_code == 2


def test_an_audit_report_is_filed_with_what_it_concludes(house: FilingHouse, tmp_path: Path) -> None:
    house.apply()
    report = tmp_path / "report.pdf"
    report.write_bytes(b"%PDF-1.7")
    words = ("--release", "atlas-2", "--kind", "audit", "--suite", "deployment", "--expires", "365d", *BY)
    result = run(house, "add", str(report), *words, "--title", "Safe\x1b[2J guards", "--opinion", "qualified", by=AUDITOR)
    assert result.exit_code == 1  # a title that could clear a screen
    result = run(house, "add", str(report), *words, "--title", "Safeguards", "--opinion", "qualified", by=AUDITOR)
    assert "audit  deployment  qualified: Safeguards" in result.stdout
    assert "unquantified" not in run(house, "list", "--kind", "audit").stdout


def test_a_record_is_judged_by_a_second_person(house: FilingHouse, tmp_path: Path) -> None:
    house.apply()
    old, new = add(house, tmp_path, 80), add(house, tmp_path, 3, "--produced-at", "2026-02-25", "--preliminary")
    assert "preliminary" in run(house, "list").stdout
    assert run(house, "finalise", new, "--because", "confirmed", by=LEAD).exit_code == 0
    asked = run(house, "supersede", old, "--by", new, "--because", "a broken grader", by=SECURITY, answer="n\n")
    assert asked.exit_code == 1
    assert "no longer counts" in asked.stderr
    done = run(house, "supersede", old, "--by", new, "--because", "a broken grader", "--yes", "--json", by=SECURITY)
    assert json.loads(done.stdout)["standing"] == "superseded"
    assert old not in run(house, "list").stdout
    assert "a broken grader" in run(house, "show", old).stdout
    assert old in run(house, "list", "--all").stdout
    assert isinstance(run(house, "finalise", new, "--because", "x", by=MANAGER).exception, Forbidden)


def test_a_record_is_carried_over_by_two_people(house: FilingHouse, tmp_path: Path) -> None:
    first = house.apply()
    name = add(house, tmp_path)
    second = {"model": {**first.plan.model.canonical(), "version": {"mitigations": ["screen@2"]}}, "name": "atlas-2b"}
    house.releases.withdraw(first.id, reason="another version", by=MANAGER)
    release = house.apply(**second)
    words = ("carry", name, "--release", release.id, "--because", "only the screen differs", "--yes")
    assert "Next, somebody else: headgate evidence carry" in run(house, *words).stderr
    assert run(house, *words, by=SECURITY).exit_code == 0
    assert "agreed by stf_sam" in run(house, "show", name).stdout
    assert house.says(release)["evaluation.dual_use.api"] == "PASS"


def test_a_finding_is_answered(house: FilingHouse, tmp_path: Path) -> None:
    release = house.apply()
    file = tmp_path / "attacks.csv"
    file.write_text("task,metric,unit,cluster,k,n\njailbreaks,attack_success,prompt,,4,200\nleaks,attack_success,prompt,,1,200\n")
    words = ("--release", "atlas-2", "--kind", "redteam", "--suite", "jailbreaks", "--expires", "90d", "--direction", "lower")
    result = run(house, "add", str(file), *words, "--produced-at", "2026-02-20", *BY, "--json")
    name, other = (filed["id"] for filed in json.loads(result.stdout)["filed"])
    assert house.says(release)["issues"] == "INSUFFICIENT"
    done = run(house, "dispose", name, other, "--as", "fixed", "--because", "screen 4", by=SECURITY)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [name, other]
    assert "disposed     fixed by stf_sam: screen 4" in run(house, "show", name).stdout
    assert house.says(release)["issues"] == "PASS"


def test_results_are_handed_on_in_a_format_that_others_read(house: FilingHouse, tmp_path: Path) -> None:
    house.apply()
    add(house, tmp_path)
    report = tmp_path / "report.pdf"
    report.write_bytes(b"%PDF-1.7")
    words = ("--release", "atlas-2", "--kind", "redteam", "--suite", "jailbreaks", "--expires", "90d", *BY)
    run(house, "add", str(report), *words, "--title", "A prompt that always works")
    exported = run(house, "export", "--release", "atlas-2")
    (line,) = exported.stdout.splitlines()
    document = json.loads(line)
    assert document["schema_version"].startswith("0.3")
    assert "holds no number" in exported.stderr


def explain(house: FilingHouse, *words: str) -> Result:
    app = release_commands(lambda: house.releases, lambda: LEAD)
    return CliRunner().invoke(app, ["release", "explain", *words], env={"COLUMNS": "160", "NO_COLOR": "1"})


def test_a_release_is_looked_at_without_a_piece_of_evidence(house: FilingHouse, tmp_path: Path) -> None:
    house.apply()
    name = add(house, tmp_path)
    said = explain(house, "--model", "atlas-2", "--what-if-without", name)
    assert said.exit_code == 0, said.output
    assert f"without {name}: the stage says INSUFFICIENT" in said.stdout
    assert "FLIPS  evaluation.dual_use.api: PASS → INSUFFICIENT" in said.stdout
    every = explain(house, "--model", "atlas-2", "--what-if-without", "each", "--json").stdout.splitlines()
    assert [json.loads(line)["without"] for line in every] == [name, "evaluation.dual_use.api", "issues", "audit.deployment"]
    assert explain(house, "--what-if-without", name).exit_code == 2


def test_a_decision_is_looked_at_without_a_piece_of_evidence(house: FilingHouse, tmp_path: Path) -> None:
    release = house.apply(stages=[STAGE | {"leave": [GATE, APPROVAL]}, STAGE | {"name": "more"}])
    name = add(house, tmp_path)
    house.sign(release)
    decision = house.releases.promote(release.id, by=MANAGER)
    said = explain(house, decision.id, "--what-if-without", name)
    assert f"{decision.id}: it would be refused" in said.stdout
    assert json.loads(explain(house, decision.id, "--what-if-without", name, "--json").stdout)["decision"] == decision.id
    assert explain(house, decision.id).exit_code == 0


def quiet(level: str) -> None:
    """Leave the logs alone."""
    del level


def test_the_whole_command_knows_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_DATA", str(tmp_path / "home"))
    monkeypatch.setattr("headgate.bootstrap.logs.configure", quiet)  # it would be for this whole process
    runner = CliRunner()
    assert runner.invoke(application(), ["init"]).exit_code == 0
    listed = runner.invoke(application(), ["evidence", "list", "--json"])
    assert (listed.exit_code, listed.stdout) == (0, "")
    file = tmp_path / "counts.csv"
    file.write_text(COUNTS.format(k=0, n=50))
    refused = runner.invoke(application(), ["evidence", "add", str(file), "--release", "atlas-2", *RESULT, *BY])
    assert refused.exit_code == 1
    assert "release" in str(refused.exception)
