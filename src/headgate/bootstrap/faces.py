"""The pages, put together: which services stand behind them, and under which addresses they are found."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from starlette.routing import Mount

from headgate.adapters.oidc import OpenidProvider
from headgate.adapters.passkeys import WebauthnReader
from headgate.bootstrap.http import status_of
from headgate.bootstrap.provider import client_of
from headgate.bootstrap.reporting import reporting_of
from headgate.bootstrap.simulations import ProcessSimulations
from headgate.bootstrap.vitals import HouseVitals
from headgate.console.addresses import addresses_markdown
from headgate.console.application import AT, Console
from headgate.console.desks import Desks
from headgate.console.door import Door
from headgate.console.pages import (
    access,
    confirm,
    evidence,
    evidence_filing,
    evidence_judging,
    evidence_reckoning,
    health,
    ledger,
    me,
    plans,
    release,
    release_commands,
    releases,
    review,
    review_correct,
    review_health,
    sign_in,
    simulating,
    staff,
)
from headgate.kernel.actor import Actor, Permission
from headgate.look.assets import Assets
from headgate.look.browser import Cookie
from headgate.look.pages import Pages
from headgate.look.workshop import ChartLibrary
from headgate.portal.chat import AT as CHAT_AT
from headgate.portal.chat import VISIT_S, ChatPages
from headgate.portal.desks import Desks as PortalDesks
from headgate.portal.published import PublicPages
from headgate.safety.service.reports import Reports
from headgate.safety.store import SqlIncidents

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.routing import BaseRoute

    from headgate.bootstrap.wiring import House
    from headgate.console.visit import Table
    from headgate.portal.desks import Talking

_PUBLIC = Actor.system("public", Permission.VIEW)


def faces(house: House, talking: Talking) -> list[BaseRoute]:
    """Return the routes of everything that people meet in a browser.

    Args:
        house: The installation.
        talking: The way to models, for the chat page.
    """
    assets = _assets()
    pages = _pages(assets)
    library = ChartLibrary(house.home.cache)
    return [Mount(AT, console(house, pages)), *portal(house, pages, talking), assets.route(), library.route()]


def console(house: House, pages: Pages) -> Starlette:
    """Return the staff's pages."""
    desks = desks_of(house)
    door = Door(house.access.sessions, house.settings.origin)
    application = Console(desks, door, pages, status_of=status_of)
    return application.application(console_tables(desks), sign_in.outside(desks, door, pages, AT))


def desks_of(house: House) -> Desks:
    """Return whom the staff's pages ask."""
    client = client_of(house.settings, os.environ)
    return Desks(
        access=house.access,
        passkeys=house.access.passkeys(WebauthnReader(house.settings.origin)),
        providers=None if client is None else house.access.providers(OpenidProvider(client, house.clock)),
        releases=house.releases,
        picturing=house.picturing,
        reporting=reporting_of(house),
        safety=house.desk,
        filing=house.filing,
        forecasting=house.forecasting,
        comparing=house.comparing,
        ledger=house.ledger,
        drafting=house.drafting,
        simulations=ProcessSimulations(house.home.simulations, house.clock),
        vitals=HouseVitals(house),
        clock=house.clock,
        origin=house.settings.origin,
    )


def console_tables(desks: Desks) -> list[Table]:
    """Return every address of the console that asks who its caller is; tests walk it, and the documents print it."""
    return [
        sign_in.table(desks, AT),
        confirm.table(desks, AT),
        me.table(desks, AT),
        staff.table(desks, AT),
        releases.table(desks),
        release.table(desks),
        release_commands.table(desks),
        ledger.table(desks, AT),
        plans.table(desks, AT),
        simulating.table(desks, AT),
        access.table(desks, AT),
        health.table(desks),
        review.table(desks, AT),
        review_health.table(desks),
        review_correct.table(desks, AT),
        evidence_filing.table(desks, AT),
        evidence_reckoning.table(desks),
        evidence.table(desks),
        evidence_judging.Judging(desks, AT).table(),
    ]


def console_markdown(house: House) -> str:
    """Return the console's addresses for the documentation."""
    desks = desks_of(house)
    outside = sign_in.outside(desks, Door(house.access.sessions, house.settings.origin), _pages(_assets()), AT)
    return addresses_markdown(AT, console_tables(desks), outside)


def portal(house: House, pages: Pages, talking: Talking) -> list[BaseRoute]:
    """Return the pages for people outside."""
    reports = Reports(house.desk.incidents, SqlIncidents(house.engine), house.exchanges)
    desks = PortalDesks(house.access, talking, reports, house.clock)
    cookie = Cookie("headgate-chat", house.settings.origin, VISIT_S)
    public = PublicPages(
        published=house.releases.published,
        incidents=lambda release_id: house.desk.incidents.list(by=_PUBLIC, release_id=release_id),
        pages=pages,
        origin=house.settings.origin,
        clock=house.clock,
    )
    chat = ChatPages(desks, cookie, pages, status_of=status_of, published=public.names)
    return [Mount(CHAT_AT, chat.application()), *public.routes()]


def _assets() -> Assets:
    return Assets("headgate.look", "headgate.console", "headgate.portal")


def _pages(assets: Assets) -> Pages:
    return Pages("headgate.console", "headgate.portal", assets=assets)
