"""``multipart/form-data``, read as it arrives, and so strictly that no other reader can find another form in the same bytes.

A form goes upstream in the bytes in which it came, so what Headgate decides on must be what the upstream's own reader finds.
Such readers differ: on bare line feeds, on blanks behind a delimiter, on what stands before the first and after the last, on
names that are escaped or stand twice. A form on which they could differ is refused. Two readers go over it here: a push
parser, which says what the parts are, and a search for the delimiter, which says where they are; the delimiter stands in
the body once for each part and once at the end, and nowhere else (RFC 2046, section 5.1.1; RFC 7578).
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from headgate.gateway.errors import FormMalformed, TooLarge, WrongContentType, WrongType
from headgate.gateway.wire.document import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BOUNDARY = r"""(?:"([0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-])"|([0-9A-Za-z'+_.-]{1,70}))"""
_CONTENT_TYPE = re.compile(rf"multipart/form-data[ \t]*;[ \t]*boundary={_BOUNDARY}[ \t]*(?:;[ \t]*charset=utf-8)?", re.IGNORECASE)
_VALUE = rb"(?:\"(?:[^\"\\]|\\(?!\"))*\"|[^\"\\;, \t]+)"  # no quote is ever escaped
_DISPOSITION = re.compile(rb"form-data((?:[ \t]*;[ \t]*(?:name|filename\*?)=%b)+)[ \t]*" % _VALUE, re.IGNORECASE)
_PARAMETER = re.compile(rb"(name|filename\*?)=(%b)" % _VALUE, re.IGNORECASE)
_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}(?:\[[A-Za-z0-9_.\-]{0,100}\]){0,8}")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_PART_HEADERS = frozenset({b"content-disposition", b"content-type", b"content-length", b"content-transfer-encoding"})
_IDENTITIES = frozenset({b"", b"binary", b"8bit", b"7bit"})
_LINE_END = b"\r\n"
_CLOSING = b"--"


@dataclass(frozen=True, slots=True)
class FormLimits:
    """How large a form may be.

    Attributes:
        total_bytes: The whole body.
        file_bytes: One file.
        field_bytes: One field that is not a file.
        fields_bytes: All such fields together, which are held in memory.
        parts: Fields and files together.
    """

    total_bytes: int
    file_bytes: int
    field_bytes: int = 1024 * 1024
    fields_bytes: int = 4 * 1024 * 1024
    parts: int = 128


@dataclass(frozen=True, slots=True)
class Part:
    """One field or file.

    Attributes:
        name: Its name; the name of an array's element ends in brackets.
        filename: What its sender calls the file; ``None`` for a field that is not one.
        content_type: As its sender declares it, empty where it does not.
        at: Where its content stands in the body.
        whole: Where all of it stands, from its delimiter up to the next.
        text: Its content, where it is not a file; repeated nowhere, because a field may be a prompt.
        sha256: The digest of a file's content, in hexadecimal; empty for a field.
    """

    name: str
    filename: str | None
    content_type: str
    at: Span
    whole: Span
    text: str | None = field(default=None, repr=False)
    sha256: str = ""

    @property
    def base(self) -> str:
        """Its name without brackets."""
        return self.name.partition("[")[0]

    @property
    def size(self) -> int:
        """The length of its content in bytes."""
        return self.at.end - self.at.start


@dataclass(frozen=True, slots=True)
class Splice:
    """Put ``data`` where ``at`` is."""

    at: Span
    data: bytes


@dataclass(frozen=True, slots=True)
class Parts:
    """A form, and where everything stands in its body. The content of files is not held.

    Attributes:
        parts: In the order of the body; a field that is not an array's stands in it once.
        length: The length of the body in bytes.
        delimiter: What stands before each part, two hyphens included.
    """

    parts: tuple[Part, ...]
    length: int
    delimiter: bytes

    def named(self, base: str) -> list[Part]:
        """Return the parts of a name, an array's elements included."""
        return [part for part in self.parts if part.base == base]

    def text(self, name: str) -> str | None:
        """Return a field's text, ``None`` where it is absent.

        Raises:
            WrongType: It is a file, or an array.
        """
        found = self.named(name)
        if not found:
            return None
        if found[0].name != name or found[0].text is None:
            raise WrongType(f"{name} must be one plain field.", param=name)
        return found[0].text

    def file(self, name: str) -> Part | None:
        """Return a file, ``None`` where it is absent.

        Raises:
            WrongType: It is not a file, or an array.
        """
        found = self.named(name)
        if not found:
            return None
        if found[0].name != name or found[0].text is not None:
            raise WrongType(f"{name} must be one file.", param=name)
        return found[0]

    def account(self) -> bytes:
        """Return what the record keeps of the form, as JSON: its fields, and of each file its name, kind, length and digest."""
        told: list[dict[str, object]] = [
            {"name": part.name, "text": part.text}
            if part.text is not None
            else {
                "name": part.name,
                "filename": part.filename,
                "content_type": part.content_type,
                "bytes": part.size,
                "sha256": part.sha256,
            }
            for part in self.parts
        ]
        return json.dumps({"form": told}, ensure_ascii=False, separators=(",", ":")).encode()

    def setting(self, name: str, text: str) -> Splice:
        """Return the splice that gives a field of this form another value. The field is written anew, its headers included.

        Raises:
            FormMalformed: The sender chose a delimiter that stands in the value.
        """
        part = next(part for part in self.parts if part.name == name)
        value = text.encode()
        if self.delimiter in value:
            raise _malformed("Its boundary stands in a value that must be put into it.")
        head = b'Content-Disposition: form-data; name="' + name.encode() + b'"'
        return Splice(part.whole, _LINE_END.join((self.delimiter, head, b"", value, b"")))

    def removing(self, part: Part) -> Splice:
        """Return the splice that takes a part out."""
        return Splice(part.whole, b"")

    def spliced(self, splices: Sequence[Splice]) -> tuple[int, list[bytes | Span]]:
        """Return the body with splices made: its length, and in order what is new and what is kept of the old.

        Args:
            splices: They must not overlap.
        """
        pieces: list[bytes | Span] = []
        length = self.length
        done = 0
        for splice in sorted(splices, key=lambda splice: splice.at.start):
            pieces += (Span(done, splice.at.start), splice.data)
            length += len(splice.data) - (splice.at.end - splice.at.start)
            done = splice.at.end
        pieces.append(Span(done, self.length))
        return length, [piece for piece in pieces if (piece if isinstance(piece, bytes) else piece.start < piece.end)]


class FormReader:
    """Takes a form apart as it arrives.

    Args:
        content_type: The request's.
        limits: How large it may be.

    Raises:
        WrongContentType: It is not a form's, or states no boundary that every reader understands alike.
    """

    def __init__(self, content_type: str, *, limits: FormLimits) -> None:
        stated = _CONTENT_TYPE.fullmatch(content_type.strip())
        if stated is None:
            raise WrongContentType(
                "The body must be a form.", rule="content-type", help="Send content-type: multipart/form-data; boundary=…"
            )
        boundary = (stated[1] or stated[2]).encode()
        self._limits = limits
        self._delimiters = _Delimiters(b"--" + boundary)
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_begin": self._header_begins,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._content_begins,
                "on_part_data": self._content,
                "on_part_end": self._part_ends,
                "on_end": self._ends,
            },
        )
        self._length = 0
        self._held_bytes = 0
        self._ended = False
        self._names: set[str] = set()
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._headers: dict[bytes, bytes] = {}
        self._current: _Reading | None = None
        self._done: list[_Reading] = []

    def feed(self, chunk: bytes) -> None:
        """Take in the next bytes.

        Raises:
            FormMalformed: They are not a form's, or readers could differ on them.
            TooLarge: Something is larger than may be.
        """
        self._length += len(chunk)
        if self._length > self._limits.total_bytes:
            raise too_large(self._limits.total_bytes)
        self._delimiters.feed(chunk)
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            where = getattr(error, "offset", -1)
            raise _malformed("A part does not begin or end as it must." if where >= 0 else "It cannot be read.") from None

    def finish(self) -> Parts:
        """Return the form, after its last byte.

        Raises:
            FormMalformed: It is not whole, or readers could differ on it.
        """
        at = self._delimiters.finish()
        if not self._ended or len(at) != len(self._done) + 1:
            raise _malformed("It is not whole.")
        plain = {reading.name for reading in self._done if "[" not in reading.name}
        both = plain & {reading.name.partition("[")[0] for reading in self._done if "[" in reading.name}
        if both:
            raise _malformed(f"{min(both)} is given both as one field and as an array.")
        parts = tuple(reading.part(Span(at[index], at[index + 1])) for index, reading in enumerate(self._done))
        return Parts(parts, self._length, self._delimiters.delimiter)

    # What the parser tells.

    def _part_begins(self) -> None:
        if len(self._done) >= self._limits.parts:
            raise TooLarge(
                f"The form has more than {self._limits.parts} fields.", rule="most fields of a form", help="Send fewer fields."
            )
        self._headers = {}

    def _header_begins(self) -> None:
        self._header = (bytearray(), bytearray())

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _header_ends(self) -> None:
        name, value = bytes(self._header[0]).lower(), bytes(self._header[1]).rstrip(b" \t")
        if name not in _PART_HEADERS and not name.startswith(b"x-"):
            raise _malformed("A part has a header that no part may have.")
        if name in self._headers or _CONTROL.search(value):
            raise _malformed("A part's headers are ambiguous.")
        self._headers[name] = value

    def _content_begins(self) -> None:
        self._current = _Reading(self._headers, self._limits)
        name = self._current.name
        if name in self._names and not name.endswith("[]"):
            raise _malformed(f"{name} stands twice.", "Name each field once; an array's elements end in [].")
        self._names.add(name)

    def _content(self, data: bytes, start: int, end: int) -> None:
        assert self._current is not None
        self._current.take(data[start:end])
        if not self._current.is_file:
            self._held_bytes += end - start
            if self._held_bytes > self._limits.fields_bytes:
                raise too_large(self._limits.fields_bytes)

    def _part_ends(self) -> None:
        if self._current is None:
            raise _malformed("A part ends before it has begun.")
        self._done.append(self._current)
        self._current = None

    def _ends(self) -> None:
        self._ended = True


