"""Those who work on a release: who they are, what they may do, and how they get in.

A token is never shown in a browser, where it would lie in a history and on a screen for months: somebody who is new here is given
a link that signs in once, and adds a passkey with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.access.model import Page
from headgate.access.wire.link_address import sign_in_address
from headgate.console.visit import Deed, Screen, Shown, Visit, Went
from headgate.kernel.actor import PERMISSIONS, Permission, Role
from headgate.kernel.errors import HeadgateError, Refused
from headgate.kernel.ids import PasskeyId, StaffId

if TYPE_CHECKING:
    from headgate.access.model import Staff
    from headgate.console.desks import Desks
    from headgate.console.visit import Table

_ON_A_PAGE = 50
_ROLES = {role.value: sorted(permission.value for permission in PERMISSIONS[role]) for role in Role}


def table(desks: Desks, at: str) -> Table:
    """Return the addresses of staff."""
    page = _StaffPages(desks, at)
    manage = Permission.STAFF
    return (
        Screen("/staff", page.every, manage),
        Deed("/staff/add", page.add, manage, confirmed=True),
        Screen("/staff/{member}", page.one, manage),
        Deed("/staff/{member}/invite", page.invite, manage, confirmed=True),
        Deed("/staff/{member}/sign-out", page.sign_out, manage),
        Screen("/staff/{member}/passkeys/{passkey}/remove", page.about_passkey, manage, confirmed=True),
        Deed("/staff/{member}/passkeys/{passkey}/remove", page.remove_passkey, manage, confirmed=True),
        Screen("/staff/{member}/revoke", page.about_revoking, manage, confirmed=True),
        Deed("/staff/{member}/revoke", page.revoke, manage, confirmed=True),
    )


@dataclass(frozen=True, slots=True)
class _StaffPages:
    """Those who work on a release."""

    desks: Desks
    at: str

    def every(self, visit: Visit, trouble: HeadgateError | None = None) -> Shown:
        after = visit.query.get("after", "")
        found = self.desks.access.staff.page(Page(after, _ON_A_PAGE + 1), by=visit.actor)
        given = {
            "members": found[:_ON_A_PAGE],
            "next": found[_ON_A_PAGE - 1].id if len(found) > _ON_A_PAGE else None,
            "first": after == "",
            "roles": _ROLES,
            "trouble": trouble,
            "name": visit.said("name"),
            "chosen": visit.form.getlist("role"),
        }
        return Shown("console/staff.html", given, 200 if trouble is None else 400)

    def add(self, visit: Visit) -> Shown:
        chosen = [role for role in Role if role.value in visit.form.getlist("role")]
        try:
            added = self.desks.access.staff.add(visit.said("name"), roles=chosen, by=visit.actor).of
        except Refused as error:
            return self.every(visit, error)
        return self._invited(visit, added, new=True)

    def one(self, visit: Visit) -> Shown:
        member = self._named(visit)
        given = {
            "member": member,
            "roles": {role.value: _ROLES[role.value] for role in sorted(member.roles, key=lambda role: role.value)},
            "sessions": self.desks.access.sessions.open_ones(member.id, by=visit.actor),
            "identities": self.desks.access.identities.of(member.id, by=visit.actor),
            "passkeys": self.desks.passkeys.of_member(member.id, by=visit.actor),
        }
        return Shown("console/staff_member.html", given)

    def invite(self, visit: Visit) -> Shown:
        return self._invited(visit, self._named(visit), new=False)

    def _invited(self, visit: Visit, member: Staff, *, new: bool) -> Shown:
        issued = self.desks.access.sessions.invite(member.id, by=visit.actor)
        link = sign_in_address(self.desks.origin, issued.secret)
        return Shown("console/staff_invited.html", {"member": member, "link": link, "ends": issued.of.expires_at, "new": new})

    def sign_out(self, visit: Visit) -> Went:
        member = self._named(visit)
        ended = self.desks.access.sessions.end_all(member.id, by=visit.actor)
        return Went(f"{self.at}/staff/{member.id}", f"{member.name} is signed out; {ended} sessions ended.")

    def about_passkey(self, visit: Visit, trouble: HeadgateError | None = None) -> Shown:
        member = self._named(visit)
        passkey = self.desks.passkeys.one_of_member(member.id, PasskeyId(visit.path["passkey"]), by=visit.actor)
        given = {
            "member": member,
            "passkey": passkey,
            "trouble": trouble,
            "reason": visit.said("reason"),
            "here": visit.session.passkey_id == passkey.id,
        }
        return Shown("console/passkey_remove.html", given, 200 if trouble is None else 400)

    def remove_passkey(self, visit: Visit) -> Shown | Went:
        member, passkey = self._named(visit), PasskeyId(visit.path["passkey"])
        try:
            removed, ended = self.desks.passkeys.remove_of_member(member.id, passkey, reason=visit.said("reason"), by=visit.actor)
        except Refused as error:
            return self.about_passkey(visit, error)
        and_ended = f"; {ended} session{'s' if ended != 1 else ''} that rested on it ended" if ended else ""
        return Went(f"{self.at}/staff/{member.id}", f"The passkey {removed.name} was removed{and_ended}.")

    def about_revoking(self, visit: Visit, trouble: HeadgateError | None = None) -> Shown:
        member = self._named(visit)
        given = {
            "member": member,
            "sessions": self.desks.access.sessions.open_ones(member.id, by=visit.actor),
            "trouble": trouble,
        }
        return Shown("console/staff_revoke.html", {**given, "reason": visit.said("reason")}, 200 if trouble is None else 400)

    def revoke(self, visit: Visit) -> Shown | Went:
        try:
            revoked = self.desks.access.staff.revoke(StaffId(visit.path["member"]), reason=visit.said("reason"), by=visit.actor)
        except Refused as error:
            return self.about_revoking(visit, error)
        return Went(f"{self.at}/staff", f"{revoked.name} may no longer do anything here.")

    def _named(self, visit: Visit) -> Staff:
        return self.desks.access.staff.get(StaffId(visit.path["member"]), by=visit.actor)
