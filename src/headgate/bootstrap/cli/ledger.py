"""``ledger``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from headgate.ledger.cli import commands as ledger_commands

if TYPE_CHECKING:
    from headgate.bootstrap.terminal import Terminal


def commands(terminal: Terminal) -> typer.Typer:
    """Return the commands of the ledger."""
    app = typer.Typer()
    app.add_typer(ledger_commands(lambda: terminal.house().ledger), name="ledger")
    return app
