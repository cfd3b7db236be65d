"""The command line of plans and releases: parse, ask the service once, print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from headgate.releases.cli.applying import ApplyVerb
from headgate.releases.cli.plan import plan_commands
from headgate.releases.cli.release import ReleaseVerbs
from headgate.releases.cli.session import Desk
from headgate.releases.cli.simulate import SimulateVerb, no_cluster
from headgate.releases.cli.status import StatusVerb

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.kernel.actor import Actor
    from headgate.releases.ports import Farm
    from headgate.releases.service import ReleaseService

__all__ = ["plan_commands", "release_commands"]


def release_commands(
    open_releases: Callable[[], ReleaseService], actor: Callable[[], Actor], open_cluster: Callable[[str], Farm] = no_cluster
) -> typer.Typer:
    """Return ``plan``, ``release`` and ``status``, to be added to the root without a name of their own.

    Args:
        open_releases: Opens the use cases; called only by verbs that need them.
        actor: Says who acts.
        open_cluster: Opens a cluster for plays, by its address.
    """
    desk = Desk(open_releases, actor)
    app = typer.Typer()
    plan = plan_commands()
    plan.command("simulate")(SimulateVerb(open_cluster).simulate)
    plan.command("apply")(ApplyVerb(desk).apply)
    app.add_typer(plan, name="plan")
    app.add_typer(ReleaseVerbs(desk).app(), name="release")
    app.command("status")(StatusVerb(desk).status)
    return app
