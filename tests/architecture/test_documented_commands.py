"""Every command that a document tells a person to type exists, with the options that it is given."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from headgate.bootstrap.cli import whole_application

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TYPED = re.compile(r"^(?:\$ )?(headgate [^\n#|>]+)", re.MULTILINE)
QUOTED = re.compile(r"`(headgate [^`\n…]+)`")


def commands_of(text: str) -> list[str]:
    blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    prose = re.sub(r"^```\w*\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [*TYPED.findall(blocks), *QUOTED.findall(prose)]


COMMAND_LINE: Any = typer.main.get_command(whole_application())

TOLD = sorted(
    {
        (str(path.relative_to(ROOT)), command.strip().rstrip("\\").strip())
        for path in DOCUMENTS
        if "generated" not in path.parts
        for command in commands_of(path.read_text("utf-8"))
    }
)


def test_documents_tell_of_commands() -> None:
    assert len(TOLD) > 20


@pytest.mark.parametrize(("document", "told"), TOLD, ids=[command for _, command in TOLD])
def test_a_documented_command_can_be_typed(document: str, told: str) -> None:
    words = shlex.split(told)[1:]
    command = COMMAND_LINE
    if words and words[0] == "--data":
        words = words[2:]
    while words and not words[0].startswith("-") and getattr(command, "commands", None):
        assert words[0] in command.commands, f"{document}: there is no {words[0]!r} in {told!r}"
        command, words = command.commands[words[0]], words[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    if getattr(command, "ignore_unknown_options", False):
        return
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in known, f"{document}: {told!r} has no option {word}"
