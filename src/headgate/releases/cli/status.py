"""``headgate status``: where every release stands, once or as it changes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.live import Live

from headgate.releases.cli.picture import picture
from headgate.releases.cli.session import AsJson, Desk, print_json
from headgate.releases.model.release import State

if TYPE_CHECKING:
    from headgate.kernel.actor import Actor
    from headgate.releases.decide.status import Status
    from headgate.releases.service import ReleaseService

PERIOD_S = 1.0
"""How often a watched status is read anew, in seconds."""


class StatusVerb:
    """``headgate status``.

    Args:
        desk: Who acts on what.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def status(
        self,
        names: Annotated[list[str] | None, typer.Argument(help="Models or releases; all that have not ended by default.")] = None,
        *,
        watch: Annotated[bool, typer.Option("--watch", "-w", help="Draw it anew every second, until Ctrl-C.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Show how far each release is open, what its gates say, why it goes no further, and what has not been shown."""
        service, by = self._desk.sit()
        wanted = tuple(names or ())
        if as_json:
            self._as_json(service, by, wanted, watch=watch)
            return
        console = Console(highlight=False)
        if not watch:
            console.print(picture(_read(service, by, wanted)))
            return
        try:
            with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
                while True:
                    live.update(picture(_read(service, by, wanted)), refresh=True)
                    time.sleep(PERIOD_S)
        except KeyboardInterrupt:
            return

    def _as_json(self, service: ReleaseService, by: Actor, wanted: tuple[str, ...], *, watch: bool) -> None:
        try:
            while True:
                for status in _read(service, by, wanted):
                    print_json(status.json())
                if not watch:
                    return
                time.sleep(PERIOD_S)
        except KeyboardInterrupt:
            return


def _read(service: ReleaseService, by: Actor, wanted: tuple[str, ...]) -> list[Status]:
    if wanted:
        releases = [service.find(name, by=by) for name in wanted]
    else:
        releases = [release for release in service.list(by=by) if release.state is not State.WITHDRAWN]
    return [service.status(release, by=by) for release in releases]
