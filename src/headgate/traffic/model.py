"""An exchange: one request and its response, from the moment it is admitted to the moment it is settled.

An admission is recorded before anything is forwarded; an outcome is recorded once, when it is known how the exchange
ended. An exchange whose worker died before saying how it ended is settled as ``UNKNOWN`` at full charge: what is not known
is never refunded. The values that are read back (``Opened``, ``Exchange``) carry no bodies; ``Content`` carries nothing else
and is given out only against a ledger entry.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

import msgspec

from headgate.kernel.ids import (
    AccountId,
    EpochId,
    ExchangeId,
    GrantId,
    KeyId,
    OrganisationId,
    ReleaseId,
)
from headgate.kernel.words import Word

MOST_TOKENS = 2**53
"""More tokens than any exchange has; a count above it is an upstream's garbage, not a measurement."""


class OutcomeStatus(Word):
    """How an exchange ended."""

    COMPLETED = "completed"
    """The upstream's answer was delivered whole."""
    UPSTREAM_REFUSED = "upstream_refused"
    """The upstream answered with a 4xx, which was passed on."""
    UPSTREAM_FAILED = "upstream_failed"
    """The upstream answered with a 5xx or garbage, timed out, or closed early."""
    CLIENT_GONE = "client_gone"
    """The caller left before the end."""
    CUT = "cut"
    """Access was taken away while the answer was streaming."""
    UNKNOWN = "unknown"
    """The worker died; the steward settled the exchange at full charge."""


class Screened(Word):
    """What a screen said while the exchange lasted."""

    UNSCANNED = "unscanned"
    """The screen was asked and could not tell."""
    PASSED = "passed"
    BLOCKED = "blocked"
    NOT_ASKED = "not_asked"
    """The stage has no synchronous screen."""


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an exchange from its admission, without the request's body.

    Attributes:
        exchange_id: ``ex_…``, minted by the gateway.
        at: When it was admitted, aware, in UTC.
        worker: The worker that admitted it.
        release_id: The release that it was admitted to.
        version_digest: The model version that answers.
        stage: The stage's name.
        epoch: ``{release_id}/{stage}/{attempt}``, what evidence is keyed by.
        account_id: Who asked.
        grant_id: The seat that allowed it.
        key_id: The credential that was shown.
        organisation_id: The account's organisation, if it has one.
        surface: The way in, such as ``api.chat``.
        model: The served name that was asked for.
        stream: Whether a stream was asked for.
        capabilities: The capabilities that the request used.
        stripped: What the plan took out of the request, declared to the caller.
        end_user: The caller's own end user as a keyed hash, if one was named.
        reserved_tokens: What was reserved, and is charged if the end is never known.
    """

    exchange_id: ExchangeId
    at: datetime
    worker: str
    release_id: ReleaseId
    version_digest: str
    stage: str
    epoch: EpochId
    account_id: AccountId
    grant_id: GrantId
    key_id: KeyId
    organisation_id: OrganisationId | None
    surface: str
    model: str
    stream: bool
    capabilities: tuple[str, ...]
    stripped: tuple[str, ...]
    end_user: str | None
    reserved_tokens: int


class Admission(Opened, frozen=True, kw_only=True):
    """A request that was let in, as it is recorded before it is forwarded.

    Attributes:
        request_body: The request as the caller sent it.
    """

    request_body: bytes

    def __post_init__(self) -> None:
        """Refuse what no spool could keep.

        Raises:
            ValueError: ``at`` carries no time zone, or ``reserved_tokens`` is out of range.
        """
        if self.at.tzinfo is None:
            raise ValueError("an admission's instant needs a time zone")
        if not 0 <= self.reserved_tokens <= MOST_TOKENS:
            raise ValueError(f"reserved_tokens must be in [0, {MOST_TOKENS}]")

    def __repr__(self) -> str:
        """Name the exchange; never show the prompt."""
        return f"Admission({self.exchange_id}, {len(self.request_body)} bytes)"


class Body(Protocol):
    """An answer that is put together when it is written: a thousand streams that end at once are not held whole at once."""

    def __len__(self) -> int: ...
    def __bytes__(self) -> bytes: ...


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an exchange ended.

    Attributes:
        exchange_id: The exchange.
        at: When it ended, aware, in UTC.
        status: How.
        http_status: The status sent to the caller, if one was sent.
        prompt_tokens: As the upstream counted, if it did.
        completion_tokens: As the upstream counted, if it did.
        charged_tokens: What the account pays.
        usage_exact: Whether ``charged_tokens`` is what the upstream counted.
        duration_ms: From admission to end, on the monotonic clock.
        screened: What the input screen said.
        output_screened: What the output screen said while the answer passed.
        response_body: The answer as it was passed on, as far as it got.
        detail: What else an operator should know; never a prompt, never an answer.
    """

    exchange_id: ExchangeId
    at: datetime
    status: OutcomeStatus
    http_status: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    charged_tokens: int
    usage_exact: bool
    duration_ms: float
    screened: Screened
    output_screened: Screened
    response_body: bytes | Body
    detail: str | None

    def __post_init__(self) -> None:
        """Refuse what no spool could keep.

        Raises:
            ValueError: ``at`` carries no time zone, or a number is out of range.
        """
        if self.at.tzinfo is None:
            raise ValueError("an outcome's instant needs a time zone")
        for tokens in (self.charged_tokens, self.prompt_tokens, self.completion_tokens, self.http_status):
            if tokens is not None and not 0 <= tokens <= MOST_TOKENS:
                raise ValueError(f"a count must be in [0, {MOST_TOKENS}]")
        if not (math.isfinite(self.duration_ms) and self.duration_ms >= 0):
            raise ValueError("duration_ms must be finite and not negative")

    def __repr__(self) -> str:
        """Name the exchange; never show the answer."""
        return f"Outcome({self.exchange_id}, {self.status.value}, {len(self.response_body)} bytes)"