class _Delimiters:
    """Finds every place where the delimiter stands, at a line's start or not, and refuses those that are not at one."""

    def __init__(self, delimiter: bytes) -> None:
        self.delimiter = delimiter
        self._found: list[int] = []
        self._closed_at: int | None = None
        self._length = 0
        self._rest = b""
        self._from = 0

    def feed(self, chunk: bytes) -> None:
        buffer = self._rest + chunk
        base = self._length - len(self._rest)
        self._length += len(chunk)
        size = len(self.delimiter)
        start = self._from
        while (at := buffer.find(self.delimiter, start)) >= 0 and at + size + 2 <= len(buffer):
            self._mark(base + at, before=buffer[max(0, at - 2) : at], after=buffer[at + size : at + size + 2])
            start = at + size
        if at < 0:
            at = max(start, len(buffer) - size + 1)
        if self._closed_at is not None and self._length > self._closed_at + len(_LINE_END):
            raise _malformed("Something follows its end.")
        kept = max(0, at - 2)
        self._rest, self._from = buffer[kept:], at - kept

    def finish(self) -> list[int]:
        if self._closed_at is None:
            raise _malformed("It breaks off before its end.")
        if self._rest[len(self._rest) - (self._length - self._closed_at) :] not in (b"", _LINE_END):
            raise _malformed("Something follows its end.")
        return self._found

    def _mark(self, at: int, *, before: bytes, after: bytes) -> None:
        if (before != _LINE_END if self._found else at != 0) or after not in (_LINE_END, _CLOSING):
            raise _malformed("Its boundary stands where no part begins or ends.", "Choose a boundary that is not in the content.")
        if self._closed_at is not None:
            raise _malformed("Something follows its end.")
        self._found.append(at)
        if after == _CLOSING:
            self._closed_at = at + len(self.delimiter) + len(_CLOSING)


