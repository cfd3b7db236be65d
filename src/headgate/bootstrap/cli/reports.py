"""``report``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from headgate.bootstrap.reporting import reporting_of
from headgate.reports.cli import Session
from headgate.reports.cli import commands as report_commands

if TYPE_CHECKING:
    from headgate.bootstrap.terminal import Terminal


def commands(terminal: Terminal) -> typer.Typer:
    """Return the commands of reports."""

    def session() -> Session:
        house = terminal.house()
        return Session(reporting_of(house), house.releases, terminal.actor())

    app = typer.Typer()
    app.add_typer(report_commands(session), name="report")
    return app
