"""``evidence``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from headgate.evidence.cli import Session
from headgate.evidence.cli import commands as evidence_commands

if TYPE_CHECKING:
    from headgate.bootstrap.terminal import Terminal


def commands(terminal: Terminal) -> typer.Typer:
    """Return the commands of evidence."""

    def session() -> Session:
        house = terminal.house()
        by = terminal.actor()
        return Session(house.filing, house.forecasting, house.comparing, house.held_back, house.clock, by)

    app = typer.Typer()
    app.add_typer(evidence_commands(session), name="evidence")
    return app
