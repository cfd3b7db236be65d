"""What access needs from outside: a store, somebody who reads passkeys, and a provider that says who somebody is.

The store's reads see one moment, and its writes carry their ledger entries along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from headgate.access.model import (
    Account,
    Attempt,
    Cohort,
    Grant,
    Identity,
    Key,
    Organisation,
    Passkey,
    Session,
    SignInLink,
    Staff,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from headgate.access.model import AccountsSought, Asked, Declared, Described, KeyHolder, MadePasskey, Page, Proven
    from headgate.kernel.digest import Json
    from headgate.kernel.ids import (
        AccountId,
        AttemptId,
        GrantId,
        IdentityId,
        KeyId,
        LinkId,
        OrganisationId,
        PasskeyId,
        SessionId,
        StaffId,
    )
    from headgate.ledger.model import Entry

Thing: TypeAlias = Organisation | Account | Cohort | Grant | Key | Staff | SignInLink | Session | Passkey | Identity
"""Whatever has a row of its own, which may change."""


class View(Protocol):
    """What is on record, at one moment.

    Every method raises ``AccessStoreUnavailable`` when the database does not answer; a method that names one thing raises
    that thing's ``…NotFound`` when there is none.
    """

    def organisation(self, id: OrganisationId) -> Organisation:
        """Return one organisation."""
        ...

    def organisations(self, page: Page, *, named: str | None = None) -> list[Organisation]:
        """Return a page of organisations in the order of their identifiers, with ``named`` in their names if it is given."""
        ...

    def account(self, id: AccountId) -> Account:
        """Return one account."""
        ...

    def accounts(self, page: Page, sought: AccountsSought) -> list[Account]:
        """Return a page of the accounts that are looked for, in the order of their identifiers."""
        ...

    def described(self, ids: Collection[AccountId]) -> dict[AccountId, Described]:
        """Return what the people behind these accounts are told apart by; absent accounts are absent."""
        ...

    def accounts_with(self, email_hash: bytes) -> list[Account]:
        """Return the accounts that carry this hash, closed ones too."""
        ...

    def has_account_with(self, email_hash: bytes) -> bool:
        """Return whether an account that is not closed carries this hash."""
        ...

    def cohort(self, name: str) -> Cohort:
        """Return one cohort."""
        ...

    def has_cohort(self, name: str) -> bool:
        """Return whether there is a cohort with this name."""
        ...

    def cohorts(self, page: Page) -> list[Cohort]:
        """Return a page of cohorts in the order of their names."""
        ...

    def seats_taken(self, cohort: str, *, now: datetime) -> int:
        """Count the grants of a cohort that are neither ended nor past their end."""
        ...

    def grant(self, id: GrantId) -> Grant:
        """Return one grant."""
        ...

    def open_grants(self, account_id: AccountId, cohort: str) -> list[Grant]:
        """Return the grants of an account in a cohort whose end is not on record: one at most."""
        ...

    def grants(self, page: Page, *, account_id: AccountId | None = None, cohort: str | None = None) -> list[Grant]:
        """Return a page of grants in the order of their identifiers."""
        ...

    def grants_past(self, now: datetime, *, limit: int) -> list[Grant]:
        """Return grants not ended on record whose end date is not after ``now``."""
        ...

    def grants_with_lapsed_terms(self, now: datetime, *, limit: int) -> list[Grant]:
        """Return active and limited grants whose terms were due at or before ``now``."""
        ...

    def key(self, id: KeyId) -> Key:
        """Return one key."""
        ...

    def keys_among(self, ids: frozenset[KeyId]) -> list[Key]:
        """Return those of these keys that exist."""
        ...

    def keys(self, page: Page, *, account_id: AccountId | None = None, grant_id: GrantId | None = None) -> list[Key]:
        """Return a page of keys in the order of their identifiers."""
        ...

    def keys_past(self, now: datetime, *, limit: int) -> list[Key]:
        """Return usable keys whose end date, or whose overlap with a successor, is not after ``now``."""
        ...

    def keys_idle(self, since: datetime, *, limit: int) -> list[Key]:
        """Return usable keys that were neither issued nor used after ``since``."""
        ...

    def holders(self, ids: Collection[KeyId]) -> dict[KeyId, KeyHolder]:
        """Return everything that decides whether these keys may be used, in one query; absent keys are absent."""
        ...

    def member(self, id: StaffId) -> Staff:
        """Return one member of staff."""
        ...

    def staff(self, page: Page) -> list[Staff]:
        """Return a page of staff in the order of their identifiers."""
        ...

    def active_staff(self) -> list[Staff]:
        """Return everybody who may act."""
        ...

    def has_staff(self) -> bool:
        """Return whether there is, or ever was, any staff."""
        ...

    def sign_in_link(self, id: LinkId) -> SignInLink:
        """Return one sign-in link.

        Raises:
            LinkUnusable: There is none.
        """
        ...

    def session(self, id: SessionId) -> Session:
        """Return one session.

        Raises:
            SessionOver: There is none.
        """
        ...

    def open_sessions(self, staff_id: StaffId) -> list[Session]:
        """Return the sessions of a member of staff that nobody has ended."""
        ...

    def passkey(self, id: PasskeyId) -> Passkey:
        """Return one passkey, removed or not."""
        ...

    def passkey_called(self, credential_id: bytes) -> Passkey | None:
        """Return the passkey that an authenticator calls so, unless it was removed."""
        ...

    def has_passkey_called(self, credential_id: bytes) -> bool:
        """Return whether a passkey that an authenticator calls so was ever added."""
        ...

    def passkeys(self, staff_id: StaffId) -> list[Passkey]:
        """Return the passkeys of a member of staff, the oldest first; without those that were removed."""
        ...

    def identity(self, id: IdentityId) -> Identity:
        """Return one link with a provider, undone or not."""
        ...

    def identity_of(self, issuer: str, subject: str) -> Identity | None:
        """Return whom a provider's account signs in, unless nobody."""
        ...

    def identities(self, staff_id: StaffId) -> list[Identity]:
        """Return the links of a member of staff with providers, the oldest first; without those that were undone."""
        ...

    def attempt(self, id: AttemptId) -> Attempt:
        """Return one attempt.

        Raises:
            AttemptOver: There is none.
        """
        ...


