"""Reading entries out of a ZIP archive that a stranger made, without unpacking it.

Written here because the standard library of our Python knows no Zstandard entries (method 93, which Inspect writes), and
trusts lengths that a hostile archive states. Nothing is ever written to disk; entry names are compared and never opened.
An entry is unpacked in pieces, and abandoned as soon as it exceeds its cap or the length that it states.

The layout is that of the ZIP specification (PKWARE APPNOTE 6.3.10, sections 4.3 and 4.4), without split archives and
encryption.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from io import RawIOBase
from typing import TYPE_CHECKING, cast

import zstandard

from headgate.evidence.importers.interface import MOST_DOCUMENT_BYTES, MOST_ENTRIES, Reason, Unfit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from headgate.evidence.importers.interface import Upload

SIGNATURE = b"PK\x03\x04"
_END, _END_SIZE = b"PK\x05\x06", 22
_LOCATOR, _LOCATOR_SIZE = b"PK\x06\x07", 20
_END_64, _END_64_SIZE = b"PK\x06\x06", 56
_CENTRAL, _CENTRAL_SIZE = b"PK\x01\x02", 46
_LOCAL_SIZE = 30
_LONGEST_COMMENT = 0xFFFF
_MOST_DIRECTORY_BYTES = 2**28
_PIECE = 2**16
_LARGEST_WINDOW = 2**27
_ENCRYPTED = 0x1
_UTF8 = 0x800
_ZIP64 = 0x1
_FULL_32, _FULL_16 = 0xFFFFFFFF, 0xFFFF


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, as the central directory states it.

    Attributes:
        name: Its name.
        method: How it is packed.
        packed: Its bytes in the archive.
        size: Its bytes unpacked.
        crc: Its checksum.
        at: Where its local header starts.
    """

    name: str
    method: int
    packed: int
    size: int
    crc: int
    at: int


class Archive:
    """The entries of a ZIP archive.

    Args:
        file: The archive.

    Raises:
        Unfit: It is truncated, not an archive, or not one to be trusted.
    """

    def __init__(self, file: Upload) -> None:
        self._stream = file.stream
        self._size = file.size
        self.entries = {entry.name: entry for entry in self._directory()}

    def read(self, name: str) -> bytes | None:
        """Return an entry's content, or ``None`` when there is none of that name.

        Raises:
            Unfit: It is too large, damaged, or packed in a way that nobody here knows.
        """
        entry = self.entries.get(name)
        if entry is None:
            return None
        if entry.size > MOST_DOCUMENT_BYTES:
            raise Unfit(Reason.TOO_LARGE, f"An entry may unpack to {MOST_DOCUMENT_BYTES:,} bytes; one states {entry.size:,}.")
        return b"".join(self.pieces(entry))

    def pieces(self, entry: Entry) -> Iterator[bytes]:
        """Yield an entry's content in pieces.

        Raises:
            Unfit: It is damaged, unpacks to more or less than it states, or is packed in a way that nobody here knows.
        """
        start = self._start(entry)
        packed = _Slice(self._stream, start, entry.packed)
        read, crc = 0, 0
        try:
            for piece in _unpacked(packed, entry.method):
                read += len(piece)
                if read > entry.size:
                    raise Unfit(Reason.UNSAFE_ARCHIVE, "An entry unpacks to more than it states.")
                crc = zlib.crc32(piece, crc)
                yield piece
        except (zlib.error, zstandard.ZstdError) as wrong:
            raise Unfit(Reason.TRUNCATED, "An entry of the archive is damaged.") from wrong
        if read != entry.size or crc != entry.crc:
            raise Unfit(Reason.TRUNCATED, "An entry of the archive is damaged: its length or checksum does not fit.")

    def _start(self, entry: Entry) -> int:
        local = self._at(entry.at, _LOCAL_SIZE)
        if local[:4] != SIGNATURE:
            raise Unfit(Reason.UNREADABLE, "An entry of the archive is not where the directory says.")
        name_length, extra_length = struct.unpack_from("<HH", local, 26)
        start = entry.at + _LOCAL_SIZE + name_length + extra_length
        if start + entry.packed > self._size:
            raise Unfit(Reason.TRUNCATED, "An entry lies beyond the end of the archive.")
        return start

    def _directory(self) -> Iterator[Entry]:
        many, length, at = self._end()
        if many > MOST_ENTRIES or length > _MOST_DIRECTORY_BYTES:
            raise Unfit(Reason.TOO_LARGE, f"An archive may have {MOST_ENTRIES:,} entries.")
        directory = self._at(at, length)
        seen: set[str] = set()
        place = 0
        for _ in range(many):
            entry, place = _entry(directory, place)
            if entry.name in seen:
                raise Unfit(Reason.UNSAFE_ARCHIVE, "An entry of the archive appears twice.")
            seen.add(entry.name)
            yield entry

    def _end(self) -> tuple[int, int, int]:
        """Return how many entries there are, and the length and place of the directory."""
        tail_length = min(self._size, _END_SIZE + _LONGEST_COMMENT)
        tail_at = self._size - tail_length
        tail = self._at(tail_at, tail_length)
        found = tail.rfind(_END)
        if found < 0 or found + _END_SIZE > len(tail):
            raise Unfit(Reason.TRUNCATED, "The archive has no directory: it was cut off, or is still being written.")
        many, length, at = struct.unpack_from("<HII", tail, found + 10)
        if many == _FULL_16 or _FULL_32 in {length, at}:
            return self._end_64(tail_at + found)
        return many, length, at

    def _end_64(self, end_at: int) -> tuple[int, int, int]:
        locator = self._at(end_at - _LOCATOR_SIZE, _LOCATOR_SIZE)
        if locator[:4] != _LOCATOR:
            raise Unfit(Reason.UNREADABLE, "The archive's directory contradicts itself.")
        (at,) = struct.unpack_from("<Q", locator, 8)
        record = self._at(at, _END_64_SIZE)
        if record[:4] != _END_64:
            raise Unfit(Reason.UNREADABLE, "The archive's directory contradicts itself.")
        many, length, directory_at = struct.unpack_from("<QQQ", record, 32)
        return many, length, directory_at

    def _at(self, place: int, length: int) -> bytes:
        if place < 0 or length < 0 or place + length > self._size:
            raise Unfit(Reason.TRUNCATED, "The archive points beyond its own end.")
        self._stream.seek(place)
        return self._stream.read(length)


