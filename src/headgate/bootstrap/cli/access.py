"""``account``, ``organisation``, ``cohort``, ``grant``, ``key``, ``staff``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.access.cli import Session
from headgate.access.cli import commands as access_commands

if TYPE_CHECKING:
    import typer

    from headgate.bootstrap.terminal import Terminal


def commands(terminal: Terminal) -> typer.Typer:
    """Return the commands of access."""

    def session() -> Session:
        house = terminal.house()
        return Session(house.access, terminal.actor(), house.settings.origin)

    return access_commands(session)
