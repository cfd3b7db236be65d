"""Proving anew that it is you, before something dangerous: by a passkey, by the provider, or by a fresh link.

Whoever has a passkey or an account at the provider is asked for that; a link is for those who have neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.access.errors import ProviderNotSet
from headgate.access.model import Purpose
from headgate.console.visit import Deed, Screen, Shown, Told, Visit, Went, within
from headgate.kernel.actor import Permission
from headgate.kernel.errors import HeadgateError, Unauthenticated
from headgate.kernel.ids import AttemptId

if TYPE_CHECKING:
    from headgate.access.model import Issued, Session
    from headgate.console.desks import Desks
    from headgate.console.visit import Table

CONFIRMED = "Thank you. For the next minutes you are not asked again."


def table(desks: Desks, at: str) -> Table:
    """Return the addresses of proving that it is you."""
    page = _Confirming(desks, at)
    return (
        Screen("/confirm", page.show, Permission.VIEW),
        Deed("/confirm/passkey/ask", page.ask, Permission.VIEW),
        Deed("/confirm/passkey", page.by_passkey, Permission.VIEW),
        Deed("/confirm/link", page.by_link, Permission.VIEW),
        Deed("/confirm/provider", page.by_provider, Permission.VIEW),
    )


@dataclass(frozen=True, slots=True)
class _Confirming:
    """Proving that it is you."""

    desks: Desks
    at: str

    def _page(self, visit: Visit, to: str, trouble: HeadgateError | None = None) -> Shown:
        providers = self.desks.providers
        linked = self.desks.access.identities.of(visit.session.staff_id, by=visit.actor)
        issuer = None if providers is None else providers.issuer
        given = {
            "to": within(to, self.at),
            "trouble": trouble,
            "passkeys": self.desks.passkeys.of(visit.session),
            "issuer": issuer if any(identity.issuer == issuer for identity in linked) else None,
        }
        return Shown("console/confirm.html", given, 200 if trouble is None else 401)

    def show(self, visit: Visit) -> Shown:
        return self._page(visit, visit.query.get("to", ""))

    def ask(self, visit: Visit) -> Told:
        question = self.desks.passkeys.ask_again(visit.session)
        return Told({"attempt": question.attempt.of.id, "options": dict(question.options)})

    def by_passkey(self, visit: Visit) -> Shown | Went:
        try:
            issued = self.desks.passkeys.verify(visit.session, AttemptId(visit.said("attempt")), visit.said("answer"))
        except Unauthenticated as error:
            return self._page(visit, visit.said("to"), error)
        return self._went(visit, issued)

    def by_link(self, visit: Visit) -> Shown | Went:
        try:
            issued = self.desks.access.sessions.verify_by_link(visit.session, visit.said("link").rpartition("#")[2])
        except Unauthenticated as error:
            return self._page(visit, visit.said("to"), error)
        return self._went(visit, issued)

    def by_provider(self, visit: Visit) -> Shown:
        providers = self.desks.providers
        if providers is None:
            raise ProviderNotSet("Nobody signs in by a provider here.", help="Confirm by a passkey or a link.")
        to = within(visit.said("to"), self.at)
        leaving = providers.leave(Purpose.CONFIRM_BY_PROVIDER, session=visit.session, to=to)
        return Shown("console/leaving.html", {"address": leaving.address, "issuer": providers.issuer})

    def _went(self, visit: Visit, issued: Issued[Session]) -> Went:
        return Went(within(visit.said("to"), self.at), CONFIRMED, renewed=issued.secret)