class _Reading:
    """One part, while it is read."""

    def __init__(self, headers: dict[bytes, bytes], limits: FormLimits) -> None:
        stated = dict(_parameters(headers.get(b"content-disposition", b"")))
        name = stated.get(b"name", b"")
        if _NAME.fullmatch(name) is None:
            raise _malformed("A part has no plain name.", "Names are made of letters, digits, underscores and brackets.")
        if headers.get(b"content-transfer-encoding", b"").lower() not in _IDENTITIES:
            raise _malformed("A part is encoded.", "Send parts as they are.")
        kind = headers.get(b"content-type", b"").lower()
        if kind.startswith(b"multipart/"):
            raise _malformed("A part is a form of its own.")
        self.name = name.decode()
        filename = stated.get(b"filename", stated.get(b"filename*"))
        if filename is None and b"charset" in kind and not re.search(rb"charset=\"?(utf-8|us-ascii)\"?[ \t]*$", kind):
            raise _malformed("A field is not in UTF-8.")
        self._filename = None if filename is None else filename.decode("utf-8", "replace")
        self._content_type = headers.get(b"content-type", b"").decode("latin-1")
        self._stated_size = headers.get(b"content-length")
        self._most_bytes = limits.field_bytes if filename is None else limits.file_bytes
        self._size = 0
        self._text: bytearray | None = bytearray() if filename is None else None
        self._digest = hashlib.sha256()

    @property
    def is_file(self) -> bool:
        return self._text is None

    def take(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._most_bytes:
            raise TooLarge(
                f"{self.name} is larger than {self._most_bytes:,} bytes.",
                rule="largest field or file of a form",
                help="Send less.",
            )
        if self._text is None:
            self._digest.update(data)
        else:
            self._text += data

    def part(self, whole: Span) -> Part:
        if self._stated_size not in (None, str(self._size).encode()):
            raise _malformed("A part is not as long as it says.")
        end = whole.end - len(_LINE_END)
        at = Span(end - self._size, end)
        if self._text is None:
            return Part(self.name, self._filename, self._content_type, at, whole, None, self._digest.hexdigest())
        try:
            text = self._text.decode()
        except UnicodeDecodeError:
            raise _malformed(f"{self.name} is not in UTF-8.") from None
        return Part(self.name, None, self._content_type, at, whole, text)


def too_large(most_bytes: int) -> TooLarge:
    """Return the refusal of a form that is larger than may be."""
    return TooLarge(f"The form is larger than {most_bytes:,} bytes.", rule="largest form", help="Send less.")


def _parameters(disposition: bytes) -> Iterator[tuple[bytes, bytes]]:
    stated = _DISPOSITION.fullmatch(disposition)
    if stated is None:
        raise _malformed("A part's content-disposition is ambiguous.", 'Write it as form-data; name="…"; filename="…".')
    names: set[bytes] = set()
    for match in _PARAMETER.finditer(stated[1]):
        name = match[1].lower()
        if name in names:
            raise _malformed("A part is named twice.")
        names.add(name)
        yield name, match[2][1:-1] if match[2].startswith(b'"') else match[2]


def _malformed(what: str, help_: str | None = None) -> FormMalformed:
    return FormMalformed(f"The form cannot be read in one way only. {what}", rule="request body", help=help_)
