"""The pages, put together: which services stand behind them, and under which addresses they are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Mount

from headgate.bootstrap.http import status_of
from headgate.console.application import AT, Console
from headgate.console.desks import Desks
from headgate.console.door import Door
from headgate.console.pages import releases, sign_in
from headgate.look.assets import Assets
from headgate.look.pages import Pages

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.routing import BaseRoute

    from headgate.bootstrap.wiring import House
    from headgate.console.visit import Table


def faces(house: House) -> list[BaseRoute]:
    """Return the routes of everything that people meet in a browser."""
    assets = Assets("headgate.look", "headgate.console")
    pages = Pages("headgate.console", assets=assets)
    return [Mount(AT, console(house, pages)), assets.route()]


def console(house: House, pages: Pages) -> Starlette:
    """Return the staff's pages."""
    desks = desks_of(house)
    door = Door(house.access.sessions, house.settings.origin)
    application = Console(desks, door, pages, status_of=status_of)
    return application.application(console_tables(desks), sign_in.outside(desks, door, pages, AT))


def desks_of(house: House) -> Desks:
    """Return whom the staff's pages ask."""
    return Desks(
        access=house.access,
        releases=house.releases,
        safety=house.desk,
        filing=house.filing,
        forecasting=house.forecasting,
        comparing=house.comparing,
        ledger=house.ledger,
        clock=house.clock,
    )


def console_tables(desks: Desks) -> list[Table]:
    """Return every address of the console that asks who its caller is; tests walk it, and the documents print it."""
    return [sign_in.table(desks, AT), releases.table(desks)]
