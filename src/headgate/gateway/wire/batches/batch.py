"""A batch: what asks for one, and what an upstream says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from headgate.gateway.errors import WrongType
from headgate.gateway.wire.document import Edit, patched, read
from headgate.gateway.wire.surface import MOST_TOKENS, NotAnAnswer, Usage

if TYPE_CHECKING:
    from headgate.gateway.wire.document import Document

SURFACE = "api.batches"
PATH = "/batches"

FINAL = frozenset({"completed", "failed", "expired", "cancelled"})
"""States in which a batch stays."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request for a batch.

    Attributes:
        input_file_id: The file that holds its rows.
        endpoint: The path that all of its rows ask.
        document: The body, which goes up as it came.
    """

    input_file_id: str
    endpoint: str
    document: Document


def read_wanted(body: bytes) -> Wanted:
    """Read a request for a batch.

    Raises:
        Malformed: It is not one JSON object in UTF-8, or a key stands twice in one object.
        WrongType: A field that must be understood cannot be.
    """
    document = read(body)
    named = [document.value(key) for key in ("input_file_id", "endpoint")]
    for key, value in zip(("input_file_id", "endpoint"), named, strict=True):
        if not isinstance(value, str) or not value:
            raise WrongType(f"{key} must be a non-empty string.", param=key)
    return Wanted(named[0], named[1], document)


class _Usage(msgspec.Struct):
    input_tokens: int
    output_tokens: int


_NOTHING = msgspec.Raw(b"null")


class _Batch(msgspec.Struct):
    id: str
    status: str
    output_file_id: str | None = None
    error_file_id: str | None = None
    usage: msgspec.Raw = _NOTHING


_BATCH = msgspec.json.Decoder(_Batch)
_USAGE = msgspec.json.Decoder(_Usage)


@dataclass(frozen=True, slots=True)
class Batch:
    """What an upstream says of a batch.

    Attributes:
        id: Its identifier.
        status: How far it is.
        files: The files that it has written: answers, and rows that failed.
        usage: What it has used, where the upstream says so and can be believed.
    """

    id: str
    status: str
    files: tuple[str, ...]
    usage: Usage | None

    @property
    def final(self) -> bool:
        """Whether it will stay as it is."""
        return self.status in FINAL


def read_batch(body: bytes) -> Batch:
    """Read what an upstream says of a batch.

    Raises:
        NotAnAnswer: It is not a batch.
    """
    try:
        batch = _BATCH.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise NotAnAnswer from None
    files = tuple(file for file in (batch.output_file_id, batch.error_file_id) if file)
    return Batch(batch.id, batch.status, files, _usage(batch.usage))


def unfinished(body: bytes) -> bytes:
    """Return a final batch as one that is still being finished: its answers are not on record yet, so nobody may fetch them."""
    document = read(body)
    edits: list[Edit | None] = [document.setting("status", '"finalizing"')]
    edits += [document.setting(key, "null") for key in ("output_file_id", "error_file_id", "completed_at", "cancelled_at")]
    return patched(document.text, [edit for edit in edits if edit is not None])


def _usage(value: msgspec.Raw) -> Usage | None:
    try:
        usage = _USAGE.decode(value)
    except msgspec.DecodeError:
        return None
    if (
        0 <= usage.input_tokens <= MOST_TOKENS
        and usage.input_tokens + usage.output_tokens > 0
        and 0 <= usage.output_tokens <= MOST_TOKENS
    ):
        return Usage(usage.input_tokens, usage.output_tokens)
    return None
