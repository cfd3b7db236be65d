"""``headgate grant``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from headgate.access.cli.printing import After, AsJson, Limit, Reason, Yes, ask, show, show_all, show_secret, talk
from headgate.access.cli.session import instant, span
from headgate.access.model import GrantState, Page
from headgate.access.wire import spelled
from headgate.access.wire.link_address import chat_page_address
from headgate.kernel.ids import AccountId, GrantId

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.access.cli.session import Session


class GrantVerbs:
    """The verbs of ``headgate grant``."""

    def __init__(self, open_session: Callable[[], Session]) -> None:
        self._open = open_session

    def app(self) -> typer.Typer:
        """Return the noun with its verbs."""
        app = typer.Typer(help="Seats in a cohort: give them, hold them, take them back.", no_args_is_help=True)
        for name, verb in (
            ("add", self.add),
            ("list", self.list_),
            ("invite", self.invite),
            ("accepted", self.accepted),
            ("limit", self.limit),
            ("unlimit", self.unlimit),
            ("pause", self.pause),
            ("resume", self.resume),
            ("end", self.end),
        ):
            app.command(name)(verb)
        return app

    def add(
        self,
        account: Annotated[str, typer.Argument(help="Who is let in, acc_…")],
        cohort: Annotated[str, typer.Argument(help="Where to.")],
        *,
        ends: Annotated[str, typer.Option(help="When the seat ends: 90d, 2027-03-01 or an instant.")],
        starts: Annotated[str | None, typer.Option(help="When it starts; now when absent.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Give an account a seat in a cohort."""
        now = datetime.now(UTC)
        session = self._open()
        grant = session.access.grants.add(
            AccountId(account),
            cohort,
            ends_at=instant(ends, now=now),
            starts_at=None if starts is None else instant(starts, now=now),
            by=session.by,
        )
        show(spelled.grant(grant), as_json=as_json)
        if grant.state is GrantState.PENDING_TERMS:
            talk("It waits until its holder accepts the terms: POST /api/terms with one of its keys.")
        talk(f"Issue a key: headgate key add {grant.id} --scope api.chat")

    def invite(
        self,
        grant: Annotated[str, typer.Argument(help="Whose seat, gr_…")],
        *,
        life: Annotated[str | None, typer.Option(help="How long the link works, such as 1h; a day at most.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Print a link that opens the chat page once for the holder of a seat; they are given no key."""
        session = self._open()
        issued = session.access.chat_page.invite(GrantId(grant), by=session.by, life=span(life))
        link = chat_page_address(session.origin, issued.secret)
        ends = spelled.instant(issued.of.expires_at)
        said = f"It works once, until {ends}, for whoever opens it. This is the only time that it is shown."
        show_secret(link, {"grant": grant, "expires_at": ends}, as_json=as_json, name="link", said=said)

    def list_(
        self,
        *,
        account: Annotated[str | None, typer.Option(help="Only this account's.")] = None,
        cohort: Annotated[str | None, typer.Option(help="Only in this cohort.")] = None,
        after: After = "",
        limit: Limit = 100,
        as_json: AsJson = False,
    ) -> None:
        """List grants."""
        session = self._open()
        found = session.access.grants.page(
            Page(after, limit), account_id=None if account is None else AccountId(account), cohort=cohort, by=session.by
        )
        columns = ("id", "account_id", "cohort", "state", "ends_at", "simulated")
        show_all([spelled.grant(grant) for grant in found], columns, limit=limit, as_json=as_json)

    def accepted(
        self,
        grant: Annotated[str, typer.Argument(help="Its identifier, gr_…")],
        *,
        version: Annotated[str, typer.Option(help="The version of the terms that was accepted.")],
        evidence: Annotated[str, typer.Option(help="Where the acceptance can be found; it stands on the ledger.")],
        as_json: AsJson = False,
    ) -> None:
        """Record that the holder accepted the terms elsewhere, in a signed contract for instance."""
        session = self._open()
        changed = session.access.grants.record_acceptance(GrantId(grant), version, evidence=evidence, by=session.by)
        show(spelled.grant(changed), as_json=as_json)

    def limit(
        self,
        grant: Annotated[str, typer.Argument(help="Its identifier, gr_…")],
        *,
        to_percent: Annotated[int, typer.Option(min=1, max=99, help="The share of its stage's quota that is left.")],
        reason: Reason,
        as_json: AsJson = False,
    ) -> None:
        """Leave a seat only a share of its stage's quota."""
        session = self._open()
        changed = session.access.grants.limit(GrantId(grant), to_percent=to_percent, reason=reason, by=session.by)
        show(spelled.grant(changed), as_json=as_json)
        talk(f"To give it all back: headgate grant unlimit {grant} --reason …")

    def unlimit(
        self, grant: Annotated[str, typer.Argument(help="Its identifier, gr_…")], *, reason: Reason, as_json: AsJson = False
    ) -> None:
        """Give a limited seat its whole quota back."""
        session = self._open()
        show(spelled.grant(session.access.grants.unlimit(GrantId(grant), reason=reason, by=session.by)), as_json=as_json)

    def pause(
        self,
        grant: Annotated[str, typer.Argument(help="Its identifier, gr_…")],
        *,
        reason: Reason,
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        """Let nothing pass under a seat, and keep the seat."""
        session = self._open()
        found = session.access.grants.get(GrantId(grant), by=session.by)
        ask(f"This stops {grant} of {found.account_id} in {found.cohort} at once; the seat is kept.", yes=yes)
        show(spelled.grant(session.access.grants.pause(GrantId(grant), reason=reason, by=session.by)), as_json=as_json)
        talk(f"To go on: headgate grant resume {grant} --reason …")

    def resume(
        self, grant: Annotated[str, typer.Argument(help="Its identifier, gr_…")], *, reason: Reason, as_json: AsJson = False
    ) -> None:
        """Take a seat out of its pause."""
        session = self._open()
        show(spelled.grant(session.access.grants.resume(GrantId(grant), reason=reason, by=session.by)), as_json=as_json)

    def end(
        self,
        grant: Annotated[str, typer.Argument(help="Its identifier, gr_…")],
        *,
        reason: Reason,
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        """Take a seat back for good."""
        session = self._open()
        found = session.access.grants.get(GrantId(grant), by=session.by)
        ask(f"This ends {grant} of {found.account_id} in {found.cohort} for good, with every key of it.", yes=yes)
        show(spelled.grant(session.access.grants.end(GrantId(grant), reason=reason, by=session.by)), as_json=as_json)
        talk(f"To let them in again: headgate grant add {found.account_id} {found.cohort} --ends …")
