"""Signing in to a browser, and what a session is worth at each request.

A session's text lives in a cookie; its row knows the digest alone. It ends when nothing was done in it for a while, when it is
old, when its holder ends it, and when its holder is revoked or given a new token. Its text is renewed as it is used; the one
before works for a moment longer, for requests that were under way. A text that was renewed longer ago is somebody's copy, and
whoever shows it ends the session for everybody.

Signing in proves who somebody is, unless a provider only repeats what it saw hours ago: then nothing dangerous may be done yet.

A page proves that it was given to this session by a value of its own; a form or a call without it, or from another place, is
forged. Dangerous commands ask for more: that its holder has proved within the last minutes that it is they.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from headgate.access import errors
from headgate.access.decide.moves import may_lose_a_way_in
from headgate.access.decide.proving import rests_on
from headgate.access.model import Command, Issued, Session, SignedInBy, SignInLink, StaffState
from headgate.access.service.desk import entry
from headgate.access.wire.checksum import SECRET_BYTES
from headgate.access.wire.pepper import same
from headgate.access.wire.staff_credential import LINK, SESSION
from headgate.kernel.actor import Actor
from headgate.kernel.clock import to_us
from headgate.kernel.ids import LinkId, SessionId

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.access.model import Staff
    from headgate.access.ports import Transaction
    from headgate.access.service.desk import Desk
    from headgate.kernel.ids import PasskeyId, StaffId

_SEEN_STEP = timedelta(minutes=1)
_BROWSER_AT_MOST = 120


@dataclass(frozen=True, slots=True)
class Resumed:
    """A session at one request.

    Attributes:
        session: As it stands.
        actor: Who, with the permissions of their roles now.
        text: The cookie's new text, where it was renewed; absent from ``repr``.
    """

    session: Session
    actor: Actor
    text: str | None = field(repr=False)


class Sessions:
    """Everything about being signed in.

    Args:
        desk: The tools of access.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def invite(self, staff_id: StaffId, *, by: Actor, life: timedelta | None = None) -> Issued[SignInLink]:
        """Make a link that signs a member of staff in once; its text is in the answer and nowhere else.

        Raises:
            Forbidden: ``by`` may not.
            StaffNotFound: There is no such member.
            StaffRevoked: They were revoked.
        """
        by.must(Command.SESSIONS_INVITE.needs)
        now = self._desk.now()
        link_id = LinkId(self._desk.new_id("lnk", at=now))
        text = LINK.mint(link_id, entropy=self._desk.entropy(SECRET_BYTES)).text
        ends = now + min(life or self._desk.policy.link_life, self._desk.policy.link_life)
        link = SignInLink(link_id, staff_id, self._desk.pepper.of_link(text), created_at=now, expires_at=ends)
        with self._desk.store.writing() as tx:
            must_be_active(tx.member(staff_id))
            tx.add(link)
            tx.record(entry("staff.invited", staff_id, by, now, link_id=link_id, expires_at_us=to_us(ends)))
        return Issued(link, text)

    def begin_by_link(self, text: str, *, browser: str = "") -> Issued[Session]:
        """Sign in whoever a link is for. A link works once.

        Args:
            text: The link's text.
            browser: What signs in, and from where, in words for its holder to recognise.

        Raises:
            LinkMalformed: The text is none.
            LinkUnusable: Nobody made it, it was used, or it is too old.
            StaffRevoked: Whom it is for was revoked.
        """
        LINK.parse(text)
        now = self._desk.now()
        with self._desk.store.writing() as tx:
            link = self._used(tx, text, now)
            return begin(self._desk, tx, tx.member(link.staff_id), SignedInBy.LINK, browser=browser, now=now)

    def begin(self, staff_id: StaffId, means: SignedInBy, *, browser: str = "") -> Issued[Session]:
        """Sign in a member of staff whom a passkey or a provider has just named.

        Raises:
            StaffNotFound: There is no such member.
            StaffRevoked: They were revoked.
        """
        now = self._desk.now()
        with self._desk.store.writing() as tx:
            return begin(self._desk, tx, tx.member(staff_id), means, browser=browser, now=now)

    def resume(self, text: str) -> Resumed:
        """Return who is signed in by a cookie's text, as it stands now.

        Raises:
            SessionMalformed: The text is none.
            SessionOver: It is not known, or has ended.
            StaffRevoked: Its holder was revoked.
        """
        parsed = SESSION.parse(text)
        now = self._desk.now()
        digest = self._desk.pepper.of_session(text)
        with self._desk.store.reading() as view:
            session = view.session(SessionId(parsed.id))
            member = view.member(session.staff_id)
        must_be_active(member)
        actor = Actor.staff(member.id, member.name, member.roles)
        policy = self._desk.policy
        if session.ended_at is not None or now >= session.ends_at or now - session.seen_at >= policy.session_idle:
            raise _over()
        if not same(session.digest, digest):
            known = session.earlier_digest is not None and same(session.earlier_digest, digest)
            if not known:
                raise _over()
            if now - session.renewed_at >= policy.session_overlap:
                self._end_copied(session, now)
                raise _over()
            return Resumed(session, actor, None)
        if now - session.renewed_at >= policy.session_renewal:
            return self._renewed(session, actor, now)
        if now - session.seen_at >= _SEEN_STEP:
            session = self._seen(session, now)
        return Resumed(session, actor, None)

    def verify(self, session: Session, means: SignedInBy) -> Issued[Session]:
        """Take in that its holder has just proved that it is they; the text is renewed.

        Raises:
            SessionOver: It has ended meanwhile.
        """
        now = self._desk.now()
        with self._desk.store.writing() as tx:
            return verified(self._desk, tx, session, means, now=now)

    def verify_by_link(self, session: Session, text: str) -> Issued[Session]:
        """Take a fresh link of its holder's as the proof that it is they; the text is renewed.

        Raises:
            LinkMalformed: The text is none.
            LinkUnusable: Nobody made it, it was used, is too old, or is for somebody else.
            SessionOver: The session has ended meanwhile.
        """
        LINK.parse(text)
        now = self._desk.now()
        with self._desk.store.writing() as tx:
            if self._used(tx, text, now).staff_id != session.staff_id:
                raise _unusable()
            return verified(self._desk, tx, session, SignedInBy.LINK, now=now)

    def open_ones(self, staff_id: StaffId, *, by: Actor) -> list[Session]:
        """Return the sessions of a member of staff that still work, the newest first.

        Raises:
            Forbidden: ``by`` may not, and is somebody else.
        """
        if by.id != staff_id:
            by.must(Command.SESSIONS_OPEN_ONES.needs)
        now, idle = self._desk.now(), self._desk.policy.session_idle
        with self._desk.store.reading() as view:
            found = view.open_sessions(staff_id)
        return sorted(
            (session for session in found if now < session.ends_at and now - session.seen_at < idle),
            key=lambda session: session.began_at,
            reverse=True,
        )

    def must_be_verified(self, session: Session) -> None:
        """Go on only if the session's holder proved within the last minutes that it is they.

        Raises:
            VerificationDue: They did not.
        """
        if self._desk.now() - session.verified_at >= self._desk.policy.verified_for:
            raise errors.VerificationDue(
                "This needs you to prove that it is you.",
                rule="dangerous commands",
                help="Confirm that it is you, then do it again.",
            )

    def page_proof(self, session: Session) -> str:
        """Return what a page carries that is given to this session, for its forms and calls to show."""
        return self._desk.pepper.of_page(session.id).hex()

    def must_be_own_page(self, session: Session, proof: str) -> None:
        """Go on only if a form or a call shows what its page was given.

        Raises:
            Forged: It does not.
        """
        if not same(self._desk.pepper.of_page(session.id), _bytes(proof)):
            raise errors.Forged("This did not come from a page of this console.", help="Reload the page and do it again.")

    def end(self, session: Session) -> None:
        """End a session; ending it twice changes nothing."""
        now = self._desk.now()
        with self._desk.store.writing() as tx:
            present = tx.session(session.id)
            if present.ended_at is None:
                tx.save(replace(present, ended_at=now))
                tx.record(entry("staff.signed_out", session.staff_id, self_of(session), now, session_id=session.id))

    def end_other(self, session: Session, other: SessionId) -> None:
        """End another session of the same holder.

        Raises:
            SessionNotFound: They have none such, or it has ended.
        """
        now = self._desk.now()
        with self._desk.store.writing() as tx:
            found = next((each for each in tx.open_sessions(session.staff_id) if each.id == other), None)
            if found is None:
                raise errors.SessionNotFound("This session has ended, or is not yours.")
            tx.save(replace(found, ended_at=now))
            tx.record(entry("staff.signed_out", session.staff_id, self_of(session), now, session_id=found.id))

    def end_all(self, staff_id: StaffId, *, by: Actor) -> int:
        """End every session of a member of staff, and return how many there were.

        Raises:
            Forbidden: ``by`` may not, and is somebody else.
            StaffNotFound: There is no such member.
        """
        if by.id != staff_id:
            by.must(Command.SESSIONS_END_ALL.needs)
        now = self._desk.now()
        with self._desk.store.writing() as tx:
            tx.member(staff_id)
            ended = end_open_sessions(tx, staff_id, now=now)
            if ended:
                tx.record(entry("staff.signed_out", staff_id, by, now, sessions=ended))
            return ended

    def _used(self, tx: Transaction, text: str, now: datetime) -> SignInLink:
        """Return a link that is good, and use it up."""
        try:
            link = tx.sign_in_link(LinkId(LINK.parse(text).id))
        except errors.LinkUnusable:
            raise _unusable() from None
        if not same(link.digest, self._desk.pepper.of_link(text)) or link.used_at is not None or now >= link.expires_at:
            raise _unusable()
        tx.save(replace(link, used_at=now))
        return link

    def _renewed(self, session: Session, actor: Actor, now: datetime) -> Resumed:
        fresh = _with_new_text(self._desk, session, now)
        try:
            saved = self._saved(fresh.of)
        except errors.AccessMoved:  # another request of the same browser has just done it
            return Resumed(session, actor, None)
        return Resumed(saved, actor, fresh.secret)

    def _seen(self, session: Session, now: datetime) -> Session:
        try:
            return self._saved(replace(session, seen_at=now))
        except errors.AccessMoved:  # another request of the same browser has noted it
            return session

    def _saved(self, session: Session) -> Session:
        with self._desk.store.writing() as tx:
            tx.save(session)
            return tx.session(session.id)

    def _end_copied(self, session: Session, now: datetime) -> None:
        with self._desk.store.writing() as tx:
            present = tx.session(session.id)
            if present.ended_at is None:
                tx.save(replace(present, ended_at=now))
                tx.record(entry("staff.session_copied", session.staff_id, _WATCHMAN, now, session_id=session.id))


