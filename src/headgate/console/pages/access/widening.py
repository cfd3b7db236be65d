"""What lets somebody in, or in further: on pages of their own, each behind the proof that it is you."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from headgate.access.errors import CohortInvalid, GrantInvalid
from headgate.access.model import CohortState, Command, Tier
from headgate.console.pages.access import offering
from headgate.console.pages.access.narrowing import tried
from headgate.console.visit import Deed, Screen, Shown, Visit
from headgate.kernel.actor import Permission
from headgate.kernel.ids import AccountId, GrantId, OrganisationId
from headgate.kernel.units import parse_span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from headgate.console.desks import Desks
    from headgate.console.forms import Form
    from headgate.console.pages.access.showing import Showing
    from headgate.console.visit import Answer, Table
    from headgate.kernel.errors import HeadgateError


def table(desks: Desks, one: Showing, at: str) -> Table:
    """Return the addresses of what lets somebody in."""
    del one
    doing = _Doing(desks)
    offers = offering.Offering(desks)

    def page(kind: str, title: str, forms: Callable[[Visit], Sequence[Form]]) -> Callable[..., Shown]:
        def show(visit: Visit, trouble: HeadgateError | None = None) -> Shown:
            given = {"title": title, "forms": forms(visit), "kind": kind, "id": visit.path.get("id"), "trouble": trouble}
            return Shown("console/access/more.html", given, 200 if trouble is None else 400)

        return show

    account = page("accounts", "Let this account in further", offers.account)
    closing = page("accounts", "Close this account", offers.closing)
    terms = page("cohorts", "Put new terms in force", offers.terms)
    organisation = page("organisations", "Let this organisation back in", offers.organisation)
    cohort = page("cohorts", "Change this cohort", offers.cohort)
    grant = page("grants", "Give this grant more", offers.grant)
    new = page("", "Enter somebody new", offers.new)

    def deed(path: str, do: Callable[[Visit], str], again: Callable[..., Shown], command: Command) -> Deed:
        kind = path.split("/")[1]
        answer: Callable[[Visit], Answer] = tried(do, again, f"{at}/access/{kind}/{{id}}" if "{id}" in path else f"{at}/access")
        return Deed(f"/access{path}", answer, command.needs, confirmed=True)

    return (
        Screen("/access/accounts/{id}/more", account, Permission.GRANT, confirmed=True),
        Screen("/access/accounts/{id}/close", closing, Command.ACCOUNTS_CLOSE.needs, confirmed=True),
        Screen("/access/cohorts/{id}/terms", terms, Command.COHORTS_CHANGE_TERMS.needs, confirmed=True),
        Screen("/access/organisations/{id}/more", organisation, Permission.GRANT, confirmed=True),
        Screen("/access/cohorts/{id}/more", cohort, Permission.COHORT, confirmed=True),
        Screen("/access/grants/{id}/more", grant, Permission.GRANT, confirmed=True),
        Screen("/access/new", new, Permission.VIEW, confirmed=True),
        deed("/accounts/{id}/reinstate", doing.reinstate_account, account, Command.ACCOUNTS_REINSTATE),
        deed("/accounts/{id}/declare", doing.declare, account, Command.ACCOUNTS_DECLARE),
        deed("/accounts/{id}/grant", doing.give, account, Command.GRANTS_ADD),
        deed("/accounts/{id}/close", doing.close, closing, Command.ACCOUNTS_CLOSE),
        deed("/organisations/{id}/reinstate", doing.reinstate_organisation, organisation, Command.ORGANISATIONS_REINSTATE),
        deed("/cohorts/{id}/change", doing.change_cohort, cohort, Command.COHORTS_CHANGE),
        deed("/cohorts/{id}/terms", doing.change_terms, terms, Command.COHORTS_CHANGE_TERMS),
        deed("/grants/{id}/resume", doing.resume, grant, Command.GRANTS_RESUME),
        deed("/grants/{id}/unlimit", doing.unlimit, grant, Command.GRANTS_UNLIMIT),
        deed("/grants/{id}/accept", doing.accept, grant, Command.GRANTS_RECORD_ACCEPTANCE),
        deed("/new/account", doing.add_account, new, Command.ACCOUNTS_ADD),
        deed("/new/organisation", doing.add_organisation, new, Command.ORGANISATIONS_ADD),
        deed("/new/cohort", doing.add_cohort, new, Command.COHORTS_ADD),
    )


class _Doing:
    """The commands, each with the sentence that says what was done."""

    def __init__(self, desks: Desks) -> None:
        self._access = desks.access

    def add_account(self, visit: Visit) -> str:
        organisation = visit.said("organisation")
        account = self._access.accounts.add(
            visit.said("name"),
            email=visit.said("email") or None,
            organisation_id=OrganisationId(organisation) if organisation else None,
            tier=next((tier for tier in Tier if tier.value == visit.said("tier")), Tier.UNTRUSTED),
            by=visit.actor,
        )
        return f"The account {account.id} is entered. It has no grant yet."

    def add_organisation(self, visit: Visit) -> str:
        return f"The organisation {self._access.organisations.add(visit.said('name'), by=visit.actor).id} is entered."

    def add_cohort(self, visit: Visit) -> str:
        cohort = self._access.cohorts.add(
            visit.said("name"),
            seats=_seats(visit.said("seats")),
            terms_version=visit.said("version") or None,
            terms_url=visit.said("url") or None,
            by=visit.actor,
        )
        return f"The cohort {cohort.name} is entered."

    def reinstate_account(self, visit: Visit) -> str:
        self._access.accounts.reinstate(AccountId(visit.path["id"]), reason=visit.said("reason"), by=visit.actor)
        return "The account is let back in, with whatever grants and keys it still has."

    def close(self, visit: Visit) -> str:
        self._access.accounts.close(AccountId(visit.path["id"]), reason=visit.said("reason"), by=visit.actor)
        return "The account is closed for good."

    def declare(self, visit: Visit) -> str:
        said = {name: visit.said(name) or None for name in ("country", "language", "region", "use_case")}
        self._access.accounts.declare(AccountId(visit.path["id"]), **said, by=visit.actor)
        return "What the account says of itself is written down."

    def give(self, visit: Visit) -> str:
        ends_at = _instant(visit.said("ends_at"))
        grant = self._access.grants.add(AccountId(visit.path["id"]), visit.said("cohort"), ends_at=ends_at, by=visit.actor)
        return f"The account has a seat in {grant.cohort}: it is {grant.state.value.replace('_', ' ')}."

    def reinstate_organisation(self, visit: Visit) -> str:
        self._access.organisations.reinstate(OrganisationId(visit.path["id"]), reason=visit.said("reason"), by=visit.actor)
        return "The organisation is let back in."

    def change_cohort(self, visit: Visit) -> str:
        state = next((state for state in CohortState if state.value == visit.said("state")), None)
        if state is None:
            raise CohortInvalid("A cohort is open or frozen.")
        self._access.cohorts.change(visit.path["id"], seats=_seats(visit.said("seats")), state=state, by=visit.actor)
        return "The cohort is changed."

    def change_terms(self, visit: Visit) -> str:
        try:
            grace = parse_span(visit.said("grace")) if visit.said("grace") else None
        except ValueError as problem:
            raise CohortInvalid(f"The time to accept: {problem}.") from None
        version, url = visit.said("version"), visit.said("url") or None
        self._access.cohorts.change_terms(visit.path["id"], version=version, url=url, grace=grace, by=visit.actor)
        return f"Version {version} of the terms is in force."

    def resume(self, visit: Visit) -> str:
        grant = self._access.grants.resume(GrantId(visit.path["id"]), reason=visit.said("reason"), by=visit.actor)
        return f"The grant is out of its pause: it is {grant.state.value.replace('_', ' ')}."

    def unlimit(self, visit: Visit) -> str:
        self._access.grants.unlimit(GrantId(visit.path["id"]), reason=visit.said("reason"), by=visit.actor)
        return "The grant has its whole quota back."

    def accept(self, visit: Visit) -> str:
        version, evidence = visit.said("version"), visit.said("evidence")
        self._access.grants.record_acceptance(GrantId(visit.path["id"]), version, evidence=evidence, by=visit.actor)
        return f"It is recorded that version {version} of the terms was accepted."


def life_of(text: str, *, invalid: type[HeadgateError]) -> timedelta | None:
    """Return a span that somebody wrote; ``None`` where they wrote none."""
    try:
        return parse_span(text) if text else None
    except ValueError as problem:
        raise invalid(f"How long it works: {problem}.") from None


def _seats(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise CohortInvalid("Seats are a whole number, or nothing for no bound.")
    return int(text)


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise GrantInvalid("A grant needs the time at which it ends.", help="Write 2027-03-01T00:00, in UTC.") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
