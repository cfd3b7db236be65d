"""What stops somebody: one press and a reason, from the page of whoever is stopped. One responsible person is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.access.errors import GrantInvalid
from headgate.access.model import CohortState, Command
from headgate.console.visit import Deed, Visit, Went
from headgate.kernel.errors import Forbidden, Refused, Stale, Unauthenticated
from headgate.kernel.ids import AccountId, GrantId, KeyId, OrganisationId

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.console.desks import Desks
    from headgate.console.pages.access.showing import Showing
    from headgate.console.visit import Answer, Shown, Table
    from headgate.kernel.errors import HeadgateError

    Again = Callable[[Visit, HeadgateError | None], Shown]


def table(desks: Desks, one: Showing, at: str) -> Table:
    """Return the addresses of what stops somebody."""
    access = desks.access

    def suspend_account(visit: Visit) -> str:
        access.accounts.suspend(AccountId(visit.path["id"]), reason=visit.said("reason"), by=visit.actor)
        return "The account is suspended."

    def suspend_organisation(visit: Visit) -> str:
        access.organisations.suspend(OrganisationId(visit.path["id"]), reason=visit.said("reason"), by=visit.actor)
        return "The organisation is suspended, and every account of it with it."

    def freeze(visit: Visit) -> str:
        cohort = access.cohorts.get(visit.path["id"], by=visit.actor).cohort
        access.cohorts.change(cohort.name, seats=cohort.seats, state=CohortState.FROZEN, by=visit.actor)
        return "The cohort takes nobody in."

    def limit(visit: Visit) -> str:
        said = visit.said("percent")
        if not (said.isascii() and said.isdecimal()):
            raise GrantInvalid("A share is a whole number of per cent, from 1 to 99.")
        access.grants.limit(GrantId(visit.path["id"]), to_percent=int(said), reason=visit.said("reason"), by=visit.actor)
        return f"The grant is limited to {said} % of its stage's quota."

    def pause(visit: Visit) -> str:
        access.grants.pause(GrantId(visit.path["id"]), reason=visit.said("reason"), by=visit.actor)
        return "The grant is paused."

    def end(visit: Visit) -> str:
        access.grants.end(GrantId(visit.path["id"]), reason=visit.said("reason"), by=visit.actor)
        return "The grant is ended; every key of it has stopped."

    def revoke(visit: Visit) -> str:
        access.keys.revoke(KeyId(visit.path["id"]), reason=visit.said("reason"), by=visit.actor)
        return "The key is revoked."

    def stopping(kind: str, verb: str, do: Callable[[Visit], str], again: Again, command: Command) -> Deed:
        back = f"{at}/access/{kind}/{{id}}"
        return Deed(f"/access/{kind}/{{id}}/{verb}", tried(do, again, back), command.needs)

    return (
        stopping("accounts", "suspend", suspend_account, one.account, Command.ACCOUNTS_SUSPEND),
        stopping("organisations", "suspend", suspend_organisation, one.organisation, Command.ORGANISATIONS_SUSPEND),
        stopping("cohorts", "freeze", freeze, one.cohort, Command.COHORTS_CHANGE),
        stopping("grants", "limit", limit, one.grant, Command.GRANTS_LIMIT),
        stopping("grants", "pause", pause, one.grant, Command.GRANTS_PAUSE),
        stopping("grants", "end", end, one.grant, Command.GRANTS_END),
        stopping("keys", "revoke", revoke, one.key, Command.KEYS_REVOKE),
    )


def tried(do: Callable[[Visit], str], again: Again, back: str) -> Callable[[Visit], Answer]:
    """Return a command that goes back to its thing's page when it was carried out, and shows why not when it was refused."""

    def answer(visit: Visit) -> Answer:
        try:
            said = do(visit)
        except (Forbidden, Unauthenticated):
            raise
        except (Refused, Stale) as problem:
            return again(visit, problem)
        return Went(back.format(id=visit.path.get("id", "")), said)

    return answer
