"""Access on the command line: account, organisation, cohort, grant, key, staff."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from headgate.access.cli.accounts import AccountVerbs, OrganisationVerbs
from headgate.access.cli.cohorts import CohortVerbs
from headgate.access.cli.grants import GrantVerbs
from headgate.access.cli.keys import KeyVerbs
from headgate.access.cli.session import Session
from headgate.access.cli.staff import StaffVerbs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Session", "commands"]


def commands(open_session: Callable[[], Session]) -> typer.Typer:
    """Return the nouns of access; add it to the root without a name.

    Args:
        open_session: Opens access for whoever sits at the terminal; called when a verb runs, never before.
    """
    app = typer.Typer()
    app.add_typer(AccountVerbs(open_session).app(), name="account")
    app.add_typer(OrganisationVerbs(open_session).app(), name="organisation")
    app.add_typer(CohortVerbs(open_session).app(), name="cohort")
    app.add_typer(GrantVerbs(open_session).app(), name="grant")
    app.add_typer(KeyVerbs(open_session).app(), name="key")
    app.add_typer(StaffVerbs(open_session).app(), name="staff")
    return app
