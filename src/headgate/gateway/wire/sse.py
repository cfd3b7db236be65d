"""Server-sent events, observed: bytes in, whole frames out, byte for byte what came in.

A frame ends at an empty line; a line ends at CR, LF or CRLF; all of it may be split anywhere. Frames are handed on whole, so a
stream that is cut is cut between frames, and one that is dropped is dropped entirely
(https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).
"""

from __future__ import annotations

import re
from typing import NamedTuple

_BLANK = re.compile(rb"(?>\r\n|\n|\r){2}")  # atomic: CRLF is one line end, never two
_BOM = b"\xef\xbb\xbf"


class Frame(NamedTuple):
    """One frame.

    Attributes:
        raw: Its bytes, the empty line that ends it included.
        data: Its ``data`` lines, joined; ``None`` when it has none (a comment, a keep-alive).
    """

    raw: bytes
    data: bytes | None


class FrameTooLong(Exception):
    """A frame does not end within the bound."""


class Frames:
    """Takes a stream apart.

    Args:
        longest_bytes: The longest frame that is waited for.
    """

    def __init__(self, *, longest_bytes: int = 16 * 1024 * 1024) -> None:
        self._longest_bytes = longest_bytes
        self._rest = b""
        self._started = False

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the frames that this chunk completes.

        Raises:
            FrameTooLong: A frame is longer than the bound.
        """
        buffer = self._rest + chunk if self._rest else chunk
        frames: list[Frame] = []
        done = 0
        for match in _BLANK.finditer(buffer):
            raw = buffer[done : match.end()]
            done = match.end()
            frames.append(Frame(raw, self._data(raw)))
        self._rest = buffer[done:] if done else buffer
        if len(self._rest) > self._longest_bytes:
            raise FrameTooLong
        return frames

    def finish(self) -> list[Frame]:
        """Return what stands after the last empty line, as a frame, when the stream has come to its proper end."""
        rest, self._rest = self._rest, b""
        return [Frame(rest, self._data(rest))] if rest else []

    def _data(self, raw: bytes) -> bytes | None:
        if not self._started:
            self._started = True
            raw = raw.removeprefix(_BOM)
        if raw.startswith(b"data: ") and raw.endswith(b"\n\n") and raw.find(b"\n") == len(raw) - 2 and b"\r" not in raw:
            return raw[6:-2]
        lines = [line[5:].removeprefix(b" ") for line in raw.splitlines() if line.startswith(b"data:")]
        return b"\n".join(lines) if lines else None
