"""Your own page: who you are here, what you may do, where you are signed in, and what you sign in with.

Adding or removing something that signs you in asks that you have proved lately that it is you: a browser left open must not be
enough to get a way in of one's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.access.errors import LastWayIn, ProviderNotSet
from headgate.access.model import Purpose
from headgate.console.visit import Deed, Screen, Shown, Told, Visit, Went
from headgate.kernel.actor import PERMISSIONS, Permission
from headgate.kernel.errors import HeadgateError, Invalid, Refused
from headgate.kernel.ids import AttemptId, IdentityId, PasskeyId, SessionId

if TYPE_CHECKING:
    from headgate.console.desks import Desks
    from headgate.console.visit import Table


def table(desks: Desks, at: str) -> Table:
    """Return the addresses of one's own page."""
    page = _Me(desks, at)
    view = Permission.VIEW
    return (
        Screen("/me", page.show, view),
        Deed("/me/sessions/end", page.end_every_session, view),
        Deed("/me/sessions/{session}/end", page.end_session, view),
        Screen("/me/passkeys/new", page.new_passkey, view, confirmed=True),
        Deed("/me/passkeys/ask", page.ask_for_passkey, view, confirmed=True),
        Deed("/me/passkeys/add", page.add_passkey, view, confirmed=True),
        Screen("/me/passkeys/{passkey}/rename", page.naming, view),
        Deed("/me/passkeys/{passkey}/rename", page.rename_passkey, view),
        Screen("/me/passkeys/{passkey}/remove", page.about_passkey, view, confirmed=True),
        Deed("/me/passkeys/{passkey}/remove", page.remove_passkey, view, confirmed=True),
        Deed("/me/provider/link", page.link_provider, view, confirmed=True),
        Screen("/me/provider/{identity}/unlink", page.about_identity, view, confirmed=True),
        Deed("/me/provider/{identity}/unlink", page.unlink_provider, view, confirmed=True),
    )


@dataclass(frozen=True, slots=True)
class _Me:
    """One's own page."""

    desks: Desks
    at: str

    def show(self, visit: Visit) -> Shown:
        roles = sorted(visit.actor.roles, key=lambda role: role.value)
        held = {role.value: sorted(permission.value for permission in PERMISSIONS[role]) for role in roles}
        staff_id = visit.session.staff_id
        given = {
            "roles": held,
            "sessions": self.desks.access.sessions.open_ones(staff_id, by=visit.actor),
            "passkeys": self.desks.passkeys.of(visit.session),
            "identities": self.desks.access.identities.of(staff_id, by=visit.actor),
            "issuer": None if self.desks.providers is None else self.desks.providers.issuer,
        }
        return Shown("console/me.html", given)

    def end_session(self, visit: Visit) -> Went:
        self.desks.access.sessions.end_other(visit.session, SessionId(visit.path["session"]))
        return Went(f"{self.at}/me", "That session has ended.")

    def end_every_session(self, visit: Visit) -> Went:
        self.desks.access.sessions.end_all(visit.session.staff_id, by=visit.actor)
        return Went(f"{self.at}/sign-in", "You are signed out everywhere.")

    def new_passkey(self, visit: Visit, trouble: HeadgateError | None = None) -> Shown:
        given = {"trouble": trouble, "name": visit.said("name"), "suggested": visit.session.browser.partition(",")[0]}
        return Shown("console/passkey_new.html", given, 200 if trouble is None else 400)

    def ask_for_passkey(self, visit: Visit) -> Told:
        question = self.desks.passkeys.ask_for_new(visit.session)
        return Told({"attempt": question.attempt.of.id, "options": dict(question.options)})

    def add_passkey(self, visit: Visit) -> Shown | Went:
        try:
            added = self.desks.passkeys.add(
                visit.session, AttemptId(visit.said("attempt")), visit.said("answer"), name=visit.said("name")
            )
        except Refused as error:
            return self.new_passkey(visit, error)
        return Went(f"{self.at}/me", f"The passkey {added.name} was added.")

    def naming(self, visit: Visit, trouble: HeadgateError | None = None) -> Shown:
        passkey = self.desks.passkeys.get(visit.session, PasskeyId(visit.path["passkey"]))
        given = {"passkey": passkey, "trouble": trouble, "name": visit.said("name") if trouble else passkey.name}
        return Shown("console/passkey_rename.html", given, 200 if trouble is None else 400)

    def rename_passkey(self, visit: Visit) -> Shown | Went:
        try:
            named = self.desks.passkeys.rename(visit.session, PasskeyId(visit.path["passkey"]), visit.said("name"))
        except Invalid as error:
            return self.naming(visit, error)
        return Went(f"{self.at}/me", f"The passkey is called {named.name} now.")

    def about_passkey(self, visit: Visit, trouble: HeadgateError | None = None) -> Shown:
        passkey = self.desks.passkeys.get(visit.session, PasskeyId(visit.path["passkey"]))
        given = {"passkey": passkey, "member": None, "trouble": trouble, "here": visit.session.passkey_id == passkey.id}
        return Shown("console/passkey_remove.html", given, 200 if trouble is None else 403)

    def remove_passkey(self, visit: Visit) -> Shown | Went:
        try:
            removed = self.desks.passkeys.remove(visit.session, PasskeyId(visit.path["passkey"]))
        except LastWayIn as error:
            return self.about_passkey(visit, error)
        return Went(f"{self.at}/me", f"The passkey {removed.name} was removed.")

    def link_provider(self, visit: Visit) -> Shown:
        if self.desks.providers is None:
            raise ProviderNotSet("Nobody signs in by a provider here.", help="Add a passkey instead.")
        leaving = self.desks.providers.leave(Purpose.LINK_PROVIDER, session=visit.session)
        return Shown("console/leaving.html", {"address": leaving.address, "issuer": self.desks.providers.issuer})

    def about_identity(self, visit: Visit, trouble: HeadgateError | None = None) -> Shown:
        identity = self.desks.access.identities.own(visit.session, IdentityId(visit.path["identity"]))
        given = {"identity": identity, "trouble": trouble}
        return Shown("console/provider_unlink.html", given, 200 if trouble is None else 403)

    def unlink_provider(self, visit: Visit) -> Shown | Went:
        try:
            removed = self.desks.access.identities.unlink_own(visit.session, IdentityId(visit.path["identity"]))
        except LastWayIn as error:
            return self.about_identity(visit, error)
        return Went(f"{self.at}/me", f"You are no longer linked with your account at {removed.issuer}.")
