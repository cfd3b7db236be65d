"""One row of a batch file: a request that is made later, and passes the door like one that is made now.

A row names a path, and what reads its body is what reads the body of a request to that path. What goes up is the row as it
came, except for what the admission changes in its body.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.gateway.errors import RowMalformed, RowRefused
from headgate.gateway.wire.document import Document, Edit, patched, read
from headgate.gateway.wire.jsonl import at_line
from headgate.kernel.errors import HeadgateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.gateway.model import Admitted
    from headgate.gateway.wire.surface import Request, Surface

ROOT = "/v1"
"""What stands before a surface's path in a row's ``url``."""
_MOST_ID_CHARS = 512


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was read.

    Attributes:
        number: Its line, from 1.
        custom_id: What its sender calls it.
        url: The path that it asks.
        surface: The way in that the path is.
        request: Its body, compiled.
        document: All of it, and where everything stands.
    """

    number: int
    custom_id: str
    url: str
    surface: Surface
    request: Request
    document: Document

    @property
    def body(self) -> bytes:
        """Its body as it stands in the row."""
        return _body(self.document)

    def forwarded(self, admitted: Admitted) -> bytes:
        """Return the row for the upstream."""
        body = self.request.forwarded(admitted)
        if body == self.body:
            return self.document.text.encode()
        return patched(self.document.text, [Edit(self.document.members["body"].at, body.decode())])


def read_row(line: bytes, number: int, *, surfaces: Mapping[str, Surface], client_ip: str | None, end_user_key: bytes) -> Row:
    """Read a row.

    Args:
        line: The line, without its end.
        number: Which line it is, from 1.
        surfaces: The ways in that rows may ask, by their ``url``.
        client_ip: Where the file came from.
        end_user_key: Secret under which end users' names are hashed.

    Raises:
        RowMalformed: It is not a row.
        RowRefused: It asks for what no row may.
    """
    try:
        document = read(line)
    except HeadgateError as error:
        raise at_line(number, error) from None
    custom_id = _custom_id(document, number)
    if document.value("method") != "POST":
        raise RowMalformed(f'{_named(number, custom_id)}: method must be "POST".', rule="batch row", help=_SHAPE)
    url = document.value("url")
    surface = surfaces.get(url) if isinstance(url, str) else None
    if surface is None or not isinstance(url, str):
        raise RowRefused(
            f"{_named(number, custom_id)}: surface.unknown: its url is not served in batches.",
            rule="surface",
            help=f"Served: {', '.join(sorted(surfaces))}.",
        )
    if not isinstance(document.value("body"), dict):
        raise RowMalformed(f"{_named(number, custom_id)}: body must be an object.", rule="batch row", help=_SHAPE)
    try:
        request = surface.compile(_body(document), client_ip, end_user_key)
    except HeadgateError as error:
        raise at_line(number, error, custom_id=custom_id) from None
    if request.call.stream:
        raise RowRefused(
            f"{_named(number, custom_id)}: capability.not_allowed: a row's answer cannot be streamed.",
            rule="batch row",
            help="Leave stream out.",
        )
    return Row(number, custom_id, url, surface, request, document)


_SHAPE = 'A row is {"custom_id": …, "method": "POST", "url": "/v1/…", "body": {…}}.'


def _custom_id(document: Document, number: int) -> str:
    custom_id = document.value("custom_id")
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= _MOST_ID_CHARS or not _is_text(custom_id):
        raise RowMalformed(
            f"Line {number}: custom_id must be a string of 1 to {_MOST_ID_CHARS} characters.", rule="batch row", help=_SHAPE
        )
    return custom_id


def _is_text(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _named(number: int, custom_id: str) -> str:
    return f"Line {number}, custom_id {custom_id[:100]!r}"


def _body(document: Document) -> bytes:
    at = document.members["body"].at
    return document.text[at.start : at.end].encode()
