"""A row as a value, and a value as a row.

What stands in a row was checked on its way in; a row that no longer reads (an enum value that this version does not know)
raises, and a key whose row cannot be read opens nothing.
"""

from __future__ import annotations

import json
from functools import lru_cache
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from headgate.access.model import (
    Account,
    AccountState,
    Attempt,
    Cohort,
    CohortState,
    Declared,
    Described,
    Grant,
    GrantState,
    Identity,
    Key,
    KeyHolder,
    KeyState,
    KeyUse,
    Organisation,
    OrganisationState,
    Passkey,
    Purpose,
    Session,
    SignedInBy,
    SignInLink,
    Staff,
    StaffState,
    Tier,
)
from headgate.access.store import tables
from headgate.kernel.actor import Role
from headgate.kernel.clock import from_us, to_us
from headgate.kernel.digest import canonical_json
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

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from headgate.access.model import Network
    from headgate.access.ports import Thing


def row_of(thing: Thing | Attempt) -> tuple[sa.Table, dict[str, Any]]:  # noqa: C901, PLR0911 - one arm for each table
    """Return the table that a value belongs in and its row there."""
    match thing:
        case Organisation():
            return tables.organisations, {
                "id": thing.id,
                "name": thing.name,
                "state": thing.state.value,
                "created_at_us": to_us(thing.created_at),
                "revision": thing.revision,
            }
        case Account():
            return tables.accounts, {
                "id": thing.id,
                "name": thing.name,
                "email_hash": thing.email_hash,
                "organisation_id": thing.organisation_id,
                "tier": thing.tier.value,
                "state": thing.state.value,
                "simulated": int(thing.simulated),
                "created_at_us": to_us(thing.created_at),
                "revision": thing.revision,
            }
        case Cohort():
            return tables.cohorts, {
                "name": thing.name,
                "seats": thing.seats,
                "terms_version": thing.terms_version,
                "terms_url": thing.terms_url,
                "state": thing.state.value,
                "created_at_us": to_us(thing.created_at),
                "revision": thing.revision,
            }
        case Grant():
            return tables.grants, {
                "id": thing.id,
                "account_id": thing.account_id,
                "cohort": thing.cohort,
                "state": thing.state.value,
                "terms_version": thing.terms_version,
                "terms_due_at_us": _us(thing.terms_due_at),
                "limited_to_percent": thing.limited_to_percent,
                "starts_at_us": to_us(thing.starts_at),
                "ends_at_us": to_us(thing.ends_at),
                "simulated": int(thing.simulated),
                "created_at_us": to_us(thing.created_at),
                "revision": thing.revision,
            }
        case Key():
            return tables.keys, {
                "id": thing.id,
                "grant_id": thing.grant_id,
                "digest": thing.digest,
                "label": thing.label,
                "scopes": _text(sorted(thing.scopes)),
                "networks": _text([str(network) for network in thing.networks]),
                "state": thing.state.value,
                "created_at_us": to_us(thing.created_at),
                "expires_at_us": to_us(thing.expires_at),
                "retires_at_us": _us(thing.retires_at),
                "replaced_by": thing.replaced_by,
                "last_used_at_us": _us(thing.last_used_at),
                "use": thing.use.value,
                "revision": thing.revision,
            }
        case Staff():
            return tables.staff, {
                "id": thing.id,
                "name": thing.name,
                "roles": _text(sorted(role.value for role in thing.roles)),
                "state": thing.state.value,
                "token_digest": thing.token_digest,
                "token_expires_at_us": to_us(thing.token_expires_at),
                "created_at_us": to_us(thing.created_at),
                "revision": thing.revision,
            }
        case SignInLink():
            return tables.links, {
                "id": thing.id,
                "staff_id": thing.staff_id,
                "digest": thing.digest,
                "created_at_us": to_us(thing.created_at),
                "expires_at_us": to_us(thing.expires_at),
                "used_at_us": _us(thing.used_at),
                "revision": thing.revision,
            }
        case Session():
            return tables.sessions, {
                "id": thing.id,
                "staff_id": thing.staff_id,
                "signed_in_by": thing.means.value,
                "digest": thing.digest,
                "earlier_digest": thing.earlier_digest,
                "began_at_us": to_us(thing.began_at),
                "seen_at_us": to_us(thing.seen_at),
                "renewed_at_us": to_us(thing.renewed_at),
                "verified_at_us": to_us(thing.verified_at),
                "ends_at_us": to_us(thing.ends_at),
                "ended_at_us": _us(thing.ended_at),
                "revision": thing.revision,
                "browser": thing.browser,
                "passkey_id": thing.passkey_id,
            }
        case Passkey():
            return tables.passkeys, {
                "id": thing.id,
                "staff_id": thing.staff_id,
                "credential_id": thing.credential_id,
                "public_key": thing.public_key,
                "sign_count": thing.sign_count,
                "name": thing.name,
                "created_at_us": to_us(thing.created_at),
                "last_used_at_us": _us(thing.last_used_at),
                "removed_at_us": _us(thing.removed_at),
                "revision": thing.revision,
            }
        case Identity():
            return tables.identities, {
                "id": thing.id,
                "staff_id": thing.staff_id,
                "issuer": thing.issuer,
                "subject": thing.subject,
                "linked_at_us": to_us(thing.linked_at),
                "last_used_at_us": _us(thing.last_used_at),
                "removed_at_us": _us(thing.removed_at),
                "revision": thing.revision,
            }
        case Attempt():
            return tables.attempts, {
                "id": thing.id,
                "purpose": thing.purpose.value,
                "session_id": thing.session_id,
                "digest": thing.digest,
                "challenge": thing.challenge,
                "to_path": thing.to,
                "created_at_us": to_us(thing.created_at),
                "expires_at_us": to_us(thing.expires_at),
            }


