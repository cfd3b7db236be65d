from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from headgate.bootstrap.cli import application, whole_application
from headgate.bootstrap.cli.root import COMMANDS

EXAMPLE = Path(__file__).parents[3] / "examples" / "starter.yaml"
READ_IN = """
import sys
from headgate.bootstrap.cli import main
sys.argv = ["headgate", *sys.argv[1:]]
try:
    main()
finally:
    print("read in:", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def quiet(level: str) -> None:
    """Leave the logs alone."""
    del level


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.bootstrap.logs.configure", quiet)  # it would be for this whole process


def said(command: Any) -> str:
    return " ".join(command.help.partition("\n\n")[0].split())


def test_what_the_root_says_of_a_command_is_what_the_command_says_of_itself() -> None:
    whole: Any = typer.main.get_command(whole_application())
    told = {name: sentence for commands in COMMANDS.values() for name, sentence in commands.items()}
    assert told == {name: said(command) for name, command in whole.commands.items()}
    offered: Any = typer.main.get_command(application())
    assert {name: said(command) for name, command in offered.commands.items()} == told


@pytest.mark.parametrize(
    "words", [["plan", "--help"], ["plan"], ["plan", "lint", "--help"], ["serve", "--help"], ["plan", "lnt"]]
)
def test_a_command_that_is_read_in_when_it_is_called_says_the_same(words: list[str]) -> None:
    runner = CliRunner()
    ours, whole = (runner.invoke(made(), words, prog_name="headgate") for made in (application, whole_application))
    assert (ours.exit_code, ours.output) == (whole.exit_code, whole.output)
    assert ours.output


def test_a_command_that_does_not_exist_is_refused_with_those_that_are_near() -> None:
    refused = CliRunner().invoke(application(), ["statu"])
    assert refused.exit_code == 2
    assert "Did you mean 'status'" in refused.output


def read_in(*words: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", READ_IN, *words], capture_output=True, text=True, check=True)
    return set(done.stderr.rpartition("read in:")[2].split())


def test_a_command_reads_in_what_it_needs() -> None:
    heavy = {"duckdb", "fastapi", "numpy", "pyarrow", "scipy", "sqlalchemy"}
    assert not heavy & read_in("--help")
    assert heavy & read_in("plan", "lint", str(EXAMPLE)) == {"numpy"}
