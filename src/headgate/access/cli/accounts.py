"""``headgate account`` and ``headgate organisation``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headgate.access.cli.printing import After, AsJson, Limit, Reason, Yes, ask, show, show_all, talk
from headgate.access.model import Page, Tier
from headgate.access.wire import spelled
from headgate.kernel.ids import AccountId, OrganisationId

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.access.cli.session import Session

_MOST = 1000


class AccountVerbs:
    """The verbs of ``headgate account``."""

    def __init__(self, open_session: Callable[[], Session]) -> None:
        self._open = open_session

    def app(self) -> typer.Typer:
        """Return the noun with its verbs."""
        app = typer.Typer(help="People and services: enter them, look at them, stop them.", no_args_is_help=True)
        for name, verb in (
            ("add", self.add),
            ("list", self.list_),
            ("show", self.show),
            ("declare", self.declare),
            ("suspend", self.suspend),
            ("reinstate", self.reinstate),
            ("close", self.close),
        ):
            app.command(name)(verb)
        return app

    def add(
        self,
        name: Annotated[str, typer.Argument(help="What people call it.")],
        *,
        email: Annotated[str | None, typer.Option(help="Its holder's address; only a keyed hash is kept.")] = None,
        organisation: Annotated[str | None, typer.Option(help="The organisation that it belongs to.")] = None,
        tier: Annotated[Tier, typer.Option(help="How far it is trusted.")] = Tier.UNTRUSTED,
        simulated: Annotated[bool, typer.Option("--simulated", help="Made up for a demonstration; says so everywhere.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Enter an account."""
        session = self._open()
        account = session.access.accounts.add(
            name,
            email=email,
            organisation_id=None if organisation is None else OrganisationId(organisation),
            tier=tier,
            simulated=simulated,
            by=session.by,
        )
        show(spelled.account(account), as_json=as_json)
        talk(f"Give it a seat: headgate grant add {account.id} COHORT --ends 90d")

    def list_(
        self,
        *,
        organisation: Annotated[str | None, typer.Option(help="Only this organisation's.")] = None,
        after: After = "",
        limit: Limit = 100,
        as_json: AsJson = False,
    ) -> None:
        """List accounts."""
        session = self._open()
        found = session.access.accounts.page(
            Page(after, limit),
            organisation_id=None if organisation is None else OrganisationId(organisation),
            by=session.by,
        )
        columns = ("id", "name", "organisation_id", "tier", "state", "simulated")
        show_all([spelled.account(account) for account in found], columns, limit=limit, as_json=as_json)

    def show(self, account: Annotated[str, typer.Argument(help="Its identifier, acc_…")], *, as_json: AsJson = False) -> None:
        """Show an account with its grants and keys."""
        session = self._open()
        id = AccountId(account)  # noqa: A001 - the field's word
        page = Page(limit=_MOST)
        found = spelled.account(session.access.accounts.get(id, by=session.by))
        said = session.access.accounts.describe([id], by=session.by)[id].declared
        found["declared"] = {name: word for name, word in spelled.declared(said).items() if word is not None}
        grants = [spelled.grant(grant) for grant in session.access.grants.page(page, account_id=id, by=session.by)]
        keys = [spelled.key(key) for key in session.access.keys.page(page, account_id=id, by=session.by)]
        if as_json:
            show({**found, "grants": grants, "keys": keys}, as_json=True)
            return
        show(found, as_json=False)
        show_all(grants, ("id", "cohort", "state", "ends_at"), limit=_MOST, as_json=False)
        show_all(keys, ("id", "label", "state", "scopes", "expires_at", "last_used_at"), limit=_MOST, as_json=False)

    def declare(
        self,
        account: Annotated[str, typer.Argument(help="Its identifier, acc_…")],
        *,
        country: Annotated[str | None, typer.Option(help="Where the people behind it are.")] = None,
        language: Annotated[str | None, typer.Option(help="What they mostly write in.")] = None,
        region: Annotated[str | None, typer.Option(help="Which part of the world they are in.")] = None,
        use_case: Annotated[str | None, typer.Option(help="What they use the model for.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Write down what an account says of itself; coverage gates tell people apart by it."""
        session = self._open()
        whole = session.access.accounts.declare(
            AccountId(account), country=country, language=language, region=region, use_case=use_case, by=session.by
        )
        show({"id": account, **spelled.declared(whole)}, as_json=as_json)

    def suspend(
        self,
        account: Annotated[str, typer.Argument(help="Its identifier, acc_…")],
        *,
        reason: Reason,
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        """Stop every grant and key of an account at once, open streams included."""
        session = self._open()
        name = session.access.accounts.get(AccountId(account), by=session.by).name
        keys = session.access.keys.page(Page(limit=_MOST), account_id=AccountId(account), by=session.by)
        ask(f"This stops {account} ({name}) and its {len(keys)} keys at once.", yes=yes)
        stopped = session.access.accounts.suspend(AccountId(account), reason=reason, by=session.by)
        show(spelled.account(stopped), as_json=as_json)
        talk(f"To let it back in: headgate account reinstate {account} --reason …")

    def reinstate(
        self,
        account: Annotated[str, typer.Argument(help="Its identifier, acc_…")],
        *,
        reason: Reason,
        as_json: AsJson = False,
    ) -> None:
        """Let a suspended account back in, with the grants and keys that it still has."""
        session = self._open()
        back = session.access.accounts.reinstate(AccountId(account), reason=reason, by=session.by)
        show(spelled.account(back), as_json=as_json)

    def close(
        self,
        account: Annotated[str, typer.Argument(help="Its identifier, acc_…")],
        *,
        reason: Reason,
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        """Close an account for good."""
        session = self._open()
        name = session.access.accounts.get(AccountId(account), by=session.by).name
        ask(f"This closes {account} ({name}) for good; it cannot be undone.", yes=yes)
        closed = session.access.accounts.close(AccountId(account), reason=reason, by=session.by)
        show(spelled.account(closed), as_json=as_json)


class OrganisationVerbs:
    """The verbs of ``headgate organisation``."""

    def __init__(self, open_session: Callable[[], Session]) -> None:
        self._open = open_session

    def app(self) -> typer.Typer:
        """Return the noun with its verbs."""
        app = typer.Typer(help="Organisations that accounts belong to.", no_args_is_help=True)
        for name, verb in (
            ("add", self.add),
            ("list", self.list_),
            ("suspend", self.suspend),
            ("reinstate", self.reinstate),
        ):
            app.command(name)(verb)
        return app

    def add(self, name: Annotated[str, typer.Argument(help="What people call it.")], *, as_json: AsJson = False) -> None:
        """Enter an organisation."""
        session = self._open()
        organisation = session.access.organisations.add(name, by=session.by)
        show(spelled.organisation(organisation), as_json=as_json)

    def list_(self, *, after: After = "", limit: Limit = 100, as_json: AsJson = False) -> None:
        """List organisations."""
        session = self._open()
        found = session.access.organisations.page(Page(after, limit), by=session.by)
        listed = [spelled.organisation(organisation) for organisation in found]
        show_all(listed, ("id", "name", "state"), limit=limit, as_json=as_json)

    def suspend(
        self,
        organisation: Annotated[str, typer.Argument(help="Its identifier, org_…")],
        *,
        reason: Reason,
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        """Stop every account of an organisation at once, open streams included."""
        session = self._open()
        id = OrganisationId(organisation)  # noqa: A001 - the field's word
        name = session.access.organisations.get(id, by=session.by).name
        ask(f"This stops every account of {organisation} ({name}) at once.", yes=yes)
        stopped = session.access.organisations.suspend(id, reason=reason, by=session.by)
        show(spelled.organisation(stopped), as_json=as_json)
        talk(f"To let it back in: headgate organisation reinstate {organisation} --reason …")

    def reinstate(
        self,
        organisation: Annotated[str, typer.Argument(help="Its identifier, org_…")],
        *,
        reason: Reason,
        as_json: AsJson = False,
    ) -> None:
        """Let a suspended organisation back in."""
        session = self._open()
        back = session.access.organisations.reinstate(OrganisationId(organisation), reason=reason, by=session.by)
        show(spelled.organisation(back), as_json=as_json)
