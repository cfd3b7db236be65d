"""One request of a member of staff, and what may come of it.

Every address of the console stands in a table of ``Screen`` and ``Deed``, each with the permission that it needs and whether its
caller must have proved within the last minutes that it is they. A test walks this table; nothing is served beside it but the
few addresses of signing in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from starlette.datastructures import FormData, QueryParams

    from headgate.access.model import Session
    from headgate.kernel.actor import Actor, Permission


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of somebody who is signed in.

    Attributes:
        actor: Who.
        session: Their session.
        at: The present instant.
        path: What the address names.
        query: What stands behind its question mark.
        form: What a form or a call sent; empty for a screen. It has been read to its end, and a file in it is open.
    """

    actor: Actor
    session: Session
    at: datetime
    path: Mapping[str, Any]
    query: QueryParams
    form: FormData

    def said(self, name: str, otherwise: str = "") -> str:
        """Return a text field of the form, without blanks around it."""
        value = self.form.get(name)
        return value.strip() if isinstance(value, str) else otherwise


@dataclass(frozen=True, slots=True)
class Shown:
    """A page.

    Attributes:
        template: Its template.
        given: What the template may use; ``visit`` and ``proof`` are there of themselves.
        status: 200, or what says that the form was not taken.
    """

    template: str
    given: Mapping[str, Any] = field(default_factory=dict[str, Any])
    status: int = 200


@dataclass(frozen=True, slots=True)
class Went:
    """A command was carried out: the browser is sent to a page that says so.

    Attributes:
        to: Where.
        said: One sentence: what was done. It never holds a secret.
        renewed: The session's new text, where the command renewed it; absent from ``repr``.
    """

    to: str
    said: str
    renewed: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Told:
    """An answer for a script.

    Attributes:
        body: JSON.
    """

    body: Any


@dataclass(frozen=True, slots=True)
class Handed:
    """A file to keep.

    Attributes:
        content: Its bytes.
        media_type: What they are.
        name: What it is called.
    """

    content: bytes
    media_type: str
    name: str


@dataclass(frozen=True, slots=True)
class Streamed:
    """A file that may be too long to hold, handed over piece by piece.

    Attributes:
        pieces: Its bytes; each piece is made on a thread, as it is asked for.
        media_type: What they are.
        name: What it is called.
    """

    pieces: Iterator[bytes]
    media_type: str
    name: str


Answer = Shown | Went | Told | Handed | Streamed


@dataclass(frozen=True, slots=True)
class Address:
    """A row of the console's table.

    Attributes:
        path: Its path under the console.
        answer: What makes the page, or carries the command out; runs on a thread of its own.
        needs: The permission.
        confirmed: Whether the caller must have proved lately that it is they.
    """

    path: str
    answer: Callable[[Visit], Answer]
    needs: Permission
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Screen(Address):
    """An address that shows something and changes nothing."""


@dataclass(frozen=True, slots=True)
class Deed(Address):
    """An address that changes something: only by ``POST``, only from a page that was given to the same session."""


Table = tuple[Screen | Deed, ...]


def within(to: str | None, at: str) -> str:
    """Return where to go next: a page of the console, never another place.

    Args:
        to: What was asked for, by whoever asked.
        at: The console's path.
    """
    if to is None or not to.startswith(f"{at}/") or "\\" in to or not to.isascii() or not to.isprintable():
        return f"{at}/"
    segments = unquote(urlsplit(to).path).split("/")
    return f"{at}/" if {".", ".."} & set(segments) or "" in segments[1:-1] else to
