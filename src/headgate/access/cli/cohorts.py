"""``headgate cohort``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headgate.access.cli.printing import After, AsJson, Limit, show, show_all, talk
from headgate.access.cli.session import span
from headgate.access.model import CohortState, Page
from headgate.access.wire import spelled
from headgate.kernel.units import parse_count

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.access.cli.session import Session

_UNBOUNDED = "unbounded"


class CohortVerbs:
    """The verbs of ``headgate cohort``."""

    def __init__(self, open_session: Callable[[], Session]) -> None:
        self._open = open_session

    def app(self) -> typer.Typer:
        """Return the noun with its verbs."""
        app = typer.Typer(help="Groups of seats that a stage of a plan names.", no_args_is_help=True)
        for name, verb in (("add", self.add), ("list", self.list_), ("set", self.set_)):
            app.command(name)(verb)
        return app

    def add(
        self,
        name: Annotated[str, typer.Argument(help="What plans call it.")],
        *,
        seats: Annotated[str, typer.Option(help="How many grants may be open at once: 40, 1k or unbounded.")],
        terms: Annotated[str | None, typer.Option(help="The version of the terms that holders must accept.")] = None,
        terms_url: Annotated[str | None, typer.Option(help="Where the terms can be read.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Enter a cohort."""
        session = self._open()
        cohort = session.access.cohorts.add(name, seats=_seats(seats), terms_version=terms, terms_url=terms_url, by=session.by)
        show(spelled.cohort(cohort, taken=0), as_json=as_json)

    def list_(self, *, after: After = "", limit: Limit = 100, as_json: AsJson = False) -> None:
        """List cohorts and how full they are."""
        session = self._open()
        found = session.access.cohorts.page(Page(after, limit), by=session.by)
        listed = [spelled.cohort(occupied.cohort, taken=occupied.taken) for occupied in found]
        show_all(listed, ("name", "seats", "taken", "state", "terms_version"), limit=limit, as_json=as_json)

    def set_(
        self,
        name: Annotated[str, typer.Argument(help="The cohort.")],
        *,
        seats: Annotated[str | None, typer.Option(help="How many grants may be open at once: 40, 1k or unbounded.")] = None,
        state: Annotated[CohortState | None, typer.Option(help="Whether it takes people in.")] = None,
        terms: Annotated[str | None, typer.Option(help="Put this version of the terms in force.")] = None,
        terms_url: Annotated[str | None, typer.Option(help="Where the new terms can be read.")] = None,
        grace: Annotated[str | None, typer.Option(help="How long holders have to accept them, such as 14d.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Change a cohort's seats or state, or its terms.

        Fewer seats than are taken turn nobody out; they keep others from coming in.
        """
        if seats is None and state is None and terms is None:
            raise typer.BadParameter("nothing to change: name --seats, --state or --terms")
        session = self._open()
        cohorts = session.access.cohorts
        if terms is not None:
            cohorts.change_terms(name, version=terms, url=terms_url, grace=span(grace), by=session.by)
            talk(f"Holders of {name} are asked to accept version {terms}.")
        if seats is not None or state is not None:
            now = cohorts.get(name, by=session.by).cohort
            cohorts.change(name, seats=now.seats if seats is None else _seats(seats), state=state or now.state, by=session.by)
        occupied = cohorts.get(name, by=session.by)
        show(spelled.cohort(occupied.cohort, taken=occupied.taken), as_json=as_json)
        if occupied.cohort.seats is not None and occupied.taken > occupied.cohort.seats:
            talk(f"{occupied.taken} of {occupied.cohort.seats} seats are taken: nobody is turned out, nobody comes in.")


def _seats(text: str) -> int | None:
    if text == _UNBOUNDED:
        return None
    try:
        return parse_count(text)
    except ValueError as wrong:
        raise typer.BadParameter(f"{wrong}, or {_UNBOUNDED}") from None
