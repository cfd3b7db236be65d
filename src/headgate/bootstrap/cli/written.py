"""The command line written out for the documentation: every verb with its arguments, options and help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
import typer.main

if TYPE_CHECKING:
    from collections.abc import Iterator


def command_line_markdown(app: typer.Typer) -> str:
    """Return every command of ``app`` as Markdown."""
    lines = ["# The command line", "", "Results go to standard output, talk to standard error.", ""]
    lines += _said(typer.main.get_command(app), "headgate")
    return "\n".join(lines).rstrip() + "\n"


def _said(command: Any, path: str) -> Iterator[str]:
    verbs: dict[str, Any] = getattr(command, "commands", {})
    if not verbs or path == "headgate":
        yield f"## `{path}`"
        yield ""
        yield from _paragraphs(command.help or "")
        yield from _parameters(command)
    for name in sorted(verbs):
        yield from _said(verbs[name], f"{path} {name}")


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield " ".join(paragraph.split())
        yield ""


def _parameters(command: Any) -> Iterator[str]:
    shown = [
        parameter
        for parameter in command.params
        if not getattr(parameter, "hidden", False) and parameter.name != "help" and "completion" not in str(parameter.name)
    ]
    if not shown:
        return
    yield "| argument | what |"
    yield "|---|---|"
    for parameter in shown:
        is_option = str(parameter.opts[0]).startswith("-")
        names = ", ".join((*parameter.opts, *parameter.secondary_opts)) if is_option else str(parameter.name).upper()
        what = " ".join((getattr(parameter, "help", None) or "").split())
        yield f"| `{names}` | {what} |"
    yield ""
