"""Writing to a SQLite file that others write to as well."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

_ASK_AGAIN_S = 0.002
"""How soon whoever waits for the write lock asks again: SQLite itself pauses for up to a tenth of a second at a time."""
_PRIMARY = 0xFF
"""The part of SQLite's extended result codes that says what kind of error it is."""


def when_free(write: Callable[[], _T], *, within_s: float, monotonic: Callable[[], float] = time.monotonic) -> _T:
    """Write as soon as nobody else does, and return what that returns.

    Args:
        write: Writes, on a connection that does not wait by itself; it is tried at least once.
        within_s: How long to wait, in seconds.
        monotonic: Tells how long it was.

    Raises:
        sqlite3.OperationalError: Others wrote for all that time.
        sqlite3.Error: It cannot be written.
    """
    give_up_s = monotonic() + within_s
    while True:
        try:
            return write()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY != sqlite3.SQLITE_BUSY or monotonic() >= give_up_s:
                raise
        time.sleep(_ASK_AGAIN_S)
