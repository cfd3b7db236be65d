"""Outsiders: organisations, accounts, cohorts, seats in them, keys, and what a key answers for."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime
    from ipaddress import IPv4Network, IPv6Network

    from headgate.kernel.ids import AccountId, GrantId, KeyId, OrganisationId

Network: TypeAlias = "IPv4Network | IPv6Network"

SURFACES = (
    "chat_page",
    "api.chat",
    "api.responses",
    "api.messages",
    "api.embeddings",
    "api.completions",
    "api.files",
    "api.batches",
    "api.fine_tuning",
    "api.moderations",
    "weights",
)
"""Every way in that a key can be issued for."""


class Tier(Enum):
    """How far an account is trusted, from least to most."""

    UNTRUSTED = "untrusted"
    KNOWN = "known"
    VERIFIED = "verified"
    VETTED = "vetted"
    AUDITOR = "auditor"
    INTERNAL = "internal"


class OrganisationState(Enum):
    """Whether an organisation's people may come in."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class AccountState(Enum):
    """Whether an account may be used; closing is for good."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class CohortState(Enum):
    """Whether a cohort takes people in; those who are in stay in either way."""

    OPEN = "open"
    FROZEN = "frozen"


class GrantState(Enum):
    """Where a seat stands; ``ENDED`` is for good."""

    PENDING_TERMS = "pending_terms"
    ACTIVE = "active"
    LIMITED = "limited"
    PAUSED = "paused"
    ENDED = "ended"


class KeyUse(Enum):
    """What a key is for. Only the first kind is shown to its holder and works on the API."""

    API = "api"
    """A credential that its holder keeps and sends."""
    LINK = "link"
    """A link that opens the chat page once; it is replaced by what it opens."""
    PAGE = "page"
    """A browser's session on the chat page; its text lives in a cookie."""


class KeyState(Enum):
    """Where a key stands; only the first two can be used, and nothing leads back to them."""

    ACTIVE = "active"
    ROTATING = "rotating"
    QUARANTINED = "quarantined"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Organisation:
    """Several accounts that answer for each other.

    Attributes:
        id: ``org_…``.
        name: What people call it.
        state: Suspended, it takes every one of its accounts along.
        created_at: When it was entered.
        revision: How often it has changed.
    """

    id: OrganisationId
    name: str
    state: OrganisationState
    created_at: datetime
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """A person or a service.

    Attributes:
        id: ``acc_…``.
        name: What people call it.
        email_hash: Keyed hash of the canonical e-mail address, 32 bytes; the address itself is not kept.
        organisation_id: Whom it belongs to.
        tier: How far it is trusted.
        state: Whether it may be used.
        simulated: Made up for a demonstration or a test; says so wherever it is shown.
        created_at: When it was entered.
        revision: How often it has changed.
    """

    id: AccountId
    name: str
    email_hash: bytes | None = field(repr=False)
    organisation_id: OrganisationId | None
    tier: Tier
    state: AccountState
    simulated: bool
    created_at: datetime
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Declared:
    """What an account says of the people and the use behind it; evidence tells people apart by it.

    Each is one word, such as ``fr`` or ``customer_support``; ``None`` while nothing was declared.

    Attributes:
        country: Where they are.
        language: What they mostly write in.
        region: Which part of the world they are in.
        use_case: What they use the model for.
    """

    country: str | None = None
    language: str | None = None
    region: str | None = None
    use_case: str | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """What people behind an account are told apart by.

    Attributes:
        declared: What it says of itself.
        tier: How far it is trusted.
        organisation: The name of the organisation that it belongs to; ``None`` for none.
    """

    declared: Declared
    tier: Tier
    organisation: str | None


@dataclass(frozen=True, slots=True)
class Cohort:
    """A group of seats that a stage of a plan can name.

    Attributes:
        name: What plans call it.
        seats: How many grants may be open at once; ``None`` for no bound.
        terms_version: The version of the terms to accept; ``None`` where there are none.
        terms_url: Where they can be read.
        state: Whether it takes people in.
        created_at: When it was entered.
        revision: How often it has changed.
    """

    name: str
    seats: int | None
    terms_version: str | None
    terms_url: str | None
    state: CohortState
    created_at: datetime
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """A seat in a cohort.

    Attributes:
        id: ``gr_…``.
        account_id: Whose seat.
        cohort: In which cohort.
        state: Where it stands on record; ``decide`` says where it stands now.
        terms_version: The version of the terms that the holder accepted last.
        terms_due_at: When newer terms must have been accepted; ``None`` while those accepted are in force.
        limited_to_percent: The share of the stage's quota that is left to it, 1 to 100.
        starts_at: First instant at which it counts.
        ends_at: First instant at which it no longer does.
        simulated: Made up for a demonstration or a test.
        created_at: When it was decided.
        revision: How often it has changed.
    """

    id: GrantId
    account_id: AccountId
    cohort: str
    state: GrantState
    terms_version: str | None
    terms_due_at: datetime | None
    limited_to_percent: int
    starts_at: datetime
    ends_at: datetime
    simulated: bool
    created_at: datetime
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Key:
    """A credential of one grant.

    Attributes:
        id: ``key_…``; it stands in the key's text and is no secret.
        grant_id: Whose credential.
        digest: Keyed digest of the text, 32 bytes.
        label: What its holder calls it.
        scopes: The surfaces that it opens, of those that its grant opens.
        networks: Where it may be used from; anywhere when empty.
        state: Where it stands on record; ``decide`` says where it stands now.
        created_at: When it was issued.
        expires_at: First instant at which it no longer works.
        retires_at: When its overlap with its successor ends; ``None`` unless it is rotating.
        replaced_by: Its successor.
        last_used_at: When it was last used, to the minute.
        use: What it is for.
        revision: How often it has changed.
    """

    id: KeyId
    grant_id: GrantId
    digest: bytes = field(repr=False)
    label: str
    scopes: frozenset[str]
    networks: tuple[Network, ...]
    state: KeyState
    created_at: datetime
    expires_at: datetime
    retires_at: datetime | None = None
    replaced_by: KeyId | None = None
    last_used_at: datetime | None = None
    use: KeyUse = KeyUse.API
    revision: int = 0


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Everything that decides whether a key may be used, read in one query.

    A gateway caches it, judges it anew at every request (``decide.must_be_usable``) and forgets it when the ledger names
    its key, grant, account, organisation or cohort. It carries no authority of its own.

    Attributes:
        key: The credential.
        grant: The seat that it is a credential of.
        cohort: The group that the seat is in.
        account: Who holds the seat.
        organisation: Whom the account belongs to.
    """

    key: Key
    grant: Grant
    cohort: Cohort
    account: Account
    organisation: Organisation | None
