"""Plans on the command line: lint one, compare two, print the schema.

These verbs need no running Headgate: they read files and say what they see.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.console import Console

from headgate.releases.cli.rendering import change_json, finding_json, render_changes, render_findings, tally
from headgate.releases.decide.diff import diff
from headgate.releases.errors import PlanUnreadable
from headgate.releases.wire.canonical import plan_digest
from headgate.releases.wire.checking import check_plan
from headgate.releases.wire.document import MOST_BYTES
from headgate.releases.wire.schema import plan_schema

if TYPE_CHECKING:
    from headgate.kernel.digest import Json
    from headgate.releases.model.plan import Plan
    from headgate.releases.wire.reading import ReadPlan

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PlanFile: TypeAlias = Annotated[Path, typer.Argument(help="A plan; - reads standard input.", show_default=False)]

ERRORS = 1
UNREADABLE = 2


def plan_commands() -> typer.Typer:
    """Return the verbs of ``headgate plan`` that need no service; whoever has one adds ``apply``."""
    app = typer.Typer(help="Read, compare and apply release plans.", no_args_is_help=True)
    app.command("lint")(lint_files)
    app.command("diff")(diff_files)
    app.command("schema")(print_schema)
    return app


def lint_files(
    files: Annotated[list[Path], typer.Argument(help="Plans; - reads standard input.", show_default=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """Say everything that can be said of a plan before anything runs.

    Exit code 0: nothing forbids carrying the plans out. Exit code 1: at least one error. Exit code 2: a file cannot be read.
    """
    code = 0
    report: list[Json] = []
    for file in files:
        try:
            source = plan_source(file)
        except PlanUnreadable as unreadable:
            code = UNREADABLE
            report.append({"file": str(file), "unreadable": unreadable.message})
            _talk().print(unreadable.message, markup=False, soft_wrap=True)
            continue
        read = check_plan(source, str(file))
        code = max(code, 0 if read.ok else ERRORS)
        report.append(_linted(read))
        if not as_json:
            show(read, source)
    if as_json:
        print_json({"files": report})
    if code:
        raise typer.Exit(code)


def diff_files(old: PlanFile, new: PlanFile, *, as_json: AsJson = False) -> None:
    """Say what a new plan opens and what it shuts, compared with an old one.

    Exit code 0: both were read and compared. Exit code 1: one of them has errors. Exit code 2: a file cannot be read.
    """
    changes = diff(require_plan(old, must_pass_lint=False), require_plan(new, must_pass_lint=False))
    if as_json:
        print_json({"old": str(old), "new": str(new), "changes": [change_json(change) for change in changes]})
        return
    console = _out()
    for line in render_changes(changes):
        console.print(line, soft_wrap=True)


def print_schema() -> None:
    """Print the plan's JSON Schema (draft 2020-12), for editors."""
    print_json(plan_schema())


def plan_source(file: Path) -> bytes:
    """Return a file's bytes, at most one more than a plan may have.

    Raises:
        PlanUnreadable: There is no such file, or it may not be read.
    """
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(MOST_BYTES + 1)
        with file.open("rb") as stream:
            return stream.read(MOST_BYTES + 1)
    except OSError as problem:
        reason = problem.strerror or "it cannot be read"
        raise PlanUnreadable(f"{file}: {reason}.", help="Name a plan file, such as examples/starter.yaml.") from problem


def require_plan(file: Path, *, must_pass_lint: bool = True) -> Plan:
    """Return the plan in a file, or say what is the matter and end the command.

    Raises:
        typer.Exit: With code 2 when the file cannot be read, 1 when it holds no plan, or one that lint forbids.
    """
    try:
        source = plan_source(file)
    except PlanUnreadable as unreadable:
        _talk().print(unreadable.message, markup=False, soft_wrap=True)
        raise typer.Exit(UNREADABLE) from unreadable
    read = check_plan(source, str(file))
    if read.plan is None or (must_pass_lint and not read.ok):
        show(read, source, console=_talk())
        raise typer.Exit(ERRORS)
    return read.plan


def show(read: ReadPlan, source: bytes, *, console: Console | None = None) -> None:
    """Print the findings on one plan, then count them on standard error."""
    console = console or _out()
    for line in render_findings(read.findings, source):
        console.print(line, soft_wrap=True)
    _talk().print(tally(read.findings), soft_wrap=True)


def _linted(read: ReadPlan) -> Json:
    digests: dict[str, Json] = {}
    if read.plan is not None:
        digests = {"plan_digest": plan_digest(read.plan), "version_digest": read.plan.version_digest}
    return {"file": read.name, "ok": read.ok, **digests, "findings": [finding_json(item) for item in read.findings]}


def print_json(value: Json) -> None:
    """Print JSON, indented."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _out() -> Console:
    return Console(highlight=False)


def _talk() -> Console:
    return Console(stderr=True, highlight=False)
