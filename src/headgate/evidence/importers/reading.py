"""Getting at a file's content within fixed bounds: bytes, JSON documents, JSON Lines, and typed values out of them.

JSON is read strictly. A key that appears twice is refused, because two readers would read two files. NaN and infinities
are let through the parser, since tools print them beside numbers that are sound, and refused where a number is used.
"""

from __future__ import annotations

import hashlib
import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from headgate.evidence.importers.interface import (
    MOST_DOCUMENT_BYTES,
    MOST_ENTRIES,
    MOST_FILE_BYTES,
    MOST_LINE_BYTES,
    MOST_UNITS,
    MOST_VALUES,
    Reason,
    Unfit,
    Upload,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_PIECE = 2**20
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def upload(stream: BinaryIO, name: str | None = None) -> Upload:
    """Return an opened file with its size and digest.

    Args:
        stream: Readable, seekable, binary.
        name: Its name, where it is known.

    Raises:
        Unfit: It is larger than any file that is read here.
    """
    digest, size = hashlib.sha256(), 0
    stream.seek(0)
    while piece := stream.read(_PIECE):
        size += len(piece)
        if size > MOST_FILE_BYTES:
            raise Unfit(Reason.TOO_LARGE, f"The file is larger than {MOST_FILE_BYTES:,} bytes.")
        digest.update(piece)
    return Upload(stream, size, f"sha256:{digest.hexdigest()}", name)


def head(file: Upload, most: int) -> bytes:
    """Return the first bytes of a file."""
    file.stream.seek(0)
    return file.stream.read(most)


def whole(file: Upload) -> bytes:
    """Return all bytes of a file that is one document.

    Raises:
        Unfit: It is larger than a document may be.
    """
    if file.size > MOST_DOCUMENT_BYTES:
        raise Unfit(Reason.TOO_LARGE, f"A document may hold {MOST_DOCUMENT_BYTES:,} bytes; this one holds {file.size:,}.")
    return head(file, MOST_DOCUMENT_BYTES)


def document(content: bytes) -> Any:
    """Return a JSON document.

    Raises:
        Unfit: It is not JSON, too deep, holds too many values, or a key twice.
    """
    if sum(map(content.count, (b",", b":", b"[", b"{"))) > MOST_VALUES:
        raise Unfit(Reason.TOO_LARGE, f"A document may hold {MOST_VALUES:,} values.")
    try:
        return _DECODER.decode(content.decode("utf-8-sig"))
    except RecursionError as deep:
        raise Unfit(Reason.TOO_DEEP, "The document is nested too deep.") from deep
    except ValueError as wrong:
        raise Unfit(Reason.UNREADABLE, "The document is not JSON, or ends too soon.") from wrong


def lines(file: Upload) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON Lines file, one at a time; blank lines are passed over.

    Raises:
        Unfit: A line is too long, is not a JSON object, or there are too many.
    """
    file.stream.seek(0)
    for number in range(MOST_ENTRIES + 1):
        line = file.stream.readline(MOST_LINE_BYTES + 1)
        if not line:
            return
        if len(line) > MOST_LINE_BYTES:
            raise Unfit(Reason.TOO_LARGE, f"Line {number + 1:,} is longer than {MOST_LINE_BYTES:,} bytes.")
        if line.strip():
            yield table(document(line), f"line {number + 1:,}")
    raise Unfit(Reason.TOO_LARGE, f"The file has more than {MOST_ENTRIES:,} lines.")


def table(value: object, what: str) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        Unfit: ``value`` is none.
    """
    if not isinstance(value, dict):
        raise Unfit(Reason.UNREADABLE, f"There should be a table: {what}.")
    return cast("dict[str, Any]", value)


def table_in(parent: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the JSON object under ``key``, empty when there is none.

    Raises:
        Unfit: Something else is there.
    """
    value = parent.get(key)
    return {} if value is None else table(value, key)


def rows_in(parent: dict[str, Any], key: str) -> list[Any]:
    """Return the JSON array under ``key``, empty when there is none.

    Raises:
        Unfit: Something else is there.
    """
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unfit(Reason.UNREADABLE, f"There should be a list: {key}.")
    return cast("list[Any]", value)


def str_in(parent: dict[str, Any], key: str) -> str:
    """Return the text under ``key``, empty when there is none, or something else is there."""
    value = parent.get(key)
    return value if isinstance(value, str) else ""


def number(value: object, what: str) -> float:
    """Return a finite number.

    Raises:
        Unfit: ``value`` is none, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit(Reason.UNREADABLE, f"There should be a number: {what}.")
    if isinstance(value, int) and abs(value) > 2**1000:
        raise Unfit(Reason.NOT_FINITE, f"A number is too large: {what}.")
    if not math.isfinite(value):
        raise Unfit(Reason.NOT_FINITE, f"A number is not finite: {what}.")
    return float(value)


def count(value: object, what: str) -> int:
    """Return a whole number of units.

    Raises:
        Unfit: ``value`` is none, negative, or larger than any real count.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(_held(value)) or value % 1:
        raise Unfit(Reason.UNREADABLE, f"There should be a whole number: {what}.")
    if not 0 <= value <= MOST_UNITS:
        raise Unfit(Reason.UNREADABLE, f"A count is negative or beyond reason: {what}.")
    return int(value)


def instant(value: object) -> datetime | None:
    """Return a time written as ISO 8601 or as seconds since 1970, in UTC; ``None`` when it is neither, or cannot be.

    A time without an offset is taken as UTC.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        plausible = _EARLIEST.timestamp() <= _held(value) <= _LATEST.timestamp()
        return datetime.fromtimestamp(value, UTC) if plausible else None
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    read = read if read.utcoffset() is not None else read.replace(tzinfo=UTC)
    return read.astimezone(UTC) if _EARLIEST <= read <= _LATEST else None


def _held(value: float) -> float:
    """Return a number as a float; one too large for it as infinity."""
    return math.inf if isinstance(value, int) and abs(value) > 2**1000 else float(value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise Unfit(Reason.DUPLICATE, "A key appears twice in one table.")
    return read


_DECODER = json.JSONDecoder(object_pairs_hook=_object)