_WATCHMAN = Actor.system("sessions")


def begin(
    desk: Desk,
    tx: Transaction,
    member: Staff,
    means: SignedInBy,
    *,
    browser: str,
    now: datetime,
    verified_at: datetime | None = None,
    passkey_id: PasskeyId | None = None,
) -> Issued[Session]:
    """Sign in a member of staff, within a change in the making.

    Args:
        desk: The tools of access.
        tx: The change.
        member: Who.
        means: What it rests on.
        browser: What signs in, and from where.
        now: The present instant.
        verified_at: When they proved that it is they; just now, when absent.
        passkey_id: The passkey that it rests on.

    Raises:
        StaffRevoked: They were revoked.
    """
    must_be_active(member)
    session_id = SessionId(desk.new_id("ses", at=now))
    text = SESSION.mint(session_id, entropy=desk.entropy(SECRET_BYTES)).text
    session = Session(
        id=session_id,
        staff_id=member.id,
        means=means,
        digest=desk.pepper.of_session(text),
        earlier_digest=None,
        began_at=now,
        seen_at=now,
        renewed_at=now,
        verified_at=now if verified_at is None else min(now, verified_at),
        ends_at=now + desk.policy.session_life,
        browser=browser[:_BROWSER_AT_MOST],
        passkey_id=passkey_id,
    )
    tx.add(session)
    tx.record(entry("staff.signed_in", member.id, self_of(session), now, session_id=session_id, method=means.value))
    return Issued(session, text)


