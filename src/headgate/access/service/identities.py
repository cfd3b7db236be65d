"""Which account at which OpenID provider signs which member of staff in.

Linking is always somebody's explicit act: the member's own, who has just shown both sides that it is they, or that of somebody
who manages staff. An e-mail address never links anything: it can be given to somebody else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headgate.access import errors
from headgate.access.decide.inputs import identity_for
from headgate.access.model import Command, Identity
from headgate.access.service.desk import entry
from headgate.access.service.sessions import must_be_active, must_keep_a_way_in, self_of
from headgate.kernel.ids import IdentityId

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.access.model import Session
    from headgate.access.ports import Transaction
    from headgate.access.service.desk import Desk
    from headgate.kernel.actor import Actor
    from headgate.kernel.ids import StaffId


class Identities:
    """What can be asked about links with providers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def link(self, staff_id: StaffId, *, issuer: str, subject: str, by: Actor) -> Identity:
        """Link a provider's account with a member of staff; linking what is linked already changes nothing.

        Raises:
            Forbidden: ``by`` may not.
            StaffNotFound: There is no such member.
            StaffRevoked: They were revoked.
            IdentityInvalid: This cannot be an account at a provider.
            IdentityTaken: It is linked with somebody else.
        """
        by.must(Command.IDENTITIES_LINK.needs)
        where, who = identity_for(issuer, subject)
        now = self._desk.now()
        with self._desk.store.writing() as tx:
            must_be_active(tx.member(staff_id))
            return linked(self._desk, tx, staff_id, where, who, by=by, now=now)

    def unlink(self, identity_id: IdentityId, *, by: Actor) -> Identity:
        """Undo somebody's link; sessions that it began go on.

        Raises:
            Forbidden: ``by`` may not.
            IdentityNotFound: There is no such link.
            LastWayIn: It is the last way in of the only one who may manage staff.
        """
        by.must(Command.IDENTITIES_UNLINK.needs)
        with self._desk.store.writing() as tx:
            return self._undone(tx, _standing(tx.identity(identity_id)), by)

    def unlink_own(self, session: Session, identity_id: IdentityId) -> Identity:
        """Undo a link of a session's holder; sessions that it began go on.

        Raises:
            IdentityNotFound: They have none such.
            LastWayIn: It is the last way in of the only one who may manage staff.
        """
        with self._desk.store.writing() as tx:
            return self._undone(tx, _own(tx.identity(identity_id), session), self_of(session))

    def own(self, session: Session, identity_id: IdentityId) -> Identity:
        """Return a link of a session's holder.

        Raises:
            IdentityNotFound: They have none such.
        """
        with self._desk.store.reading() as view:
            return _own(view.identity(identity_id), session)

    def of(self, staff_id: StaffId, *, by: Actor) -> list[Identity]:
        """Return the links of a member of staff.

        Raises:
            Forbidden: ``by`` may not, and is somebody else.
        """
        if by.id != staff_id:
            by.must(Command.IDENTITIES_OF.needs)
        with self._desk.store.reading() as view:
            return view.identities(staff_id)

    def _undone(self, tx: Transaction, identity: Identity, by: Actor) -> Identity:
        must_keep_a_way_in(tx, identity.staff_id)
        now = self._desk.now()
        tx.save(replace(identity, removed_at=now))
        told = entry("staff.provider_unlinked", identity.staff_id, by, now, identity_id=identity.id, issuer=identity.issuer)
        tx.record(told)
        return identity


def linked(desk: Desk, tx: Transaction, staff_id: StaffId, issuer: str, subject: str, *, by: Actor, now: datetime) -> Identity:
    """Link a provider's account with a member of staff, within a change in the making.

    Raises:
        IdentityTaken: It is linked with somebody else.
    """
    present = tx.identity_of(issuer, subject)
    if present is not None:
        if present.staff_id != staff_id:
            raise errors.IdentityTaken(
                "This provider's account is linked with another member of staff.", help="Undo that link first."
            )
        return present
    identity = Identity(IdentityId(desk.new_id("idn", at=now)), staff_id, issuer, subject, linked_at=now)
    tx.add(identity)
    tx.record(entry("staff.provider_linked", staff_id, by, now, identity_id=identity.id, issuer=issuer))
    return identity


def _standing(identity: Identity) -> Identity:
    if identity.removed_at is not None:
        raise errors.IdentityNotFound("There is no such link.")
    return identity


def _own(identity: Identity, session: Session) -> Identity:
    if identity.staff_id != session.staff_id:
        raise errors.IdentityNotFound("You have no such link.")
    return _standing(identity)
