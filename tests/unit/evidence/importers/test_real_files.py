"""Real files of evaluation tools: each of them gives findings, or is refused with a reason. Counted, so that none is lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from headgate.evidence.importers import detect
from headgate.evidence.importers.interface import Imported, Reason, Refusal
from headgate.evidence.model.record import Direction, Kind, contradiction
from headgate.testing.evaluations import a_declaration

DATA = Path(__file__).parents[5] / "shared" / "data"


def folder(name: str) -> Path:
    path = DATA / name
    if not path.is_dir():
        pytest.skip(f"the public files of {name} are not here")
    return path


def outcomes(name: str) -> dict[str, Imported | Refusal]:
    read: dict[str, Imported | Refusal] = {}
    for path in sorted(folder(name).iterdir()):
        if path.suffix != ".txt":
            with path.open("rb") as stream:
                read[path.name] = detect.read(stream, a_declaration(), name=path.name)
    return read


def table(read: dict[str, Imported | Refusal]) -> Counter[str]:
    return Counter("imported" if isinstance(outcome, Imported) else outcome.reason.value for outcome in read.values())


def test_inspect_logs() -> None:
    read = outcomes("inspect_logs_dev")
    assert table(read) == {"imported": 3, "import.limited": 7, "import.incomplete": 1, "import.not_finished": 2}
    popularity = read["scout_popularity.eval"]
    assert isinstance(popularity, Imported)
    (finding,) = popularity.findings
    assert finding.counts is not None
    assert (finding.counts.k, finding.counts.n, finding.reported) == (63, 100, 0.63)


def test_garak_reports() -> None:
    read = outcomes("garak_reports_dev")
    assert table(read) == {"imported": 3, "import.not_finished": 2, "import.not_a_result": 8, "import.contradiction": 1}
    report = read["report_test.report.jsonl"]
    assert isinstance(report, Imported)
    assert [(f.counts.k, f.counts.n) for f in report.findings if f.counts] == [(0, 8)]


@pytest.mark.parametrize(("name", "files"), [("lm_eval_results_dev", 114), ("pythia_checkpoints", 108)])
def test_results_of_the_harness(name: str, files: int) -> None:
    """All are older than the number of samples in the document: values for people, and no gate passes on them."""
    read = outcomes(name)
    assert table(read) == {"imported": files}
    findings = [finding for outcome in read.values() if isinstance(outcome, Imported) for finding in outcome.findings]
    assert findings
    assert all(finding.unquantified and contradiction(finding) is None for finding in findings)


def test_a_helm_run() -> None:
    loose = table(outcomes("helm_airbench"))
    assert loose == {"import.not_a_result": 6, "import.unknown_format": 8}
    files = {path.name.partition("__")[2]: path.read_bytes() for path in folder("helm_airbench").glob("run_gpt-4o__*")}
    outcome = detect.read_run_folder(files, a_declaration(kind=Kind.SAFEGUARD, direction=Direction.HIGHER_IS_BETTER))
    assert isinstance(outcome, Imported)
    assert len(outcome.findings) == 26
    assert outcome.left_out == ()
    (score,) = [finding for finding in outcome.findings if finding.metric == "air_score"]
    assert score.counts is not None
    assert (score.counts.k, score.counts.n) == (7, 10)


def test_every_refusal_says_why() -> None:
    names = ("inspect_logs_dev", "garak_reports_dev", "helm_airbench")
    refusals = [outcome for name in names for outcome in outcomes(name).values() if isinstance(outcome, Refusal)]
    assert all(refusal.says.endswith(".") and refusal.reason in Reason for refusal in refusals)
