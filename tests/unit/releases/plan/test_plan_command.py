from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from headgate.releases.cli.plan import plan_commands

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


def run(*words: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(plan_commands(), [str(word) for word in words], input=stdin)


@pytest.fixture
def good(tmp_path: Path, clean: str) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(clean, "utf-8")
    return path


@pytest.fixture
def bad(tmp_path: Path, clean: str) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text(clean.replace("admission: open", "admision: open"), "utf-8")
    return path


def test_a_clean_plan_prints_nothing_and_ends_with_zero(good: Path) -> None:
    result = run("lint", good)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "no findings" in result.stderr


def test_a_bad_plan_shows_the_line_a_caret_and_the_fix(bad: Path) -> None:
    result = run("lint", bad)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == "error[plan.unknown_key]: `admision` is not a key of `who`"
    assert lines[1].endswith("bad.yaml:29:40")
    assert lines[3] == "29 |     who: {cohort: general, seats: 150, admision: open}"
    assert lines[4].index("^") == lines[3].index("admision")
    assert lines[4].count("^") == len("admision")
    assert lines[5] == "   = fix: did you mean `admission`?"
    assert "\x1b" not in result.stdout


def test_a_warning_alone_ends_with_zero(tmp_path: Path, clean: str) -> None:
    path = tmp_path / "warned.yaml"
    path.write_text(clean.replace("seats: 150", "seats: 250"), "utf-8")
    result = run("lint", path)
    assert result.exit_code == 0
    assert "1 warning" in result.stderr


def test_a_file_that_is_not_there_ends_with_two_and_the_others_are_still_linted(bad: Path, tmp_path: Path) -> None:
    result = run("lint", tmp_path / "nothing.yaml", bad, tmp_path)
    assert result.exit_code == 2
    assert "No such file" in result.stderr
    assert "Is a directory" in result.stderr
    assert "plan.unknown_key" in result.stdout


def test_machines_get_json(good: Path, bad: Path) -> None:
    result = run("lint", "--json", good, bad)
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)["files"]
    assert first["ok"] is True
    assert first["plan_digest"].startswith("sha256:")
    assert second["ok"] is False
    assert second["findings"][0] == {
        "code": "plan.unknown_key",
        "severity": "error",
        "path": "stages[1].who.admision",
        "line": 29,
        "column": 40,
        "message": "`admision` is not a key of `who`",
        "fix": "did you mean `admission`?",
    }


def test_standard_input_is_a_file_too(clean: str) -> None:
    assert run("lint", "-", stdin=clean.encode()).exit_code == 0


def test_a_hostile_text_cannot_colour_the_screen(tmp_path: Path) -> None:
    path = tmp_path / "hostile.yaml"
    path.write_bytes(b"kind: \x1b[31mRed\n" + "name: \u202ename\n".encode() + b"x: " + b"y" * 500 + b"\xff\n")
    result = run("lint", path)
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout


def test_a_long_line_is_cut_around_the_place(tmp_path: Path, clean: str) -> None:
    path = tmp_path / "long.yaml"
    words = ", ".join(f"s{at}" for at in range(200))
    path.write_text(clean.replace("[streaming]", f"[{words}, streaming]", 1), "utf-8")
    result = run("lint", path)
    for shown, caret in zip(result.stdout.splitlines()[3::7], result.stdout.splitlines()[4::7], strict=True):
        assert len(shown) < 130
        assert shown[caret.index("^")] == "s"


def test_two_plans_are_compared_stage_by_stage(good: Path, tmp_path: Path, clean: str) -> None:
    new = tmp_path / "new.yaml"
    new.write_text(clean.replace("seats: 150", "seats: 250").replace("alpha: 0.02", "alpha: 0.01"), "utf-8")
    result = run("diff", good, new)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "stage staff",
        "  - narrowing  `rate.harm`: the chance of passing falsely: 0.01 instead of 0.02",
        "stage general",
        "  + widening   seats: 250 instead of 150",
        "  - narrowing  `rate.harm`: the chance of passing falsely: 0.01 instead of 0.02",
        "",
        "1 widening, 2 narrowing, 0 neutral",
    ]
    changes = json.loads(run("diff", "--json", good, new).stdout)["changes"]
    assert [change["effect"] for change in changes] == ["narrowing", "widening", "narrowing"]


def test_equal_plans_say_the_same(good: Path) -> None:
    assert run("diff", good, good).stdout.strip() == "The two plans say the same."


def test_a_comparison_with_something_that_is_no_plan_ends_with_an_error(good: Path, bad: Path, tmp_path: Path) -> None:
    result = run("diff", good, bad)
    assert result.exit_code == 1
    assert "plan.unknown_key" in result.stderr
    assert run("diff", good, tmp_path / "nothing.yaml").exit_code == 2


def test_the_schema_is_printed(good: Path) -> None:
    schema = json.loads(run("schema").stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "zebra" not in schema["properties"]
