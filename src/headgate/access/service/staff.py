"""Staff: the first made when there is nobody, the others by somebody who may; known by a token of their own."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from headgate.access import errors
from headgate.access.decide.inputs import expiry_for, name_for, reason_for
from headgate.access.decide.moves import manages_staff, may_lose
from headgate.access.model import Command, Issued, Page, Staff, StaffState
from headgate.access.service.desk import entry
from headgate.access.service.sessions import end_open_sessions, must_be_active
from headgate.access.wire.checksum import SECRET_BYTES
from headgate.access.wire.pepper import same
from headgate.access.wire.staff_credential import TOKEN
from headgate.kernel.actor import Actor
from headgate.kernel.clock import to_us
from headgate.kernel.ids import StaffId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from headgate.access.service.desk import Desk
    from headgate.kernel.actor import Role
    from headgate.kernel.digest import Json

_INIT = Actor.system("init")


class StaffRoster:
    """What can be asked about staff."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def first(self, name: str, *, roles: Iterable[Role], life: timedelta | None = None) -> Issued[Staff]:
        """Enter the first member of staff, by nobody's permission; works only while there never was any.

        Raises:
            StaffExists: There is, or was, somebody.
            StaffInvalid: Name, roles or life cannot be, or nobody could manage staff.
        """
        now = self._desk.now()
        issued = self._new(name, roles, life, now)
        if not manages_staff(issued.of.roles):
            raise errors.StaffInvalid("The first member of staff must be able to manage staff.", help="Add the role admin.")
        with self._desk.store.writing() as tx:
            if tx.has_staff():
                raise errors.StaffExists("There is staff already.", help="Ask somebody who manages staff.")
            tx.add(issued.of)
            tx.record(entry("staff.created", issued.of.id, _INIT, now, **_of(issued.of)))
        return issued

    def add(self, name: str, *, roles: Iterable[Role], life: timedelta | None = None, by: Actor) -> Issued[Staff]:
        """Enter a member of staff; the token is in the answer and nowhere else.

        Args:
            name: What people call them.
            roles: The duties they hold, at least one.
            life: How long the token works; ``None`` for the policy's span.
            by: Who enters them.

        Raises:
            Forbidden: ``by`` may not.
            StaffInvalid: Name, roles or life cannot be.
        """
        by.must(Command.STAFF_ADD.needs)
        now = self._desk.now()
        issued = self._new(name, roles, life, now)
        with self._desk.store.writing() as tx:
            tx.add(issued.of)
            tx.record(entry("staff.created", issued.of.id, by, now, **_of(issued.of)))
        return issued

    def get(self, id: StaffId, *, by: Actor) -> Staff:
        """Return one member of staff.

        Raises:
            Forbidden: ``by`` may not.
            StaffNotFound: There is none.
        """
        by.must(Command.STAFF_GET.needs)
        with self._desk.store.reading() as view:
            return view.member(id)

    def names(self, ids: Iterable[str], *, by: Actor) -> Mapping[str, str]:
        """Return what those among ``ids`` are called who are, or were, staff: decisions say who made them.

        Raises:
            Forbidden: ``by`` may not look.
        """
        by.must(Command.STAFF_NAMES.needs)
        found: dict[str, str] = {}
        with self._desk.store.reading() as view:
            for each in dict.fromkeys(ids):
                if each.startswith("stf_"):
                    with suppress(errors.StaffNotFound):
                        found[each] = view.member(StaffId(each)).name
        return found

    def page(self, page: Page | None = None, *, by: Actor) -> list[Staff]:
        """Return a page of staff.

        Raises:
            Forbidden: ``by`` may not.
        """
        by.must(Command.STAFF_PAGE.needs)
        with self._desk.store.reading() as view:
            return view.staff(page or Page())

    def renew(self, id: StaffId, *, life: timedelta | None = None, by: Actor) -> Issued[Staff]:
        """Issue a new token; the old one, and whatever they are signed in to, stops at once.

        Raises:
            Forbidden: ``by`` may not.
            StaffNotFound: There is none.
            StaffRevoked: They were revoked.
            StaffInvalid: The life cannot be.
        """
        by.must(Command.STAFF_RENEW.needs)
        now = self._desk.now()
        expires_at = self._expiry(life, now)
        with self._desk.store.writing() as tx:
            member = tx.member(id)
            must_be_active(member)
            token = TOKEN.mint(id, entropy=self._desk.entropy(SECRET_BYTES))
            renewed = replace(member, token_digest=self._desk.pepper.of_staff_token(token.text), token_expires_at=expires_at)
            tx.save(renewed)
            end_open_sessions(tx, id, now=now)
            tx.record(entry("staff.renewed", id, by, now, **_of(renewed)))
            return Issued(tx.member(id), token.text)

    def revoke(self, id: StaffId, *, reason: str, by: Actor) -> Staff:
        """Take a member of staff's rights away for good.

        Raises:
            Forbidden: ``by`` may not.
            StaffNotFound: There is none.
            StaffRevoked: They were revoked before.
            StaffLastAdmin: Nobody would be left who may manage staff.
            ReasonInvalid: The reason cannot stand on the ledger.
        """
        by.must(Command.STAFF_REVOKE.needs)
        why, now = reason_for(reason), self._desk.now()
        with self._desk.store.writing() as tx:
            member = tx.member(id)
            must_be_active(member)
            if not may_lose(member, tx.active_staff()):
                raise errors.StaffLastAdmin(
                    "Nobody would be left who may manage staff.", help="Enter another member of staff who may, first."
                )
            tx.save(replace(member, state=StaffState.REVOKED))
            end_open_sessions(tx, id, now=now)
            tx.record(entry("staff.revoked", id, by, now, staff_id=id, reason=why))
            return tx.member(id)

    def authenticate(self, token: str) -> Actor:
        """Return who holds a staff token, with the permissions of their roles.

        Raises:
            StaffTokenMalformed: The text is not a token; no store was asked.
            StaffTokenUnknown: Nobody holds it.
            StaffTokenExpired: Its end date has passed.
            StaffRevoked: Its holder was revoked.
            AccessStoreUnavailable: The database does not answer.
        """
        parsed = TOKEN.parse(token)
        now = self._desk.now()
        with self._desk.store.reading() as view:
            try:
                member = view.member(StaffId(parsed.id))
            except errors.StaffNotFound:
                raise _unknown() from None
        if not same(member.token_digest, self._desk.pepper.of_staff_token(parsed.text)):
            raise _unknown()
        must_be_active(member)
        if now >= member.token_expires_at:
            raise errors.StaffTokenExpired("This staff token has expired.", help="Ask somebody who manages staff to renew it.")
        return Actor.staff(member.id, member.name, member.roles)

    def _new(self, name: str, roles: Iterable[Role], life: timedelta | None, now: datetime) -> Issued[Staff]:
        held = frozenset(roles)
        if not held:
            raise errors.StaffInvalid("A member of staff holds at least one role.")
        staff_id = StaffId(self._desk.new_id("stf", at=now))
        token = TOKEN.mint(staff_id, entropy=self._desk.entropy(SECRET_BYTES))
        member = Staff(
            id=staff_id,
            name=name_for(name, errors.StaffInvalid),
            roles=held,
            state=StaffState.ACTIVE,
            token_digest=self._desk.pepper.of_staff_token(token.text),
            token_expires_at=self._expiry(life, now),
            created_at=now,
        )
        return Issued(member, token.text)

    def _expiry(self, life: timedelta | None, now: datetime) -> datetime:
        policy = self._desk.policy
        return expiry_for(
            policy.staff_token_life if life is None else life,
            at_most=policy.staff_token_life_at_most,
            now=now,
            invalid=errors.StaffInvalid,
        )


def _unknown() -> errors.StaffTokenUnknown:
    return errors.StaffTokenUnknown("Nobody holds this staff token.", help="It may have been renewed since; use the newest.")


def _of(member: Staff) -> dict[str, Json]:
    return {
        "staff_id": member.id,
        "roles": sorted(role.value for role in member.roles),
        "token_expires_at_us": to_us(member.token_expires_at),
    }
