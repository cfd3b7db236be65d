"""One key at a time: pressed at a terminal, or one to a line through a pipe."""

from __future__ import annotations

import sys
import termios
import tty
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENDS = frozenset({"", "\x00", "\x03", "\x04"})
"""No more input, an end of file typed ahead (which a terminal hands over as a null), an interrupt, an end of file."""


class Keys(Protocol):
    """Where keys come from."""

    def next(self) -> str | None:
        """Return the next key, or ``None`` when there will be no more."""
        ...

    def word(self) -> str:
        """Return what is typed up to the end of the line, without the spaces around it."""
        ...


class PressedKeys:
    """A terminal, read key by key and left as it was after each one."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal

    def next(self) -> str | None:
        number = self._terminal.fileno()
        before = termios.tcgetattr(number)
        try:
            tty.setcbreak(number, termios.TCSANOW)
            key = self._terminal.read(1)
        finally:
            termios.tcsetattr(number, termios.TCSADRAIN, before)
        return None if key in _ENDS else key

    def word(self) -> str:
        return self._terminal.readline().strip()


class PipedKeys:
    """A pipe or a file: the first character of each line; an empty line is the space bar."""

    def __init__(self, lines: TextIO) -> None:
        self._lines: Iterator[str] = iter(lines)

    def next(self) -> str | None:
        line = next(self._lines, None)
        return None if line is None else (line.rstrip("\n")[:1] or " ")

    def word(self) -> str:
        return next(self._lines, "").strip()


def keys() -> Keys:
    """Return the keys of standard input."""
    return PressedKeys(sys.stdin) if sys.stdin.isatty() else PipedKeys(sys.stdin)