def organisation_of(row: sa.RowMapping, prefix: str = "") -> Organisation:
    """Return the organisation that a row says."""
    return Organisation(
        id=OrganisationId(row[prefix + "id"]),
        name=row[prefix + "name"],
        state=OrganisationState(row[prefix + "state"]),
        created_at=from_us(row[prefix + "created_at_us"]),
        revision=row[prefix + "revision"],
    )


def account_of(row: sa.RowMapping, prefix: str = "") -> Account:
    """Return the account that a row says."""
    organisation_id = row[prefix + "organisation_id"]
    return Account(
        id=AccountId(row[prefix + "id"]),
        name=row[prefix + "name"],
        email_hash=row[prefix + "email_hash"],
        organisation_id=None if organisation_id is None else OrganisationId(organisation_id),
        tier=Tier(row[prefix + "tier"]),
        state=AccountState(row[prefix + "state"]),
        simulated=bool(row[prefix + "simulated"]),
        created_at=from_us(row[prefix + "created_at_us"]),
        revision=row[prefix + "revision"],
    )


def described_of(row: sa.RowMapping) -> Described:
    """Return what the people behind an account are told apart by, from the joined row of the account."""
    declared = Declared(row["country"], row["language"], row["region"], row["use_case"])
    return Described(declared, Tier(row["tier"]), row["organisation"])


def cohort_of(row: sa.RowMapping, prefix: str = "") -> Cohort:
    """Return the cohort that a row says."""
    return Cohort(
        name=row[prefix + "name"],
        seats=row[prefix + "seats"],
        terms_version=row[prefix + "terms_version"],
        terms_url=row[prefix + "terms_url"],
        state=CohortState(row[prefix + "state"]),
        created_at=from_us(row[prefix + "created_at_us"]),
        revision=row[prefix + "revision"],
    )


def grant_of(row: sa.RowMapping, prefix: str = "") -> Grant:
    """Return the grant that a row says."""
    return Grant(
        id=GrantId(row[prefix + "id"]),
        account_id=AccountId(row[prefix + "account_id"]),
        cohort=row[prefix + "cohort"],
        state=GrantState(row[prefix + "state"]),
        terms_version=row[prefix + "terms_version"],
        terms_due_at=_instant(row[prefix + "terms_due_at_us"]),
        limited_to_percent=row[prefix + "limited_to_percent"],
        starts_at=from_us(row[prefix + "starts_at_us"]),
        ends_at=from_us(row[prefix + "ends_at_us"]),
        simulated=bool(row[prefix + "simulated"]),
        created_at=from_us(row[prefix + "created_at_us"]),
        revision=row[prefix + "revision"],
    )


def key_of(row: sa.RowMapping, prefix: str = "") -> Key:
    """Return the key that a row says."""
    replaced_by = row[prefix + "replaced_by"]
    return Key(
        id=KeyId(row[prefix + "id"]),
        grant_id=GrantId(row[prefix + "grant_id"]),
        digest=row[prefix + "digest"],
        label=row[prefix + "label"],
        scopes=_scopes(row[prefix + "scopes"]),
        networks=_networks(row[prefix + "networks"]),
        state=KeyState(row[prefix + "state"]),
        created_at=from_us(row[prefix + "created_at_us"]),
        expires_at=from_us(row[prefix + "expires_at_us"]),
        retires_at=_instant(row[prefix + "retires_at_us"]),
        replaced_by=None if replaced_by is None else KeyId(replaced_by),
        last_used_at=_instant(row[prefix + "last_used_at_us"]),
        use=KeyUse(row[prefix + "use"]),
        revision=row[prefix + "revision"],
    )


