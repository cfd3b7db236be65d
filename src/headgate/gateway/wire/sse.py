"""Server-sent events, observed: bytes in, whole frames out, byte for byte what came in.

A frame ends at an empty line; a line ends at CR, LF or CRLF; all of it may be split anywhere. Frames are handed on whole, so a
stream that is cut is cut between frames, and one that is dropped is dropped entirely
(https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).
"""

from __future__ import annotations

import re
from typing import NamedTuple

_BLANK = re.compile(rb"\n(?:\n|\r\n?+)|\r(?:\r\n?+|\n(?:\n|\r\n?+))")
"""Two line ends running; CRLF is one, never two. Written out so that its first byte is searched for, not tried for."""
_LONGEST_BLANK = 4
_BOM = b"\xef\xbb\xbf"


class Frame(NamedTuple):
    """One frame.

    Attributes:
        raw: Its bytes, the empty line that ends it included.
        data: Its ``data`` lines, joined; ``None`` when there is nothing in them (a comment, a keep-alive): no client sees such a
            frame as an event.
    """

    raw: bytes
    data: bytes | None


class FrameTooLong(Exception):
    """A frame does not end within the bound."""


class Frames:
    """Takes a stream apart, in time linear in its length however it is split.

    A frame that ends in CRLF, CR waits for the LF that makes it whole.

    Args:
        longest_bytes: The longest frame that is waited for.
    """

    def __init__(self, *, longest_bytes: int = 16 * 1024 * 1024) -> None:
        self._longest_bytes = longest_bytes
        self._begun: list[bytes] = []
        self._begun_bytes = 0
        self._seam = b""
        """The last bytes of what has begun: an empty line may be split."""
        self._started = False

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the frames that this chunk completes.

        Raises:
            FrameTooLong: A frame is longer than the bound.
        """
        if chunk.endswith(b"\n\n") and not self._begun and b"\r" not in chunk:  # whole frames, as nearly all chunks are
            end = len(chunk) - 2
            if self._started and chunk.startswith(b"data: ") and chunk.find(b"\n") == end:
                return [Frame(chunk, chunk[6:end] or None)]
            if chunk.find(b"\n\n") == end:
                return [Frame(chunk, self._data(chunk, plain=True))]
        seam = self._seam + chunk if self._seam else chunk
        plain = b"\r" not in seam
        ends = _ends_plain(seam) if plain else _ends(seam)
        if not ends:
            self._begun.append(chunk)
            self._wait(self._begun_bytes + len(chunk), seam)
            return []
        if self._begun:
            self._begun.append(chunk)
            chunk = b"".join(self._begun)
            plain = plain and b"\r" not in chunk
        ahead = len(chunk) - len(seam)
        frames: list[Frame] = []
        done = 0
        for end in ends:
            raw = chunk[done : end + ahead]
            done = end + ahead
            frames.append(Frame(raw, self._data(raw, plain=plain)))
        rest = chunk[done:]
        self._begun = [rest] if rest else []
        self._wait(len(rest), rest)
        return frames

    def finish(self) -> list[Frame]:
        """Return what stands after the last empty line, as a frame, when the stream has come to its proper end."""
        rest = b"".join(self._begun)
        self._begun = []
        self._wait(0, b"")
        return [Frame(rest, self._data(rest, plain=False))] if rest else []

    def _wait(self, begun_bytes: int, seam: bytes) -> None:
        self._begun_bytes = begun_bytes
        self._seam = seam[1 - _LONGEST_BLANK :]
        if begun_bytes > self._longest_bytes:
            raise FrameTooLong

    def _data(self, raw: bytes, *, plain: bool) -> bytes | None:
        if not self._started:
            self._started = True
            raw = raw.removeprefix(_BOM)
        if plain:  # the two shapes that model servers send: a data line, with an event line before it or none
            end = len(raw) - 2
            line_end = raw.find(b"\n")
            if line_end == end and raw.startswith(b"data: "):
                return raw[6:end] or None
            start = line_end + 7
            if raw.startswith(b"event:") and raw.startswith(b"data: ", line_end + 1) and raw.find(b"\n", start) == end:
                return raw[start:end] or None
        lines = [line[5:].removeprefix(b" ") for line in raw.splitlines() if line.startswith(b"data:") or line == b"data"]
        return b"\n".join(lines) or None


def _ends_plain(text: bytes) -> list[int]:
    """Return where empty lines end in a text whose lines end in LF."""
    ends: list[int] = []
    at = text.find(b"\n\n")
    while at >= 0:
        ends.append(at + 2)
        at = text.find(b"\n\n", at + 2)
    return ends


def _ends(text: bytes) -> list[int]:
    """Return where empty lines end."""
    ends = [match.end() for match in _BLANK.finditer(text)]
    if ends and ends[-1] == len(text) and text.endswith(b"\r\n\r"):
        ends.pop()
    return ends
