"""Lines of a file of JSON objects, one to a line, taken apart as they arrive.

A line ends with a line feed and with nothing else. A carriage return before it belongs to the line's end; anywhere else it is
refused, because a reader that takes it for a line's end would find other rows in the same bytes. Everything else that some
reader takes for the end of a line can stand in JSON only inside a string, where no row can begin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.gateway.errors import RowMalformed, RowRefused
from headgate.kernel.errors import HeadgateError, Invalid, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMED_CHARS = 100


class Lines:
    """Takes a file apart.

    Args:
        most_bytes: The longest that one line may be.
    """

    def __init__(self, *, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._rest = b""
        self._number = 0

    def feed(self, block: bytes) -> Iterator[tuple[int, bytes]]:
        """Take in the next bytes and yield the lines that are whole now, with their numbers from 1; blank ones are left out.

        Raises:
            RowMalformed: A line is too long, or would be several to another reader.
        """
        *whole, self._rest = (self._rest + block).split(b"\n")
        for line in whole:
            yield from self._line(line)
        if len(self._rest) > self._most_bytes:
            raise self._too_long(self._number + 1)

    def finish(self) -> Iterator[tuple[int, bytes]]:
        """Yield the last line, if it had no end of its own.

        Raises:
            RowMalformed: See ``feed``.
        """
        rest, self._rest = self._rest, b""
        yield from self._line(rest)

    def _line(self, line: bytes) -> Iterator[tuple[int, bytes]]:
        self._number += 1
        line = line.removesuffix(b"\r")
        if len(line) > self._most_bytes:
            raise self._too_long(self._number)
        if b"\r" in line:
            raise RowMalformed(
                f"Line {self._number}: a carriage return stands within it.", rule="one row to a line", help="End lines with \\n."
            )
        if line.strip(b" \t"):
            yield self._number, line

    def _too_long(self, number: int) -> RowMalformed:
        return RowMalformed(
            f"Line {number}: it is longer than {self._most_bytes:,} bytes.", rule="longest row", help="Send less."
        )


def at_line(number: int, error: HeadgateError, *, custom_id: str | None = None) -> HeadgateError:
    """Return an error as the refusal of a whole file: with the line, what the row calls itself, and the reason's own code.

    That something does not answer is no fault of the row; such an error is returned as it is.
    """
    if isinstance(error, Unavailable):
        return error
    named = "" if custom_id is None else f", custom_id {custom_id[:_NAMED_CHARS]!r}"
    kind = RowMalformed if isinstance(error, Invalid) else RowRefused
    return kind(
        f"Line {number}{named}: {error.code}: {error.message}",
        rule=error.rule,
        help=error.help or "Mend or leave out the row; nothing of the file was kept.",
        link=error.link,
    )
