"""Access, as one thing to hold: its desks, and the questions that a gateway and a web server ask it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from headgate.access import errors
from headgate.access.decide.use import must_be_usable, must_speak
from headgate.access.model import Policy
from headgate.access.service.accounts import Accounts
from headgate.access.service.chat_page import ChatPage
from headgate.access.service.cohorts import Cohorts, Occupied
from headgate.access.service.desk import Desk
from headgate.access.service.grants import Grants, accept
from headgate.access.service.identities import Identities
from headgate.access.service.keys import Keys
from headgate.access.service.organisations import Organisations
from headgate.access.service.passkeys import Passkeys
from headgate.access.service.providers import Providers
from headgate.access.service.sessions import Sessions
from headgate.access.service.staff import StaffRoster
from headgate.access.service.sweeping import SCHEDULER, sweep
from headgate.access.wire import key as key_text
from headgate.access.wire.pepper import Pepper, same
from headgate.kernel.actor import Actor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from headgate.access.model import Grant, Issued, KeyHolder, Staff, Swept
    from headgate.access.ports import PasskeyReader, Provider, Store
    from headgate.kernel.actor import Role
    from headgate.kernel.clock import Clock
    from headgate.kernel.ids import KeyId

__all__ = ["SCHEDULER", "Access", "Occupied"]


class Access:
    """Who gets in.

    Args:
        store: The record.
        pepper: The secret behind stored digests, 32 bytes or more.
        environment: What this installation is called in its keys: 1 to 12 of a-z and 0-9.
        clock: The time.
        entropy: Returns so many random bytes, fit for secrets.
        policy: The spans that access is run with.

    Attributes:
        organisations: Commands on organisations.
        accounts: Commands on accounts.
        cohorts: Commands on cohorts.
        grants: Commands on grants.
        keys: Commands on keys.
        staff: Commands on staff.
        sessions: Being signed in to a browser.
        chat_page: Being on the chat page.
        identities: Which accounts at a provider sign whom in.

    Raises:
        ValueError: The pepper is too short, or the environment cannot be spelt in a key.
    """

    def __init__(
        self,
        store: Store,
        *,
        pepper: bytes,
        environment: str,
        clock: Clock,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
        policy: Policy | None = None,
    ) -> None:
        desk = Desk(store, Pepper(pepper), key_text.environment_for(environment), clock, entropy, policy or Policy())
        self._desk = desk
        self.organisations = Organisations(desk)
        self.accounts = Accounts(desk)
        self.cohorts = Cohorts(desk)
        self.grants = Grants(desk)
        self.keys = Keys(desk)
        self.staff = StaffRoster(desk)
        self.sessions = Sessions(desk)
        self.chat_page = ChatPage(desk)
        self.identities = Identities(desk)

    def passkeys(self, reader: PasskeyReader) -> Passkeys:
        """Return the commands on passkeys, which are read by ``reader``."""
        return Passkeys(self._desk, reader)

    def providers(self, provider: Provider) -> Providers:
        """Return the ways in by an OpenID provider that the operator trusts."""
        return Providers(self._desk, provider)

    def identify(self, text: str) -> KeyHolder:
        """Return whose key this is, whatever state it is in: one query, by the key's identifier.

        Raises:
            KeyMalformed: The text is not a key; no store was asked.
            KeyWrongEnvironment: It belongs to another installation; no store was asked.
            KeyUnknown: Nobody holds it.
            AccessStoreUnavailable: The database does not answer.
        """
        parsed = key_text.parse(text)
        if parsed.environment != self._desk.environment:
            raise errors.KeyWrongEnvironment(
                f"This key is for {parsed.environment}; this is {self._desk.environment}.",
                help="Check the address that you call, or use a key that was issued here.",
            )
        holder = self.holders([parsed.key_id]).get(parsed.key_id)
        if holder is None or not self.verify(text, holder.key.digest):
            raise errors.KeyUnknown("Nobody holds this key.", help="Use a key that was issued here, or ask for one.")
        return holder

    def authenticate(self, text: str, peer: str, now: datetime) -> KeyHolder:
        """Return who is calling, if this key may be used from there, now.

        Args:
            text: What the caller showed.
            peer: The caller's network address.
            now: The present instant.

        Raises:
            Unauthenticated: As in ``identify``.
            Refused: As in ``decide.must_be_usable``.
            AccessStoreUnavailable: The database does not answer.
        """
        holder = self.identify(text)
        must_be_usable(holder, peer=peer, now=now)
        return holder

    def verify(self, text: str, digest: bytes) -> bool:
        """Return whether a text has this digest; takes no store and a constant time."""
        return same(self._desk.pepper.of_key(text), digest)

    def holder(self, key_id: KeyId) -> KeyHolder:
        """Return everything that decides whether a key may be used, as it is now.

        Raises:
            KeyNotFound: There is no such key.
            AccessStoreUnavailable: The database does not answer.
        """
        found = self.holders([key_id])
        if key_id not in found:
            raise errors.KeyNotFound("There is no such key.")
        return found[key_id]

    def holders(self, key_ids: Collection[KeyId]) -> Mapping[KeyId, KeyHolder]:
        """Return the same for several keys in one query; a key that is gone is absent.

        Raises:
            AccessStoreUnavailable: The database does not answer.
        """
        with self._desk.store.reading() as view:
            return view.holders(key_ids)

    def note_uses(self, uses: Mapping[KeyId, datetime]) -> None:
        """Remember, to the minute, when keys were last used; whoever serves requests calls this now and then.

        A key that is used and never noted looks dormant and is quarantined after ``Policy.key_idle``.

        Raises:
            AccessStoreUnavailable: Nothing was remembered; note them again with the next ones.
        """
        if uses:
            self._desk.store.note_uses(uses)

    def accept_terms(self, text: str, version: str, *, peer: str) -> Grant:
        """Accept the terms of a grant for its holder, who shows a key of it.

        Raises:
            Unauthenticated: As in ``identify``.
            Refused: The key does not speak for its holder (``decide.use.must_speak``), or the grant is over.
            TermsSuperseded: Another version is in force.
            AccessStoreUnavailable: Nothing was changed.
        """
        now = self._desk.now()
        holder = self.identify(text)
        with self._desk.store.writing() as tx:
            current = tx.holders([holder.key.id])[holder.key.id]
            must_speak(current, peer=peer, now=now)
            by = Actor(current.account.id, current.account.name, frozenset(), frozenset())
            return accept(tx, current.grant, version, by=by, now=now)

    def report_leaks(self, texts: Sequence[str]) -> None:
        """Quarantine every key among these texts; see ``Keys.report_leaks``.

        Raises:
            LeakReportInvalid: There are more than a hundred.
            AccessStoreUnavailable: The report is not kept; send it again.
        """
        self.keys.report_leaks(texts)

    def first_staff(self, name: str, *, roles: Iterable[Role], life: timedelta | None = None) -> Issued[Staff]:
        """Enter the first member of staff; see ``StaffRoster.first``.

        Raises:
            StaffExists: There is, or was, somebody.
            StaffInvalid: Name, roles or life cannot be, or nobody could manage staff.
        """
        return self.staff.first(name, roles=roles, life=life)

    def authenticate_staff(self, token: str) -> Actor:
        """Return who holds a staff token; see ``StaffRoster.authenticate``.

        Raises:
            Unauthenticated: Nobody is known by this token.
            StaffRevoked: Its holder was revoked.
            AccessStoreUnavailable: The database does not answer.
        """
        return self.staff.authenticate(token)

    def sweep(self, now: datetime) -> Swept:
        """Write down every end that has come by ``now``; run it every minute.

        Raises:
            AccessStoreUnavailable: The database did not answer; what was written before stays written.
        """
        return sweep(self._desk, now)