def holder_of(row: sa.RowMapping) -> KeyHolder:
    """Return what the joined row of a key says; its columns start with ``k_``, ``g_``, ``c_``, ``a_`` and ``o_``."""
    return KeyHolder(
        key=key_of(row, "k_"),
        grant=grant_of(row, "g_"),
        cohort=cohort_of(row, "c_"),
        account=account_of(row, "a_"),
        organisation=None if row["o_id"] is None else organisation_of(row, "o_"),
    )


def staff_of(row: sa.RowMapping) -> Staff:
    """Return the member of staff that a row says."""
    return Staff(
        id=StaffId(row["id"]),
        name=row["name"],
        roles=frozenset(Role(value) for value in json.loads(row["roles"])),
        state=StaffState(row["state"]),
        token_digest=row["token_digest"],
        token_expires_at=from_us(row["token_expires_at_us"]),
        created_at=from_us(row["created_at_us"]),
        revision=row["revision"],
    )


def link_of(row: sa.RowMapping) -> SignInLink:
    """Return the sign-in link that a row says."""
    return SignInLink(
        id=LinkId(row["id"]),
        staff_id=StaffId(row["staff_id"]),
        digest=row["digest"],
        created_at=from_us(row["created_at_us"]),
        expires_at=from_us(row["expires_at_us"]),
        used_at=_instant(row["used_at_us"]),
        revision=row["revision"],
    )


def session_of(row: sa.RowMapping) -> Session:
    """Return the session that a row says."""
    return Session(
        id=SessionId(row["id"]),
        staff_id=StaffId(row["staff_id"]),
        means=SignedInBy(row["signed_in_by"]),
        digest=row["digest"],
        earlier_digest=row["earlier_digest"],
        began_at=from_us(row["began_at_us"]),
        seen_at=from_us(row["seen_at_us"]),
        renewed_at=from_us(row["renewed_at_us"]),
        verified_at=from_us(row["verified_at_us"]),
        ends_at=from_us(row["ends_at_us"]),
        ended_at=_instant(row["ended_at_us"]),
        revision=row["revision"],
        browser=row["browser"],
        passkey_id=None if row["passkey_id"] is None else PasskeyId(row["passkey_id"]),
    )


def passkey_of(row: sa.RowMapping) -> Passkey:
    """Return the passkey that a row says."""
    return Passkey(
        id=PasskeyId(row["id"]),
        staff_id=StaffId(row["staff_id"]),
        credential_id=row["credential_id"],
        public_key=row["public_key"],
        sign_count=row["sign_count"],
        name=row["name"],
        created_at=from_us(row["created_at_us"]),
        last_used_at=_instant(row["last_used_at_us"]),
        removed_at=_instant(row["removed_at_us"]),
        revision=row["revision"],
    )


def identity_of(row: sa.RowMapping) -> Identity:
    """Return the link with a provider that a row says."""
    return Identity(
        id=IdentityId(row["id"]),
        staff_id=StaffId(row["staff_id"]),
        issuer=row["issuer"],
        subject=row["subject"],
        linked_at=from_us(row["linked_at_us"]),
        last_used_at=_instant(row["last_used_at_us"]),
        removed_at=_instant(row["removed_at_us"]),
        revision=row["revision"],
    )


def attempt_of(row: sa.RowMapping) -> Attempt:
    """Return the attempt that a row says."""
    session_id = row["session_id"]
    return Attempt(
        id=AttemptId(row["id"]),
        purpose=Purpose(row["purpose"]),
        session_id=None if session_id is None else SessionId(session_id),
        digest=row["digest"],
        challenge=row["challenge"],
        to=row["to_path"],
        created_at=from_us(row["created_at_us"]),
        expires_at=from_us(row["expires_at_us"]),
    )


@lru_cache(maxsize=1024)
def _scopes(text: str) -> frozenset[str]:
    return frozenset(json.loads(text))


@lru_cache(maxsize=1024)
def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(network) for network in json.loads(text))


def _text(words: list[str]) -> str:
    return canonical_json(words).decode()


def _us(instant: datetime | None) -> int | None:
    return None if instant is None else to_us(instant)


def _instant(us: int | None) -> datetime | None:
    return None if us is None else from_us(us)
