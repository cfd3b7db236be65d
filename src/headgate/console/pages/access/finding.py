"""Finding accounts, organisations and cohorts: lists, the newest first, page by page.

An e-mail address stands in no address of a page: it is asked for in a form, hashed and forgotten.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from headgate.access.errors import AccountInvalid
from headgate.access.model import AccountsSought, AccountState, Command, Page
from headgate.console.visit import Deed, Screen, Shown, Visit, Went
from headgate.kernel.ids import OrganisationId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.console.desks import Desks
    from headgate.console.visit import Table
    from headgate.kernel.errors import HeadgateError

_PAGE = 50
_IDENTIFIER = re.compile(r"(acc|gr|key|org)_[0-9A-Z]{26}")
_PLACES = {"acc": "accounts", "gr": "grants", "key": "keys", "org": "organisations"}


def table(desks: Desks, at: str) -> Table:
    """Return the addresses of the lists."""

    def accounts(visit: Visit, trouble: HeadgateError | None = None) -> Shown:
        asked = {name: visit.query.get(name, "").strip() for name in ("name", "organisation", "state")}
        page = Page(visit.query.get("after", ""), _PAGE + 1, newest_first=True)
        found = desks.access.accounts.page(page, sought=_sought(asked), by=visit.actor)
        described = desks.access.accounts.describe([account.id for account in found[:_PAGE]], by=visit.actor)
        given = {
            "accounts": [(account, described[account.id]) for account in found[:_PAGE]],
            "asked": asked,
            "anything": any(asked.values()),
            "states": [state.value for state in AccountState],
            "trouble": trouble,
            **_beyond(found, asked, visit),
        }
        return Shown("console/access/accounts.html", given, 200 if trouble is None else 400)

    def find(visit: Visit) -> Went | Shown:
        wanted = visit.said("wanted")
        named = _IDENTIFIER.fullmatch(wanted)
        if named is not None:
            return Went(f"{at}/access/{_PLACES[named[1]]}/{wanted}", "")
        try:
            found = desks.access.accounts.with_email(wanted, by=visit.actor)
        except AccountInvalid as problem:
            return accounts(visit, problem)
        if not found:
            return accounts(visit, AccountInvalid("No account was entered with this address."))
        return Went(f"{at}/access/accounts/{found[0].id}", "This account was entered with that address.")

    def organisations(visit: Visit) -> Shown:
        asked = {"name": visit.query.get("name", "").strip()}
        page = Page(visit.query.get("after", ""), _PAGE + 1, newest_first=True)
        found = desks.access.organisations.page(page, named=asked["name"] or None, by=visit.actor)
        given = {"organisations": found[:_PAGE], "asked": asked, "anything": bool(asked["name"]), **_beyond(found, asked, visit)}
        return Shown("console/access/organisations.html", given)

    def cohorts(visit: Visit) -> Shown:
        page = Page(visit.query.get("after", ""), _PAGE + 1)
        found = desks.access.cohorts.page(page, by=visit.actor)
        more = found[_PAGE - 1].cohort.name if len(found) > _PAGE else None
        return Shown("console/access/cohorts.html", {"cohorts": found[:_PAGE], "more": more})

    return (
        Screen("/access", accounts, Command.ACCOUNTS_PAGE.needs),
        Deed("/access/find", find, Command.ACCOUNTS_WITH_EMAIL.needs),
        Screen("/access/organisations", organisations, Command.ORGANISATIONS_PAGE.needs),
        Screen("/access/cohorts", cohorts, Command.COHORTS_PAGE.needs),
    )


def _sought(asked: dict[str, str]) -> AccountsSought:
    organisation, state = asked["organisation"], asked["state"]
    by_id = organisation.startswith("org_")
    return AccountsSought(
        named=asked["name"] or None,
        organisation_id=OrganisationId(organisation) if by_id else None,
        organisation_named=None if by_id or not organisation else organisation,
        state=next((each for each in AccountState if each.value == state), None),
    )


def _beyond(found: Sequence[Any], asked: dict[str, str], visit: Visit) -> dict[str, Any]:
    """Return the queries of the pages beside this one."""
    said = {name: value for name, value in asked.items() if value}
    older = urlencode({**said, "after": found[_PAGE - 1].id}) if len(found) > _PAGE else None
    return {"older": older, "newest": urlencode(said) if visit.query.get("after") else None}
