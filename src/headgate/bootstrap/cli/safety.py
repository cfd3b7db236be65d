"""``review``, ``incident``, ``sampling``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.safety.cli import Session
from headgate.safety.cli import commands as safety_commands

if TYPE_CHECKING:
    import typer

    from headgate.bootstrap.terminal import Terminal


def commands(terminal: Terminal) -> typer.Typer:
    """Return the commands of safety."""
    return safety_commands(lambda: Session(terminal.house().desk, terminal.actor()))