class Transaction(View, Protocol):
    """A change in the making: nobody else changes access until it is over, and all of it is kept or none."""

    def add(self, thing: Thing | Attempt) -> None:
        """Enter something new."""
        ...

    def declare(self, id: AccountId, declared: Declared) -> None:
        """Write down what an account says of itself, in place of what it said before."""
        ...

    def save(self, thing: Thing) -> None:
        """Write a thing back over the revision it was read at, and count the change.

        Raises:
            AccessMoved: Somebody else wrote it first.
        """
        ...

    def set_terms_due(self, cohort: str, due_at: datetime, *, first_terms: bool) -> int:
        """Give every holder of a cohort who is up to date until ``due_at`` to accept the new terms; count them.

        Up to date is who has accepted the terms in force, or was let in before there were any (``first_terms``).
        """
        ...

    def drop(self, id: AttemptId) -> None:
        """Forget an attempt."""
        ...

    def drop_attempts(self, *, ended_by: datetime, strangers_at_most: int) -> None:
        """Forget the attempts that have ended, and the oldest of those without a session beyond so many."""
        ...

    def record(self, entry: Entry) -> int:
        """Put an entry on the ledger and return its sequence."""
        ...


class Store(Protocol):
    """Where access keeps its record."""

    def reading(self) -> AbstractContextManager[View]:
        """Open a view of one moment; it never waits for a writer.

        Raises:
            AccessStoreUnavailable: The database does not answer.
        """
        ...

    def writing(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that is kept when the block ends and undone when it raises.

        Raises:
            AccessStoreUnavailable: The database is locked, full or gone; nothing was changed.
        """
        ...

    def note_uses(self, uses: Mapping[KeyId, datetime]) -> None:
        """Move ``last_used_at`` forward where it is a minute or more behind; no entry, because nobody's access changes.

        Raises:
            AccessStoreUnavailable: The database is locked, full or gone.
        """
        ...


class PasskeyReader(Protocol):
    """Speaks with authenticators, in the form of their published protocol (WebAuthn)."""

    def creation(self, member: Staff, challenge: bytes, known: Sequence[Passkey]) -> Mapping[str, Json]:
        """Return what a browser is given to make a passkey: one that knows its owner and verifies them.

        Args:
            member: Whose it will be.
            challenge: What its answer must be made from.
            known: Passkeys whose authenticators need not make another.
        """
        ...

    def made(self, response: str, challenge: bytes) -> MadePasskey:
        """Read a browser's answer to ``creation``.

        Raises:
            PasskeyRefused: It is none, or not to this challenge and this installation, or nobody was verified.
        """
        ...

    def request(self, challenge: bytes, allowed: Sequence[Passkey]) -> Mapping[str, Json]:
        """Return what a browser is given to use a passkey.

        Args:
            challenge: What its answer must be made from.
            allowed: The passkeys that will do; any that the browser has, where there are none.
        """
        ...

    def called(self, response: str) -> bytes:
        """Return what the authenticator calls the passkey of an answer to ``request``; nothing is checked yet.

        Raises:
            PasskeyRefused: It is no such answer.
        """
        ...

    def shown(self, response: str, challenge: bytes, passkey: Passkey) -> int:
        """Check an answer to ``request``, and return how often the authenticator says that it has signed.

        Raises:
            PasskeyRefused: It was not made by this passkey, from this challenge, for this installation and its owner, or nobody
                was verified.
        """
        ...


class Provider(Protocol):
    """An OpenID provider that the operator trusts to say who somebody is."""

    @property
    def issuer(self) -> str:
        """What it calls itself."""
        ...

    def address(self, asked: Asked) -> str:
        """Return where a browser is sent to be asked.

        Raises:
            ProviderUnavailable: It does not answer.
        """
        ...

    def proven(self, code: str, asked: Asked) -> Proven:
        """Return who somebody is who came back with this code.

        Raises:
            ProviderRefused: The code is not taken, or what was signed does not fit what was asked.
            ProviderUnavailable: It does not answer.
        """
        ...