class Exchange(Opened, frozen=True, kw_only=True):
    """A settled exchange, without its bodies.

    Attributes:
        settled_at: When it ended, aware, in UTC.
        status: How it ended.
        http_status: The status sent to the caller, if one was sent.
        prompt_tokens: As the upstream counted, if it did.
        completion_tokens: As the upstream counted, if it did.
        charged_tokens: What the account paid.
        usage_exact: Whether ``charged_tokens`` is what the upstream counted.
        duration_ms: From admission to end; for ``UNKNOWN``, to settlement, which is an upper bound.
        screened: What the input screen said.
        output_screened: What the output screen said while the answer passed.
        response_bytes: How long the recorded answer is.
        detail: What else an operator should know.
        spool: The spool that recorded it.
        outcome_seq: Its place in the spool's order of outcomes, counted from 1.
    """

    settled_at: datetime
    status: OutcomeStatus
    http_status: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    charged_tokens: int
    usage_exact: bool
    duration_ms: float
    screened: Screened
    output_screened: Screened
    response_bytes: int
    detail: str | None
    spool: str
    outcome_seq: int


@dataclass(frozen=True, slots=True)
class Content:
    """The bodies of one exchange, in the clear.

    Attributes:
        request: The request's body as the caller sent it.
        response: The answer's body as far as it was passed on; empty when the exchange has not ended or its worker died.
    """

    request: bytes = field(repr=False)
    response: bytes = field(repr=False)


class Unreadable(Enum):
    """Why an exchange's content cannot be given out."""

    DESTROYED = "destroyed"
    """Its day's key was destroyed at the end of retention."""
    TAMPERED = "tampered"
    """The stored bytes are not those that were written."""
    MISSING = "missing"
    """No such exchange is kept."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """Who has had access, and how much.

    Attributes:
        accounts: Distinct accounts with at least one exchange.
        organisations: Distinct organisations with at least one exchange; accounts without one count for none.
        exchanges: Exchanges in which somebody saw, or may have seen, what the model said.
        tokens: Tokens charged for them.
        active_days: UTC days with at least one such exchange.
        first_at: When the first was admitted; ``None`` when there is none.
        last_at: When the last was admitted; ``None`` when there is none.
    """

    accounts: int
    organisations: int
    exchanges: int
    tokens: int
    active_days: int
    first_at: datetime | None
    last_at: datetime | None
