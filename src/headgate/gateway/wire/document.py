"""A JSON object that can be patched without being written anew.

A client's body goes upstream as the client wrote it: number spelling, key order, spaces and fields that nobody here has
heard of survive, because a patch replaces ranges of the text and nothing else. One pass reads the values, finds where each
member stands, and refuses a key that stands twice in one object, at any depth: two readers of such a body could each see
another request, and one of them is the door.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from headgate.gateway.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_SPACE = re.compile(r"[ \t\n\r]*")
_OPENS = re.compile(r"\{[ \t\n\r]*")
_PLAIN_KEY = re.compile(r'"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*')
"""A key without escapes, as nearly all are; any other is left to the decoder."""
_FOLLOWS = re.compile(r"[ \t\n\r]*(?:(,)[ \t\n\r]*|\})")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("A key stands twice in one object of the body.", rule="request body", help="Name each key once.")
    return members


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"The body is not JSON: {name} is not a number there.", rule="request body")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


class Span(NamedTuple):
    """Where something stands in the text: from ``start`` up to, not including, ``end``."""

    start: int
    end: int


class Member(NamedTuple):
    """One member of an object.

    Attributes:
        key_start: Where its key's opening quote stands.
        start: Where its value starts.
        end: Where its value ends.
        value: Its value.
    """

    key_start: int
    start: int
    end: int
    value: Any

    @property
    def at(self) -> Span:
        """Where its value stands."""
        return Span(self.start, self.end)


class Edit(NamedTuple):
    """Put ``text`` where ``at`` is."""

    at: Span
    text: str


_WHERE = attrgetter("at")


@dataclass(frozen=True, slots=True)
class Document:
    """An object and where its members stand.

    Attributes:
        text: The text that it stands in.
        opens: Where its opening brace stands.
        members: By key, in the order of the text.
    """

    text: str
    opens: int
    members: Mapping[str, Member]

    def value(self, key: str) -> Any:
        """Return a member's value, ``None`` where it is absent."""
        member = self.members.get(key)
        return None if member is None else member.value

    def inner(self, key: str) -> Document:
        """Return the member's value, which must be an object, as a document in the same text."""
        document, _ = _object(self.text, self.members[key].start)
        return document

    def setting(self, key: str, text: str) -> Edit | None:
        """Return the edit that gives an existing member another value; ``None`` when there is none of that key."""
        member = self.members.get(key)
        return None if member is None else Edit(member.at, text)

    def adding(self, members: Mapping[str, str]) -> Edit:
        """Return the edit that puts new members (key to JSON text) first. At most one of these can be applied at a time."""
        fresh = ",".join(f"{json.dumps(key)}:{value}" for key, value in members.items())
        return Edit(Span(self.opens + 1, self.opens + 1), fresh + ("," if self.members and fresh else ""))

    def removing(self, keys: Collection[str]) -> list[Edit]:
        """Return the edits that take members out, commas included."""
        if not keys:
            return []
        spans = [Span(member.key_start, member.end) for member in self.members.values()]
        return _removing(spans, [key in keys for key in self.members])


def read(body: bytes) -> Document:
    """Read a request body.

    Raises:
        Malformed: It is not one JSON object in UTF-8, or a key stands twice in one object.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"The body is not UTF-8: byte {error.start} does not belong.", rule="request body") from None
    try:
        document, end = _object(text, _skip(text, 0))
    except RecursionError:
        raise Malformed("The body is nested too deeply.", rule="request body") from None
    except ValueError as error:  # a JSONDecodeError, or a number of more digits than is sane
        where = f" near character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise Malformed(f"The body is not a JSON object{where}.", rule="request body") from None
    if _skip(text, end) != len(text):
        raise Malformed(f"The body goes on after its JSON object, at character {end}.", rule="request body")
    return document


def inside(text: str, at: Span) -> Document:
    """Return the object at ``at``, in a text that was read, as a document in the same text."""
    document, _ = _object(text, at.start)
    return document


def elements(text: str, at: Span) -> list[Span]:
    """Return where the elements of the array at ``at`` stand."""
    found: list[Span] = []
    index = _skip(text, at.start + 1)
    while text[index] != "]":
        _, end = _DECODER.raw_decode(text, index)
        found.append(Span(index, end))
        index = _skip(text, end)
        if text[index] == ",":
            index = _skip(text, index + 1)
    return found


def without(spans: Sequence[Span], gone: Sequence[bool]) -> list[Edit]:
    """Return the edits that take some elements out of an array, commas included."""
    return _removing(spans, gone)


def patched(text: str, edits: Sequence[Edit]) -> bytes:
    """Return the text with the edits made, in UTF-8. Edits must not overlap."""
    pieces: list[str] = []
    done = 0
    for edit in sorted(edits, key=_WHERE):
        pieces += (text[done : edit.at.start], edit.text)
        done = edit.at.end
    pieces.append(text[done:])
    return "".join(pieces).encode()


def _removing(spans: Sequence[Span], gone: Sequence[bool]) -> list[Edit]:
    # What goes from the middle takes the comma behind it along; what goes from the end, the comma before it.
    kept = [index for index, is_gone in enumerate(gone) if not is_gone]
    last = kept[-1] if kept else -1
    edits = [
        Edit(Span(spans[index].start, spans[index + 1].start), "") for index, is_gone in enumerate(gone[: last + 1]) if is_gone
    ]
    if last + 1 < len(spans):
        start = spans[last].end if kept else spans[0].start
        edits.append(Edit(Span(start, spans[-1].end), ""))
    return edits


def _object(text: str, opens: int) -> tuple[Document, int]:
    start = _OPENS.match(text, opens)
    if start is None:
        raise json.JSONDecodeError("an object is expected", text, opens)
    members: dict[str, Member] = {}
    index = start.end()
    if text[index : index + 1] == "}":
        return Document(text, opens, members), index + 1
    while True:
        plain = _PLAIN_KEY.match(text, index)
        key, value_start = _key(text, index) if plain is None else (plain[1], plain.end())
        value, value_end = _DECODER.raw_decode(text, value_start)
        if key in members:
            raise Malformed(f"The key {key[:60]!r} stands twice in the body.", rule="request body", help="Name each key once.")
        members[key] = Member(index, value_start, value_end, value)
        follows = _FOLLOWS.match(text, value_end)
        if follows is None:
            raise json.JSONDecodeError("a comma or a closing brace is expected", text, value_end)
        index = follows.end()
        if follows[1] is None:
            return Document(text, opens, members), index


def _key(text: str, index: int) -> tuple[str, int]:
    if text[index : index + 1] != '"':
        raise json.JSONDecodeError("a key is expected", text, index)
    key, end = _DECODER.raw_decode(text, index)
    colon = _skip(text, end)
    if text[colon : colon + 1] != ":":
        raise json.JSONDecodeError("a colon is expected", text, colon)
    return key, _skip(text, colon + 1)


def _skip(text: str, index: int) -> int:
    if text[index : index + 1] > " ":
        return index
    found = _SPACE.match(text, index)
    return index if found is None else found.end()
