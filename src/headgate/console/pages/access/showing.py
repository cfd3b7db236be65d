"""One account, one organisation, one cohort, one grant, one key: as it stands, what stops it, and what became of it so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.access.model import AccountState, CohortState, Command, GrantState, KeyState, OrganisationState, Page
from headgate.console.forms import REASON, Field, Form
from headgate.console.visit import Screen, Shown, Visit
from headgate.kernel.ids import AccountId, GrantId, KeyId, OrganisationId
from headgate.ledger.model import Sought

if TYPE_CHECKING:
    from headgate.access.model import Grant, Key
    from headgate.console.desks import Desks
    from headgate.console.visit import Table
    from headgate.kernel.errors import HeadgateError
    from headgate.ledger.model import Recorded

_MOST = 100
_HISTORY = 25
USABLE = (KeyState.ACTIVE, KeyState.ROTATING)


def table(one: Showing) -> Table:
    """Return the addresses of single things."""
    return (
        Screen("/access/accounts/{id}", one.account, Command.ACCOUNTS_GET.needs),
        Screen("/access/organisations/{id}", one.organisation, Command.ORGANISATIONS_GET.needs),
        Screen("/access/cohorts/{id}", one.cohort, Command.COHORTS_GET.needs),
        Screen("/access/grants/{id}", one.grant, Command.GRANTS_GET.needs),
        Screen("/access/keys/{id}", one.key, Command.KEYS_GET.needs),
    )


class Showing:
    """The pages of single things; a command that was not taken shows its page again, with what was wrong.

    Args:
        desks: The services.
    """

    def __init__(self, desks: Desks) -> None:
        self._access = desks.access
        self._ledger = desks.ledger

    def account(self, visit: Visit, trouble: HeadgateError | None = None) -> Shown:
        """Show an account with its grants and keys."""
        this, by = AccountId(visit.path["id"]), visit.actor
        account = self._access.accounts.get(this, by=by)
        grants = self._access.grants.page(Page(limit=_MOST, newest_first=True), account_id=this, by=by)
        keys = self._access.keys.page(Page(limit=_MOST, newest_first=True), account_id=this, by=by)
        at = f"/access/accounts/{this}"
        stops = [
            Form(
                f"{at}/suspend",
                "Suspend",
                f"Nothing passes for this account: {_count(grants, keys)}. It keeps what it holds, and can be let back in.",
                "Suspend this account",
                Command.ACCOUNTS_SUSPEND.needs,
                danger=True,
            )
        ]
        given = {
            "account": account,
            "described": self._access.accounts.describe([this], by=by)[this],
            "grants": grants,
            "keys": keys,
            "most": _MOST,
            "stops": stops if account.state is AccountState.ACTIVE else [],
            "history": self._history(this, *(grant.id for grant in grants), *(key.id for key in keys)),
        }
        return _shown("account", given, trouble)

    def organisation(self, visit: Visit, trouble: HeadgateError | None = None) -> Shown:
        """Show an organisation with its accounts."""
        this, by = OrganisationId(visit.path["id"]), visit.actor
        organisation = self._access.organisations.get(this, by=by)
        stops = [
            Form(
                f"/access/organisations/{this}/suspend",
                "Suspend",
                "Nothing passes for any account that belongs to it. They keep what they hold, and can be let back in.",
                "Suspend this organisation",
                Command.ORGANISATIONS_SUSPEND.needs,
                danger=True,
            )
        ]
        given = {
            "organisation": organisation,
            "accounts": self._access.accounts.page(Page(limit=_MOST, newest_first=True), organisation_id=this, by=by),
            "most": _MOST,
            "stops": stops if organisation.state is OrganisationState.ACTIVE else [],
            "history": self._history(this),
        }
        return _shown("organisation", given, trouble)

    def cohort(self, visit: Visit, trouble: HeadgateError | None = None) -> Shown:
        """Show a cohort with its grants."""
        occupied = self._access.cohorts.get(visit.path["id"], by=visit.actor)
        name = occupied.cohort.name
        page = Page(visit.query.get("after", ""), _MOST + 1, newest_first=True)
        grants = self._access.grants.page(page, cohort=name, by=visit.actor)
        stops = [
            Form(
                f"/access/cohorts/{name}/freeze",
                "Freeze",
                "Nobody else is taken in. Those who are in stay in.",
                "Freeze this cohort",
                Command.COHORTS_CHANGE.needs,
                (),
                danger=True,
            )
        ]
        given = {
            "occupied": occupied,
            "grants": grants[:_MOST],
            "older": grants[_MOST - 1].id if len(grants) > _MOST else None,
            "stops": stops if occupied.cohort.state is CohortState.OPEN else [],
            "history": self._history(name),
        }
        return _shown("cohort", given, trouble)

    def grant(self, visit: Visit, trouble: HeadgateError | None = None) -> Shown:
        """Show a grant with its keys."""
        this, by = GrantId(visit.path["id"]), visit.actor
        grant = self._access.grants.get(this, by=by)
        keys = self._access.keys.page(Page(limit=_MOST, newest_first=True), grant_id=this, by=by)
        given = {
            "grant": grant,
            "account": self._access.accounts.get(grant.account_id, by=by),
            "keys": keys,
            "most": _MOST,
            "stops": _stops(grant),
            "history": self._history(this, *(key.id for key in keys)),
        }
        return _shown("grant", given, trouble)

    def key(self, visit: Visit, trouble: HeadgateError | None = None) -> Shown:
        """Show a key; its text is known to nobody but its holder."""
        this, by = KeyId(visit.path["id"]), visit.actor
        key = self._access.keys.get(this, by=by)
        grant = self._access.grants.get(key.grant_id, by=by)
        stops = [
            Form(
                f"/access/keys/{this}/revoke",
                "Revoke",
                "It stops for good, open streams included.",
                "Revoke this key",
                Command.KEYS_REVOKE.needs,
                danger=True,
            )
        ]
        given = {
            "key": key,
            "grant": grant,
            "account": self._access.accounts.get(grant.account_id, by=by),
            "stops": stops if key.state not in (KeyState.REVOKED, KeyState.EXPIRED) else [],
            "history": self._history(this),
        }
        return _shown("key", given, trouble)

    def _history(self, *subjects: str) -> list[Recorded]:
        return self._ledger.newest(Sought(subjects=subjects), limit=_HISTORY)


def _shown(name: str, given: dict[str, Any], trouble: HeadgateError | None) -> Shown:
    return Shown(f"console/access/{name}.html", {**given, "trouble": trouble}, 200 if trouble is None else 400)


def _stops(grant: Grant) -> list[Form]:
    if grant.state is GrantState.ENDED:
        return []
    at = f"/access/grants/{grant.id}"
    percent = Field("percent", "Share of the stage's quota that is left, in per cent", "number", "50", help="1 to 99.")
    limit = Form(
        f"{at}/limit",
        "Limit",
        "It goes on, with only a share of its stage's quota.",
        "Limit this grant",
        Command.GRANTS_LIMIT.needs,
        (percent, REASON),
    )
    pause = Form(
        f"{at}/pause",
        "Pause",
        "Nothing passes under it; the seat stays taken, and it can be resumed.",
        "Pause this grant",
        Command.GRANTS_PAUSE.needs,
    )
    end = Form(
        f"{at}/end",
        "End",
        "It ends for good: every key of it stops, and the seat is free.",
        "End this grant",
        Command.GRANTS_END.needs,
        danger=True,
    )
    return [limit, end] if grant.state is GrantState.PAUSED else [limit, pause, end]


def _count(grants: list[Grant], keys: list[Key]) -> str:
    seats = sum(grant.state is not GrantState.ENDED for grant in grants)
    usable = sum(key.state in USABLE for key in keys)
    return f"{seats} open grant{'' if seats == 1 else 's'}, {usable} key{'' if usable == 1 else 's'}"
