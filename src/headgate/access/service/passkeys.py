"""Passkeys of staff: adding, naming, using and removing them.

A passkey signs in whoever holds it, without a name being asked for: a stranger learns nothing of who works here. It counts only
if its authenticator verified the person. One that has counted its uses backwards exists twice, and is removed on the spot.
Sessions that rest on a passkey end with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headgate.access import errors
from headgate.access.decide.inputs import name_for, reason_for
from headgate.access.decide.proving import counts_on
from headgate.access.model import Command, Passkey, Purpose, SignedInBy
from headgate.access.service.attempts import named, start, take
from headgate.access.service.desk import entry
from headgate.access.service.sessions import begin, end_open_sessions, must_keep_a_way_in, self_of, verified
from headgate.kernel.actor import Actor
from headgate.kernel.ids import AttemptId, PasskeyId

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from headgate.access.model import Attempt, Issued, Session
    from headgate.access.ports import PasskeyReader, Transaction
    from headgate.access.service.desk import Desk
    from headgate.kernel.digest import Json
    from headgate.kernel.ids import SessionId, StaffId

_WATCHMAN = Actor.system("passkeys")
_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class Question:
    """What a browser is to ask an authenticator.

    Attributes:
        attempt: The attempt that its answer finishes; its text is for the browser of somebody who is not signed in.
        options: What the browser is given.
    """

    attempt: Issued[Attempt]
    options: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class _Copied:
    passkey: Passkey


class Passkeys:
    """What can be asked about passkeys.

    Args:
        desk: The tools of access.
        reader: Speaks with authenticators.
    """

    def __init__(self, desk: Desk, reader: PasskeyReader) -> None:
        self._desk = desk
        self._reader = reader

    def of(self, session: Session) -> list[Passkey]:
        """Return the passkeys of a session's holder."""
        with self._desk.store.reading() as view:
            return view.passkeys(session.staff_id)

    def get(self, session: Session, passkey_id: PasskeyId) -> Passkey:
        """Return a passkey of a session's holder.

        Raises:
            PasskeyNotFound: They have none such.
        """
        with self._desk.store.reading() as view:
            return _own(view.passkey(passkey_id), session)

    def ask_for_new(self, session: Session) -> Question:
        """Begin to add a passkey for a session's holder."""
        attempt = start(self._desk, Purpose.ADD_PASSKEY, session=session)
        with self._desk.store.reading() as view:
            member, known = view.member(session.staff_id), view.passkeys(session.staff_id)
        return Question(attempt, self._reader.creation(member, attempt.of.challenge, known))

    def add(self, session: Session, attempt_id: AttemptId, response: str, *, name: str) -> Passkey:
        """Add the passkey that was made.

        Args:
            session: Whose it will be.
            attempt_id: What ``ask_for_new`` began.
            response: What the browser answered.
            name: What its owner calls it.

        Raises:
            AttemptOver: That was not begun in this session, or has ended.
            PasskeyRefused: The answer is none, or nobody was verified.
            PasskeyInvalid: The name cannot be, somebody has this very passkey, or there are too many.
        """
        called = name_for(name, errors.PasskeyInvalid)
        attempt = take(self._desk, attempt_id, Purpose.ADD_PASSKEY, session=session)
        made = self._reader.made(response, attempt.challenge)
        now = self._desk.now()
        passkey = Passkey(
            id=PasskeyId(self._desk.new_id("psk", at=now)),
            staff_id=session.staff_id,
            credential_id=made.credential_id,
            public_key=made.public_key,
            sign_count=made.sign_count,
            name=called,
            created_at=now,
        )
        with self._desk.store.writing() as tx:
            if tx.has_passkey_called(made.credential_id):
                raise errors.PasskeyInvalid("This passkey was added before.", help="Make a new one, or use another device.")
            if len(tx.passkeys(session.staff_id)) >= _AT_MOST:
                raise errors.PasskeyInvalid(f"Nobody has more than {_AT_MOST} passkeys.", help="Remove one that you do not use.")
            tx.add(passkey)
            tx.record(entry("staff.passkey_added", session.staff_id, self_of(session), now, passkey_id=passkey.id))
        return passkey

    def rename(self, session: Session, passkey_id: PasskeyId, name: str) -> Passkey:
        """Call a passkey of a session's holder something else.

        Raises:
            PasskeyNotFound: They have none such.
            PasskeyInvalid: The name cannot be.
        """
        called, now = name_for(name, errors.PasskeyInvalid), self._desk.now()
        with self._desk.store.writing() as tx:
            passkey = _own(tx.passkey(passkey_id), session)
            if called == passkey.name:
                return passkey
            tx.save(replace(passkey, name=called))
            tx.record(entry("staff.passkey_renamed", session.staff_id, self_of(session), now, passkey_id=passkey.id))
            return tx.passkey(passkey.id)

    def remove(self, session: Session, passkey_id: PasskeyId) -> Passkey:
        """Remove a passkey of a session's holder; other sessions that rest on it end.

        Raises:
            PasskeyNotFound: They have none such.
            LastWayIn: It is the last way in of the only one who may manage staff.
        """
        with self._desk.store.writing() as tx:
            passkey = _own(tx.passkey(passkey_id), session)
            self._removed(tx, passkey, self_of(session), spare=session.id)
        return passkey

    def of_member(self, staff_id: StaffId, *, by: Actor) -> list[Passkey]:
        """Return the passkeys of a member of staff.

        Raises:
            Forbidden: ``by`` may not, and is somebody else.
        """
        if by.id != staff_id:
            by.must(Command.PASSKEYS_OF.needs)
        with self._desk.store.reading() as view:
            return view.passkeys(staff_id)

    def one_of_member(self, staff_id: StaffId, passkey_id: PasskeyId, *, by: Actor) -> Passkey:
        """Return a passkey of a member of staff.

        Raises:
            Forbidden: ``by`` may not.
            PasskeyNotFound: They have none such.
        """
        by.must(Command.PASSKEYS_ONE_OF.needs)
        with self._desk.store.reading() as view:
            return _theirs(view.passkey(passkey_id), staff_id)

    def remove_of_member(self, staff_id: StaffId, passkey_id: PasskeyId, *, reason: str, by: Actor) -> tuple[Passkey, int]:
        """Remove a passkey of a member of staff, whoever they are.

        Returns:
            The passkey, and how many sessions ended because they rested on it.

        Raises:
            Forbidden: ``by`` may not.
            ReasonInvalid: The reason cannot stand on the ledger.
            PasskeyNotFound: They have none such.
            LastWayIn: It is the last way in of the only one who may manage staff.
        """
        by.must(Command.PASSKEYS_REMOVE.needs)
        why = reason_for(reason)
        with self._desk.store.writing() as tx:
            passkey = _theirs(tx.passkey(passkey_id), staff_id)
            return passkey, self._removed(tx, passkey, by, reason=why)

    def ask(self) -> Question:
        """Begin to sign somebody in, whoever it will turn out to be."""
        attempt = start(self._desk, Purpose.SIGN_IN_BY_PASSKEY, session=None)
        return Question(attempt, self._reader.request(attempt.of.challenge, ()))

    def begin(self, text: str, response: str, *, browser: str = "") -> Issued[Session]:
        """Sign in the holder of the passkey that answered.

        Args:
            text: The text of the attempt that ``ask`` began, as their browser kept it.
            response: What their browser answered.
            browser: What signs in, and from where.

        Raises:
            AttemptOver: That was not begun in this browser, or has ended.
            PasskeyRefused: Nobody is known by this answer.
            PasskeyCopied: There are two of this passkey; it was removed.
            StaffRevoked: Its holder was revoked.
        """
        attempt = take(self._desk, named(text), Purpose.SIGN_IN_BY_PASSKEY, session=None, text=text)
        called = self._reader.called(response)
        now = self._desk.now()
        with self._desk.store.writing() as tx:
            passkey = tx.passkey_called(called)
            if passkey is None:
                raise _unknown()
            shown = self._shown(tx, passkey, response, attempt, now)
            if isinstance(shown, Passkey):
                holder = tx.member(shown.staff_id)
                return begin(self._desk, tx, holder, SignedInBy.PASSKEY, browser=browser, now=now, passkey_id=shown.id)
        raise _copied(shown.passkey)

    def ask_again(self, session: Session) -> Question:
        """Begin to let a session's holder prove anew that it is they.

        Raises:
            PasskeyNotFound: They have none.
        """
        known = self.of(session)
        if not known:
            raise errors.PasskeyNotFound("You have no passkey.", help="Confirm in another way.")
        attempt = start(self._desk, Purpose.CONFIRM_BY_PASSKEY, session=session)
        return Question(attempt, self._reader.request(attempt.of.challenge, known))

    def verify(self, session: Session, attempt_id: AttemptId, response: str) -> Issued[Session]:
        """Take in that a session's holder has proved by a passkey that it is they; the session's text is renewed.

        Raises:
            AttemptOver: That was not begun in this session, or has ended.
            PasskeyRefused: The answer does not come from a passkey of theirs.
            PasskeyCopied: There are two of this passkey; it was removed.
            SessionOver: The session has ended meanwhile.
        """
        attempt = take(self._desk, attempt_id, Purpose.CONFIRM_BY_PASSKEY, session=session)
        called = self._reader.called(response)
        now = self._desk.now()
        with self._desk.store.writing() as tx:
            passkey = tx.passkey_called(called)
            if passkey is None or passkey.staff_id != session.staff_id:
                raise _unknown()
            shown = self._shown(tx, passkey, response, attempt, now)
            if isinstance(shown, Passkey):
                return verified(self._desk, tx, session, SignedInBy.PASSKEY, now=now, passkey_id=shown.id)
        raise _copied(shown.passkey)

    def _removed(
        self, tx: Transaction, passkey: Passkey, by: Actor, *, reason: str | None = None, spare: SessionId | None = None
    ) -> int:
        """Remove a passkey, and end what rests on it but for the session in which that is asked; return how many ended."""
        now, owner = self._desk.now(), passkey.staff_id
        must_keep_a_way_in(tx, owner)
        tx.save(replace(passkey, removed_at=now))
        ended = end_open_sessions(tx, owner, now=now, passkey_id=passkey.id, spare=spare)
        tx.record(entry("staff.passkey_removed", owner, by, now, passkey_id=passkey.id, sessions=ended, reason=reason))
        return ended

    def _shown(self, tx: Transaction, passkey: Passkey, response: str, attempt: Attempt, now: datetime) -> Passkey | _Copied:
        """Return the passkey as it is after this use, or that there are two of it; both are written down."""
        count = self._reader.shown(response, attempt.challenge, passkey)
        if not counts_on(passkey.sign_count, count):
            tx.save(replace(passkey, removed_at=now))
            ended = end_open_sessions(tx, passkey.staff_id, now=now, passkey_id=passkey.id)
            tx.record(entry("staff.passkey_copied", passkey.staff_id, _WATCHMAN, now, passkey_id=passkey.id, sessions=ended))
            return _Copied(passkey)
        tx.save(replace(passkey, sign_count=count, last_used_at=now))
        return passkey


def _own(passkey: Passkey, session: Session) -> Passkey:
    if passkey.staff_id != session.staff_id or passkey.removed_at is not None:
        raise errors.PasskeyNotFound("You have no such passkey.")
    return passkey


def _theirs(passkey: Passkey, staff_id: StaffId) -> Passkey:
    if passkey.staff_id != staff_id or passkey.removed_at is not None:
        raise errors.PasskeyNotFound("They have no such passkey.")
    return passkey


def _unknown() -> errors.PasskeyRefused:
    return errors.PasskeyRefused("This passkey is not known here.", help="Use another, or sign in by a link and add it.")


def _copied(passkey: Passkey) -> errors.PasskeyCopied:
    return errors.PasskeyCopied(
        f"The passkey {passkey.name!r} has counted backwards: there are two of it. It was removed, and its sessions ended.",
        rule="signature counter",
        help="Sign in another way, look for sessions that you do not know, and tell whoever looks after security.",
    )
