"""``headgate key``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from headgate.access.cli.printing import After, AsJson, Limit, Reason, Yes, ask, show, show_all, show_secret, talk
from headgate.access.cli.session import span
from headgate.access.model import Page
from headgate.access.service.keys import LEAKS_AT_MOST
from headgate.access.wire import spelled
from headgate.kernel.ids import AccountId, GrantId, KeyId

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.access.cli.session import Session
    from headgate.access.model import Issued, Key


class KeyVerbs:
    """The verbs of ``headgate key``."""

    def __init__(self, open_session: Callable[[], Session]) -> None:
        self._open = open_session

    def app(self) -> typer.Typer:
        """Return the noun with its verbs."""
        app = typer.Typer(help="Credentials of a grant: issue, rotate, revoke them.", no_args_is_help=True)
        for name, verb in (
            ("add", self.add),
            ("list", self.list_),
            ("rotate", self.rotate),
            ("revoke", self.revoke),
            ("report-leak", self.report_leak),
        ):
            app.command(name)(verb)
        return app

    def add(
        self,
        grant: Annotated[str, typer.Argument(help="Whose credential it is, gr_…")],
        *,
        scope: Annotated[list[str], typer.Option(help="A surface that it opens, such as api.chat; may be repeated.")],
        label: Annotated[str, typer.Option(help="What its holder calls it.")] = "key",
        network: Annotated[
            list[str] | None, typer.Option(help="A network it may be used from, 192.0.2.0/24; may be repeated.")
        ] = None,
        life: Annotated[str | None, typer.Option(help="How long it works, such as 30d.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Issue a key; its text is printed once and kept nowhere."""
        session = self._open()
        issued = session.access.keys.add(
            GrantId(grant), scopes=scope, label=label, networks=network or (), life=span(life), by=session.by
        )
        _print(issued, as_json=as_json)

    def list_(
        self,
        *,
        account: Annotated[str | None, typer.Option(help="Only this account's.")] = None,
        grant: Annotated[str | None, typer.Option(help="Only this grant's.")] = None,
        after: After = "",
        limit: Limit = 100,
        as_json: AsJson = False,
    ) -> None:
        """List keys; their texts cannot be shown again."""
        session = self._open()
        found = session.access.keys.page(
            Page(after, limit),
            account_id=None if account is None else AccountId(account),
            grant_id=None if grant is None else GrantId(grant),
            by=session.by,
        )
        columns = ("id", "grant_id", "label", "state", "scopes", "expires_at", "last_used_at")
        show_all([spelled.key(key) for key in found], columns, limit=limit, as_json=as_json)

    def rotate(
        self,
        key: Annotated[str, typer.Argument(help="The key to be replaced, key_…")],
        *,
        overlap: Annotated[str | None, typer.Option(help="How long both work, such as 24h; 0 for none.")] = None,
        life: Annotated[str | None, typer.Option(help="How long the successor works, such as 30d.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Issue a successor with the same scopes and networks; its text is printed once."""
        session = self._open()
        issued = session.access.keys.rotate(KeyId(key), overlap=span(overlap), life=span(life), by=session.by)
        _print(issued, as_json=as_json)
        old = session.access.keys.get(KeyId(key), by=session.by)
        talk(f"{key} is {old.state.value}" + (f" and works until {spelled.instant(old.retires_at)}." if old.retires_at else "."))

    def revoke(
        self,
        key: Annotated[str, typer.Argument(help="Its identifier, key_…")],
        *,
        reason: Reason,
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        """Stop a key for good, open streams included."""
        session = self._open()
        found = session.access.keys.get(KeyId(key), by=session.by)
        ask(f"This stops {key} ({found.label}) at once and for good.", yes=yes)
        revoked = session.access.keys.revoke(KeyId(key), reason=reason, by=session.by)
        show(spelled.key(revoked), as_json=as_json)
        talk(f"To issue another: headgate key add {found.grant_id} --scope …")

    def report_leak(self) -> None:
        """Quarantine leaked keys: their texts are read from standard input, one a line.

        They are not arguments, because arguments stay in the shell's history.
        """
        texts = [line.strip() for line in sys.stdin if line.strip()]
        access = self._open().access
        for start in range(0, len(texts), LEAKS_AT_MOST):
            access.report_leaks(texts[start : start + LEAKS_AT_MOST])
        talk(f"{len(texts)} reported. Whatever is a key of ours is quarantined; see headgate ledger show --kind key.quarantined")


def _print(issued: Issued[Key], *, as_json: bool) -> None:
    said = (
        f"{issued.of.id}, until {spelled.instant(issued.of.expires_at)}."
        " This is the only time that the key is shown; keep it somewhere safe."
    )
    show_secret(issued.secret, spelled.key(issued.of), as_json=as_json, name="key", said=said)
