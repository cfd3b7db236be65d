"""Which of the widening commands a thing can take as it stands, and what each asks for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from headgate.access.model import AccountState, CohortState, Command, GrantState, OrganisationState, Page, Tier
from headgate.console.forms import REASON, Field, Form
from headgate.kernel.ids import AccountId, GrantId, OrganisationId

if TYPE_CHECKING:
    from headgate.console.desks import Desks
    from headgate.console.visit import Visit

_MOST = 1000
_TERM = timedelta(days=90)


class Offering:
    """The forms that let somebody in.

    Args:
        desks: The services.
    """

    def __init__(self, desks: Desks) -> None:
        self._access = desks.access

    def new(self, visit: Visit) -> list[Form]:
        """Return the forms for whoever and whatever is not there yet."""
        del visit
        named = Field("name", "Name")
        return [
            Form(
                "/access/new/account",
                "An account",
                "A person or a service. It can do nothing until it has a grant.",
                "Enter this account",
                Command.ACCOUNTS_ADD.needs,
                (
                    named,
                    Field("email", "E-mail", "email", required=False, help="Only a keyed hash is kept, to know them again."),
                    Field("organisation", "Organisation", required=False, help="Its identifier, org_…, if it belongs to one."),
                    Field("tier", "Trusted as", "select", Tier.UNTRUSTED.value, tuple(tier.value for tier in Tier)),
                ),
            ),
            Form(
                "/access/new/organisation",
                "An organisation",
                "Accounts that answer for each other.",
                "Enter this organisation",
                Command.ORGANISATIONS_ADD.needs,
                (named,),
            ),
            Form(
                "/access/new/cohort",
                "A cohort",
                "A group of seats that a stage of a plan can name. A plan that names it sets its seats.",
                "Enter this cohort",
                Command.COHORTS_ADD.needs,
                (
                    Field("name", "Name, as plans spell it"),
                    Field("seats", "Seats", "number", required=False, help="Nothing for no bound."),
                    Field("version", "Version of the terms", required=False),
                    Field("url", "Where the terms can be read", required=False),
                ),
            ),
        ]

    def account(self, visit: Visit) -> list[Form]:
        """Return the forms for an account."""
        account = self._access.accounts.get(AccountId(visit.path["id"]), by=visit.actor)
        at = f"/access/accounts/{account.id}"
        if account.state is AccountState.CLOSED:
            return []
        reinstate = Form(
            f"{at}/reinstate",
            "Reinstate",
            "It is let back in, with whatever grants and keys it still has.",
            "Reinstate this account",
            Command.ACCOUNTS_REINSTATE.needs,
        )
        if account.state is AccountState.SUSPENDED:
            return [reinstate, self._declare(visit, at)]
        cohorts = [each.cohort.name for each in self._access.cohorts.page(Page(limit=_MOST), by=visit.actor)]
        ends = f"{visit.at + _TERM:%Y-%m-%dT%H:%M}"
        give = Form(
            f"{at}/grant",
            "Give it a seat",
            "It may use whatever the stages of the seat's cohort allow, once it has accepted their terms.",
            "Give it this seat",
            Command.GRANTS_ADD.needs,
            (
                Field("cohort", "Cohort", "select", options=tuple(cohorts)),
                Field("ends_at", "Ends at (UTC)", "datetime-local", ends),
            ),
        )
        return [*([give] if cohorts else []), self._declare(visit, at)]

    def closing(self, visit: Visit) -> list[Form]:
        """Return the form that closes an account."""
        account = self._access.accounts.get(AccountId(visit.path["id"]), by=visit.actor)
        if account.state is AccountState.CLOSED:
            return []
        effect = "It ends for good, with all of its grants and keys. Whoever comes back is given a new account."
        at = f"/access/accounts/{account.id}/close"
        return [Form(at, "Close", effect, "Close this account", Command.ACCOUNTS_CLOSE.needs, danger=True)]

    def organisation(self, visit: Visit) -> list[Form]:
        """Return the forms for an organisation."""
        organisation = self._access.organisations.get(OrganisationId(visit.path["id"]), by=visit.actor)
        if organisation.state is not OrganisationState.SUSPENDED:
            return []
        at = f"/access/organisations/{organisation.id}/reinstate"
        effect = "Its accounts are let back in, with whatever grants and keys they still have."
        return [Form(at, "Reinstate", effect, "Reinstate this organisation", Command.ORGANISATIONS_REINSTATE.needs)]

    def cohort(self, visit: Visit) -> list[Form]:
        """Return the forms for a cohort."""
        cohort = self._access.cohorts.get(visit.path["id"], by=visit.actor).cohort
        at = f"/access/cohorts/{cohort.name}"
        seats = "" if cohort.seats is None else str(cohort.seats)
        states = tuple(state.value for state in CohortState)
        return [
            Form(
                f"{at}/change",
                "Seats and state",
                "Fewer seats than are taken turn nobody out. While an open stage of a plan names it, its seats follow the plan.",
                "Change this cohort",
                Command.COHORTS_CHANGE.needs,
                (
                    Field("seats", "Seats", "number", seats, required=False, help="Nothing for no bound."),
                    Field("state", "It takes people in if it is open", "select", cohort.state.value, states),
                ),
            ),
        ]

    def terms(self, visit: Visit) -> list[Form]:
        """Return the form that puts new terms in force."""
        cohort = self._access.cohorts.get(visit.path["id"], by=visit.actor).cohort
        return [
            Form(
                f"/access/cohorts/{cohort.name}/terms",
                "New terms",
                "Holders are asked to accept them. Whoever has not by then can use nothing until they do.",
                "Put these terms in force",
                Command.COHORTS_CHANGE_TERMS.needs,
                (
                    Field("version", "Version", help=f"In force now: {cohort.terms_version or 'none'}."),
                    Field("url", "Where they can be read", value=cohort.terms_url or "", required=False),
                    Field("grace", "Time to accept them", value="14d", help="Such as 14d; 0s for none."),
                ),
                danger=True,
            ),
        ]

    def grant(self, visit: Visit) -> list[Form]:
        """Return the forms for a grant."""
        grant = self._access.grants.get(GrantId(visit.path["id"]), by=visit.actor)
        cohort = self._access.cohorts.get(grant.cohort, by=visit.actor).cohort
        at = f"/access/grants/{grant.id}"
        if grant.state is GrantState.ENDED:
            return []
        forms: list[Form] = []
        if grant.state is GrantState.PAUSED:
            effect = "It goes on where its terms and limits leave it."
            forms.append(Form(f"{at}/resume", "Resume", effect, "Resume this grant", Command.GRANTS_RESUME.needs))
        if grant.limited_to_percent < 100:  # noqa: PLR2004 - per cent
            effect = f"It has {grant.limited_to_percent} % of its stage's quota now."
            forms.append(
                Form(f"{at}/unlimit", "Give the whole quota back", effect, "Lift the limit", Command.GRANTS_UNLIMIT.needs)
            )
        if cohort.terms_version is not None and grant.terms_version != cohort.terms_version:
            forms.append(
                Form(
                    f"{at}/accept",
                    "Record that the terms were accepted",
                    "Elsewhere, in a signed contract, say. Where the acceptance can be found stands on the ledger.",
                    "Record the acceptance",
                    Command.GRANTS_RECORD_ACCEPTANCE.needs,
                    (
                        Field("version", "Version", value=cohort.terms_version),
                        Field("evidence", "Where it can be found", help=REASON.help),
                    ),
                )
            )
        return forms

    def _declare(self, visit: Visit, at: str) -> Form:
        account = AccountId(visit.path["id"])
        declared = self._access.accounts.describe([account], by=visit.actor)[account].declared
        said = {"country": "Country", "language": "Language", "region": "Region", "use_case": "Use case"}
        fields = tuple(Field(name, label, value=getattr(declared, name) or "", required=False) for name, label in said.items())
        effect = "Evidence tells people apart by it, so a change moves what was measured before. What is left empty stays."
        return Form(f"{at}/declare", "What it says of itself", effect, "Write it down", Command.ACCOUNTS_DECLARE.needs, fields)
