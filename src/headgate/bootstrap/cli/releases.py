"""``plan``, ``release``, ``status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.adapters.ray import RayFarm
from headgate.releases.cli import release_commands

if TYPE_CHECKING:
    import typer

    from headgate.bootstrap.terminal import Terminal


def commands(terminal: Terminal) -> typer.Typer:
    """Return the commands of plans and releases."""
    return release_commands(lambda: terminal.house().releases, terminal.actor, RayFarm)
