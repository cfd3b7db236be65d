"""Signing in, confirming and linking by an OpenID provider.

The browser is sent away with an attempt and comes back with it. What the provider then says names an account of its own; whom
that is here, only a link tells. Nothing is written, and no lock held, while the provider is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from headgate.access import errors
from headgate.access.decide.inputs import identity_for
from headgate.access.decide.proving import is_fresh
from headgate.access.model import Purpose, SignedInBy
from headgate.access.service.attempts import start, take
from headgate.access.service.identities import linked
from headgate.access.service.sessions import begin, self_of, verified
from headgate.access.wire.asked import asked_in, attempt_of
from headgate.access.wire.pepper import same

if TYPE_CHECKING:
    from headgate.access.model import Identity, Issued, Proven, Session
    from headgate.access.ports import Provider, Transaction
    from headgate.access.service.desk import Desk

_PURPOSES = (Purpose.SIGN_IN_BY_PROVIDER, Purpose.CONFIRM_BY_PROVIDER, Purpose.LINK_PROVIDER)


@dataclass(frozen=True, slots=True)
class Leaving:
    """A browser that is sent to the provider.

    Attributes:
        address: Where to.
        text: What it keeps meanwhile; absent from ``repr``.
    """

    address: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entered:
    """Somebody came back and is signed in, or has confirmed that it is they.

    Attributes:
        issued: Their session, with its text.
        to: The page that was asked for.
    """

    issued: Issued[Session]
    to: str


@dataclass(frozen=True, slots=True)
class Linked:
    """Somebody came back and is linked with their account there.

    Attributes:
        identity: The link.
    """

    identity: Identity


class Providers:
    """What can be asked of the provider that is set.

    Args:
        desk: The tools of access.
        provider: The provider.
    """

    def __init__(self, desk: Desk, provider: Provider) -> None:
        self._desk = desk
        self._provider = provider

    @property
    def issuer(self) -> str:
        """What the provider calls itself."""
        return self._provider.issuer

    def leave(self, purpose: Purpose, *, session: Session | None, to: str = "") -> Leaving:
        """Begin an attempt and return where the browser is sent.

        Args:
            purpose: What it is to end in.
            session: The session that it belongs to.
            to: The page that was asked for.

        Raises:
            ProviderUnavailable: The provider does not answer.
        """
        attempt = start(self._desk, purpose, session=session, to=to)
        return Leaving(self._provider.address(asked_in(attempt.of)), attempt.secret)

    def come_back(
        self, state: str, code: str, *, issuer: str, text: str | None, session: Session | None, browser: str = ""
    ) -> Entered | Linked:
        """Take in that a browser came back.

        Args:
            state: What it carried there and back.
            code: What the provider gave it; empty when it gave none.
            issuer: Who sent it back, where it says so (RFC 9207); empty where it does not.
            text: What it kept meanwhile.
            session: Its session, if it has one.
            browser: What signs in, and from where.

        Raises:
            AttemptOver: It was not sent, has come back before, or took too long.
            ProviderRefused: The provider does not say who this is, or what it says does not hold.
            ProviderUnavailable: The provider does not answer.
            IdentityUnknown: Nobody here is linked with who it is, or it is not whose session this is.
            IdentityTaken: To be linked: somebody else is linked with them.
            StaffRevoked: Whom it is was revoked.
            SessionOver: The session has ended meanwhile.
        """
        attempt = take(self._desk, attempt_of(state), *_PURPOSES, session=session, text=text)
        asked = asked_in(attempt)
        if not same(asked.state.encode(), state.encode()):
            raise errors.AttemptOver("This was not begun here.", help="Begin again.")
        if issuer not in ("", self._provider.issuer):
            raise errors.ProviderRefused("Another provider sent you back.", help="Begin again.")
        if not code:
            raise errors.ProviderRefused("The provider did not say who you are.", help="Begin again, or sign in by a link.")
        proven = self._provider.proven(code, asked)
        if asked.fresh and not is_fresh(proven.authenticated_at, since=asked.since):
            raise errors.ProviderRefused("The provider did not ask you anew.", help="Sign out there, then begin again.")
        identity_for(proven.issuer, proven.subject)
        if attempt.purpose is Purpose.SIGN_IN_BY_PROVIDER:
            return Entered(self._signed_in(proven, browser), attempt.to)
        if session is None:
            raise errors.SessionOver("You are signed out.", help="Sign in again.")
        if attempt.purpose is Purpose.CONFIRM_BY_PROVIDER:
            return Entered(self._confirmed(proven, session), attempt.to)
        return Linked(self._linked(proven, session))

    def _signed_in(self, proven: Proven, browser: str) -> Issued[Session]:
        now = self._desk.now()
        with self._desk.store.writing() as tx:
            identity = self._used(tx, proven)
            return begin(
                self._desk,
                tx,
                tx.member(identity.staff_id),
                SignedInBy.PROVIDER,
                browser=browser,
                now=now,
                verified_at=proven.authenticated_at,
            )

    def _confirmed(self, proven: Proven, session: Session) -> Issued[Session]:
        now = self._desk.now()
        with self._desk.store.writing() as tx:
            if self._used(tx, proven).staff_id != session.staff_id:
                raise _unknown()
            return verified(self._desk, tx, session, SignedInBy.PROVIDER, now=now)

    def _linked(self, proven: Proven, session: Session) -> Identity:
        now = self._desk.now()
        with self._desk.store.writing() as tx:
            if tx.session(session.id).ended_at is not None:
                raise errors.SessionOver("You are signed out.", help="Sign in again.")
            return linked(self._desk, tx, session.staff_id, proven.issuer, proven.subject, by=self_of(session), now=now)

    def _used(self, tx: Transaction, proven: Proven) -> Identity:
        identity = tx.identity_of(proven.issuer, proven.subject)
        if identity is None:
            raise _unknown()
        tx.save(replace(identity, last_used_at=self._desk.now()))
        return identity


def _unknown() -> errors.IdentityUnknown:
    return errors.IdentityUnknown(
        "The provider knows you, and this account there is not linked with you here.",
        help="Sign in by a link or a passkey, then link it on your own page; or ask somebody who manages staff.",
    )
