"""Who supervises an installation: a file with its process, locked while it lives, so that a stale one is known for what it is."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headgate.kernel.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_FILE = "serve.pid"


class NotServed(NotFound):
    """Nobody supervises this installation."""

    code = "serve.not_running"


@contextmanager
def served(directory: Path) -> Generator[None]:
    """Be known as who supervises the installation in ``directory``, unless somebody else is already."""
    with (directory / _FILE).open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield  # a part that is run beside the rest
            return
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        file.flush()
        yield


def supervisor_of(directory: Path) -> int:
    """Return the process that supervises the installation in ``directory``.

    Raises:
        NotServed: Nobody does.
    """
    try:
        with (directory / _FILE).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int((directory / _FILE).read_bytes())
    except FileNotFoundError:
        pass
    raise NotServed(f"Nothing serves {directory}.", help="Start it: headgate serve.")