def verified(
    desk: Desk,
    tx: Transaction,
    session: Session,
    means: SignedInBy,
    *,
    now: datetime,
    passkey_id: PasskeyId | None = None,
) -> Issued[Session]:
    """Take in, within a change in the making, that a session's holder has just proved that it is they.

    Args:
        desk: The tools of access.
        tx: The change.
        session: In which.
        means: What proves it.
        now: The present instant.
        passkey_id: The passkey that proves it. A session that another means confirms goes on resting on the one before, too.

    Raises:
        SessionOver: It has ended meanwhile.
    """
    present = tx.session(session.id)
    if present.ended_at is not None:
        raise _over()
    fresh = _with_new_text(desk, present, now)
    tx.save(replace(fresh.of, verified_at=now, means=means, passkey_id=passkey_id or present.passkey_id))
    tx.record(entry("staff.verified", session.staff_id, self_of(session), now, session_id=session.id, method=means.value))
    return Issued(tx.session(session.id), fresh.secret)


def _with_new_text(desk: Desk, session: Session, now: datetime) -> Issued[Session]:
    text = SESSION.mint(session.id, entropy=desk.entropy(SECRET_BYTES)).text
    digest = desk.pepper.of_session(text)
    return Issued(replace(session, digest=digest, earlier_digest=session.digest, renewed_at=now, seen_at=now), text)


