"""How an exchange is written down in a spool: the tables, and the one translation each way between a value and a row.

Instants are whole microseconds, enums their text, lists JSON. A body is stored sealed. Readers name columns through
``EXCHANGE`` and ``OPENED`` so that spools and segments give the same row for the same exchange.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from headgate.kernel.clock import from_us, to_us
from headgate.traffic.keys import DayKey, Direction
from headgate.traffic.model import Admission, Exchange, Opened, Outcome, OutcomeStatus, Screened

if TYPE_CHECKING:
    from collections.abc import Sequence

Row: TypeAlias = tuple[Any, ...]
"""What a database takes and gives."""

SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE admission (
    admission_seq INTEGER PRIMARY KEY,
    exchange_id TEXT NOT NULL UNIQUE,
    at_us INTEGER NOT NULL,
    worker TEXT NOT NULL,
    release_id TEXT NOT NULL,
    version_digest TEXT NOT NULL,
    stage TEXT NOT NULL,
    epoch TEXT NOT NULL,
    account_id TEXT NOT NULL,
    grant_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    organisation_id TEXT,
    surface TEXT NOT NULL,
    model TEXT NOT NULL,
    stream INTEGER NOT NULL,
    capabilities TEXT NOT NULL,
    stripped TEXT NOT NULL,
    end_user TEXT,
    reserved_tokens INTEGER NOT NULL,
    day TEXT NOT NULL,
    request_sealed BLOB NOT NULL
) STRICT;
CREATE TABLE outcome (
    outcome_seq INTEGER PRIMARY KEY AUTOINCREMENT,
    exchange_id TEXT NOT NULL UNIQUE,
    settled_us INTEGER NOT NULL,
    status TEXT NOT NULL,
    http_status INTEGER,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    charged_tokens INTEGER NOT NULL,
    usage_exact INTEGER NOT NULL,
    duration_ms REAL NOT NULL,
    screened TEXT NOT NULL,
    output_screened TEXT NOT NULL,
    response_bytes INTEGER NOT NULL,
    detail TEXT,
    response_sealed BLOB
) STRICT;
COMMIT;
"""
"""``AUTOINCREMENT``: a place in the order of outcomes is never given twice, even after its row was sealed and deleted."""

OPENED = (
    "exchange_id",
    "at_us",
    "worker",
    "release_id",
    "version_digest",
    "stage",
    "epoch",
    "account_id",
    "grant_id",
    "key_id",
    "organisation_id",
    "surface",
    "model",
    "stream",
    "capabilities",
    "stripped",
    "end_user",
    "reserved_tokens",
)
"""An admission's columns, without its day and its body."""

SETTLED = (
    "settled_us",
    "status",
    "http_status",
    "prompt_tokens",
    "completion_tokens",
    "charged_tokens",
    "usage_exact",
    "duration_ms",
    "screened",
    "output_screened",
    "response_bytes",
    "detail",
)
"""An outcome's columns, without its place and its body."""

EXCHANGE = (*OPENED, *SETTLED, "outcome_seq")
"""A settled exchange's columns, without bodies."""

ADMISSION_COLUMNS = (*OPENED, "day", "request_sealed")
OUTCOME_COLUMNS = ("exchange_id", *SETTLED, "response_sealed")

_INSTANTS = {"at_us": "at", "settled_us": "settled_at"}
_FIELDS = tuple(_INSTANTS.get(column, column) for column in EXCHANGE)
"""What an exchange calls what stands in its columns."""
_STATUSES = {status.value: status for status in OutcomeStatus}
_SCREENED = {screened.value: screened for screened in Screened}
_decode = msgspec.json.Decoder(tuple[str, ...]).decode
_encode = msgspec.json.encode


def admission_row(admission: Admission, key: DayKey, nonce: bytes | None = None) -> Row:
    """Return an admission as ``ADMISSION_COLUMNS``.

    Raises:
        UnicodeEncodeError: A field holds half a surrogate pair, which no database keeps.
    """
    row = (
        admission.exchange_id,
        to_us(admission.at),
        admission.worker,
        admission.release_id,
        admission.version_digest,
        admission.stage,
        admission.epoch,
        admission.account_id,
        admission.grant_id,
        admission.key_id,
        admission.organisation_id,
        admission.surface,
        admission.model,
        int(admission.stream),
        _list(admission.capabilities),
        _list(admission.stripped),
        admission.end_user,
        admission.reserved_tokens,
        key.day.isoformat(),
        key.seal(admission.request_body, admission.exchange_id, Direction.REQUEST, nonce),
    )
    for field in row:
        if isinstance(field, str) and not field.isascii():
            field.encode()  # here, where it fails this admission alone, and not in a statement that carries others
    return row


def outcome_row(outcome: Outcome, key: DayKey | None, nonce: bytes | None = None) -> Row:
    """Return an outcome as ``OUTCOME_COLUMNS``; without a key the response is not kept."""
    detail = outcome.detail
    if detail is not None and not detail.isascii():
        detail = detail.encode(errors="backslashreplace").decode()
    return (
        outcome.exchange_id,
        to_us(outcome.at),
        outcome.status.value,
        outcome.http_status,
        outcome.prompt_tokens,
        outcome.completion_tokens,
        outcome.charged_tokens,
        int(outcome.usage_exact),
        outcome.duration_ms,
        outcome.screened.value,
        outcome.output_screened.value,
        len(outcome.response_body),
        detail,
        None if key is None else key.seal(bytes(outcome.response_body), outcome.exchange_id, Direction.RESPONSE, nonce),
    )


@lru_cache(maxsize=1024)
def _list(texts: tuple[str, ...]) -> str:
    """Return texts as one text; a worker sees few different lists."""
    return _encode(texts).decode()


@lru_cache(maxsize=1024)
def _texts(text: str) -> tuple[str, ...]:
    return _decode(text)


def opened(row: Sequence[Any]) -> Opened:
    """Return the value of a row that begins with the columns of ``OPENED``."""
    return Opened(**_opened(row[: len(OPENED)]))


def exchange(row: Sequence[Any], spool: str) -> Exchange:
    """Return the value of a row of ``EXCHANGE``."""
    fields = _opened(row)
    fields["settled_at"] = from_us(fields["settled_at"])
    fields["status"] = _STATUSES[fields["status"]]
    fields["usage_exact"] = bool(fields["usage_exact"])
    fields["screened"] = _SCREENED[fields["screened"]]
    fields["output_screened"] = _SCREENED[fields["output_screened"]]
    return Exchange(**fields, spool=spool)


def _opened(row: Sequence[Any]) -> dict[str, Any]:
    fields: dict[str, Any] = dict(zip(_FIELDS, row, strict=False))  # as far as the row goes
    fields["at"] = from_us(fields["at"])
    fields["stream"] = bool(fields["stream"])
    fields["capabilities"] = _texts(fields["capabilities"])
    fields["stripped"] = _texts(fields["stripped"])
    return fields