class _Slice(RawIOBase):
    """A stretch of a file, read in pieces."""

    def __init__(self, stream: BinaryIO, start: int, length: int) -> None:
        super().__init__()
        self._stream = stream
        self._next = start
        self._left = length

    def read(self, size: int = -1, /) -> bytes:
        wanted = min(self._left, _PIECE if size < 0 else size)
        self._stream.seek(self._next)
        piece = self._stream.read(wanted)
        self._next += len(piece)
        self._left -= len(piece)
        return piece


def _unpacked(packed: _Slice, method: int) -> Iterator[bytes]:
    match method:
        case 0:  # stored
            yield from iter(lambda: packed.read(_PIECE), b"")
        case 8:  # deflated
            yield from _inflated(packed)
        case 93:  # Zstandard
            # Inspect appends, so an entry may be several frames, one after the other
            unpacking = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
            reader = unpacking.stream_reader(cast("BinaryIO", packed), read_across_frames=True)
            yield from iter(lambda: reader.read(_PIECE), b"")
        case _:
            raise Unfit(Reason.UNREADABLE, "An entry is packed in a way that nobody here knows.")


def _inflated(packed: _Slice) -> Iterator[bytes]:
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    while not inflating.eof:
        source = inflating.unconsumed_tail or packed.read(_PIECE)
        piece = inflating.decompress(source, _PIECE)
        if piece:
            yield piece
        elif not source:
            return


def _entry(directory: bytes, place: int) -> tuple[Entry, int]:
    """Return the entry at ``place`` of the directory, and where the next one starts."""
    end = place + _CENTRAL_SIZE
    if directory[place : place + 4] != _CENTRAL or end > len(directory):
        raise Unfit(Reason.UNREADABLE, "The archive's directory is damaged.")
    flags, method = struct.unpack_from("<HH", directory, place + 8)
    crc, packed, size = struct.unpack_from("<III", directory, place + 16)
    name_length, extra_length, comment_length = struct.unpack_from("<HHH", directory, place + 28)
    (at,) = struct.unpack_from("<I", directory, place + 42)
    after = end + name_length + extra_length + comment_length
    if after > len(directory):
        raise Unfit(Reason.UNREADABLE, "The archive's directory is damaged.")
    if flags & _ENCRYPTED:
        raise Unfit(Reason.UNSAFE_ARCHIVE, "An entry of the archive is encrypted.")
    raw = directory[end : end + name_length]
    name = raw.decode("utf-8" if flags & _UTF8 else "cp437", "replace")
    if _leaves(name):
        raise Unfit(Reason.UNSAFE_ARCHIVE, "An entry of the archive names a path outside it.")
    size, packed, at = _widened(directory[end + name_length : end + name_length + extra_length], size, packed, at)
    return Entry(name, method, packed, size, crc, at), after


def _widened(extra: bytes, size: int, packed: int, at: int) -> tuple[int, int, int]:
    """Return the sizes and the place with those that did not fit in 32 bits replaced from the extra field."""
    full = [value == _FULL_32 for value in (size, packed, at)]
    place = 0
    while any(full) and place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        if kind == _ZIP64:
            wide = extra[place + 4 : place + 4 + length]
            if len(wide) < 8 * sum(full):
                break
            values = iter(struct.unpack_from(f"<{sum(full)}Q", wide))
            size, packed, at = (
                next(values) if is_full else value for is_full, value in zip(full, (size, packed, at), strict=True)
            )
            return size, packed, at
        place += 4 + length
    if any(full):
        raise Unfit(Reason.UNREADABLE, "The archive's directory is damaged.")
    return size, packed, at


def _leaves(name: str) -> bool:
    """Return whether a name points anywhere but below the archive's own root."""
    return not name or name.startswith("/") or "\\" in name or "\0" in name or ":" in name[:2] or ".." in name.split("/")