def end_open_sessions(
    tx: Transaction, staff_id: StaffId, *, now: datetime, passkey_id: PasskeyId | None = None, spare: SessionId | None = None
) -> int:
    """End open sessions of a member of staff, within a change in the making, and return how many.

    Args:
        tx: The change.
        staff_id: Whose.
        now: The present instant.
        passkey_id: Those alone that rest on it; all of them, when absent.
        spare: One that goes on.
    """
    open_ones = [
        each for each in tx.open_sessions(staff_id) if each.id != spare and (passkey_id is None or rests_on(each, passkey_id))
    ]
    for session in open_ones:
        tx.save(replace(session, ended_at=now))
    return len(open_ones)


def must_be_active(member: Staff) -> None:
    """Go on only if a member of staff may act.

    Raises:
        StaffRevoked: They may not.
    """
    if member.state is not StaffState.ACTIVE:
        raise errors.StaffRevoked("This member of staff was revoked.", rule=f"state of {member.id}")


def must_keep_a_way_in(tx: Transaction, staff_id: StaffId) -> None:
    """Go on only if a member of staff may lose a passkey, or an account at a provider that signs them in.

    Raises:
        LastWayIn: They may not.
    """
    ways = len(tx.passkeys(staff_id)) + len(tx.identities(staff_id))
    if not may_lose_a_way_in(tx.member(staff_id), ways, tx.active_staff()):
        raise errors.LastWayIn(
            "This is the last way in of the only one who may manage staff.",
            rule="a way in for whoever manages staff",
            help="Add a passkey first, or another member of staff who may.",
        )


def self_of(session: Session) -> Actor:
    """Return a session's holder, as somebody who acts on what is theirs and needs no permission for it."""
    return Actor(session.staff_id, session.staff_id, frozenset(), frozenset())


def _bytes(proof: str) -> bytes:
    try:
        return bytes.fromhex(proof)
    except ValueError:
        return b""


def _unusable() -> errors.LinkUnusable:
    return errors.LinkUnusable("This link does not work: it was used, or is too old.", help="Ask for another one.")


def _over() -> errors.SessionOver:
    return errors.SessionOver("You are signed out.", help="Sign in again.")
