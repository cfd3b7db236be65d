"""``headgate staff``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headgate.access.cli.printing import After, AsJson, Limit, Reason, Yes, ask, show, show_all, show_secret
from headgate.access.cli.session import span
from headgate.access.model import Page
from headgate.access.wire import spelled
from headgate.access.wire.link_address import sign_in_address
from headgate.kernel.actor import Role  # noqa: TC001  Typer reads the annotations
from headgate.kernel.ids import IdentityId, StaffId

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.access.cli.session import Session
    from headgate.access.model import Issued, Staff


class StaffVerbs:
    """The verbs of ``headgate staff``."""

    def __init__(self, open_session: Callable[[], Session]) -> None:
        self._open = open_session

    def app(self) -> typer.Typer:
        """Return the noun with its verbs."""
        app = typer.Typer(help="Those who work on a release, and their tokens.", no_args_is_help=True)
        verbs = (
            ("add", self.add),
            ("list", self.list_),
            ("invite", self.invite),
            ("link", self.link),
            ("unlink", self.unlink),
            ("linked", self.linked),
            ("renew", self.renew),
            ("revoke", self.revoke),
        )
        for name, verb in verbs:
            app.command(name)(verb)
        return app

    def add(
        self,
        name: Annotated[str, typer.Argument(help="What people call them.")],
        *,
        role: Annotated[list[Role], typer.Option(help="A duty that they hold; may be repeated.")],
        life: Annotated[str | None, typer.Option(help="How long the token works, such as 30d.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Enter a member of staff; the token is printed once and kept nowhere."""
        session = self._open()
        _print(session.access.staff.add(name, roles=role, life=span(life), by=session.by), as_json=as_json)

    def list_(self, *, after: After = "", limit: Limit = 100, as_json: AsJson = False) -> None:
        """List staff."""
        session = self._open()
        found = session.access.staff.page(Page(after, limit), by=session.by)
        columns = ("id", "name", "roles", "state", "token_expires_at")
        show_all([spelled.member(member) for member in found], columns, limit=limit, as_json=as_json)

    def invite(
        self,
        member: Annotated[str, typer.Argument(help="Their identifier, stf_…")],
        *,
        life: Annotated[str | None, typer.Option(help="How long the link works, such as 1h; a day at most.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Print a link that signs a member of staff in to the console once."""
        session = self._open()
        issued = session.access.sessions.invite(StaffId(member), by=session.by, life=span(life))
        link = sign_in_address(session.origin, issued.secret)
        ends = spelled.instant(issued.of.expires_at)
        said = f"It works once, until {ends}, for whoever opens it. This is the only time that it is shown."
        show_secret(link, {"member": member, "expires_at": ends}, as_json=as_json, name="link", said=said)

    def link(
        self,
        member: Annotated[str, typer.Argument(help="Their identifier, stf_…")],
        *,
        issuer: Annotated[str, typer.Option(help="The OpenID provider, exactly as it spells itself.")],
        subject: Annotated[str, typer.Option(help="What the provider calls their account (`sub`); never an e-mail address.")],
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        """Let an account at an OpenID provider sign a member of staff in."""
        session = self._open()
        found = session.access.staff.get(StaffId(member), by=session.by)
        ask(f"Whoever is {subject!r} at {issuer} will be signed in as {found.name} ({member}).", yes=yes)
        linked = session.access.identities.link(StaffId(member), issuer=issuer, subject=subject, by=session.by)
        show(spelled.identity(linked), as_json=as_json)

    def unlink(
        self,
        identity: Annotated[str, typer.Argument(help="The link's identifier, idn_…")],
        *,
        as_json: AsJson = False,
    ) -> None:
        """Undo a link with a provider; sessions that it began go on."""
        session = self._open()
        show(spelled.identity(session.access.identities.unlink(IdentityId(identity), by=session.by)), as_json=as_json)

    def linked(
        self,
        member: Annotated[str, typer.Argument(help="Their identifier, stf_…")],
        *,
        as_json: AsJson = False,
    ) -> None:
        """List the accounts at providers that sign a member of staff in."""
        session = self._open()
        found = session.access.identities.of(StaffId(member), by=session.by)
        columns = ("id", "issuer", "subject", "linked_at", "last_used_at")
        show_all([spelled.identity(each) for each in found], columns, limit=len(found) + 1, as_json=as_json)

    def renew(
        self,
        member: Annotated[str, typer.Argument(help="Their identifier, stf_…")],
        *,
        life: Annotated[str | None, typer.Option(help="How long the new token works, such as 30d.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Issue a new token; the old one stops at once."""
        session = self._open()
        _print(session.access.staff.renew(StaffId(member), life=span(life), by=session.by), as_json=as_json)

    def revoke(
        self,
        member: Annotated[str, typer.Argument(help="Their identifier, stf_…")],
        *,
        reason: Reason,
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        """Take a member of staff's rights away for good."""
        session = self._open()
        found = session.access.staff.get(StaffId(member), by=session.by)
        ask(f"This ends what {found.name} ({member}) may do, at once and for good.", yes=yes)
        show(spelled.member(session.access.staff.revoke(StaffId(member), reason=reason, by=session.by)), as_json=as_json)


def _print(issued: Issued[Staff], *, as_json: bool) -> None:
    said = (
        f"{issued.of.id}, until {spelled.instant(issued.of.token_expires_at)}."
        " This is the only time that the token is shown; hand it over privately."
    )
    show_secret(issued.secret, spelled.member(issued.of), as_json=as_json, name="token", said=said)
