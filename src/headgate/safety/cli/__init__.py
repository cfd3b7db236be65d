"""Safety on the command line: review, incident, sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from headgate.safety.cli.incidents import IncidentVerbs
from headgate.safety.cli.review import ReviewVerbs
from headgate.safety.cli.sampling import SamplingVerbs
from headgate.safety.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Session", "commands"]


def commands(open_session: Callable[[], Session]) -> typer.Typer:
    """Return the nouns of safety; add it to the root without a name.

    Args:
        open_session: Opens safety for whoever sits at the terminal; called when a verb runs, never before.
    """
    app = typer.Typer()
    app.add_typer(ReviewVerbs(open_session).app(), name="review")
    app.add_typer(IncidentVerbs(open_session).app(), name="incident")
    app.add_typer(SamplingVerbs(open_session).app(), name="sampling")
    return app
