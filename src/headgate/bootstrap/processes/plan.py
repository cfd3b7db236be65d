"""Which processes an installation runs as, and how each is started."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from headgate.bootstrap.processes.ports import must_be_free
from headgate.bootstrap.processes.supervisor import Child
from headgate.kernel.errors import Invalid

if TYPE_CHECKING:
    from pathlib import Path

    from headgate.bootstrap.settings import Settings

PARTS = ("web", "steward")
"""The parts, in the order in which they start."""


class NoSuchPart(Invalid):
    """There is no process of this name."""

    code = "serve.no_such_part"


def processes(directory: Path, settings: Settings, *, only: str | None = None) -> list[Child]:
    """Return the processes of one machine.

    Args:
        directory: The data directory.
        settings: What they run with; handed on through the environment, so that all agree.
        only: One part alone; ``None`` for all.

    Raises:
        NoSuchPart: ``only`` names none.
        PortTaken: Something else listens where the web process should.
    """
    if only is not None and only not in PARTS:
        raise NoSuchPart(f"There is no part called {only!r}.", help=f"Name one of: {', '.join(PARTS)}.")
    if only in (None, "web"):
        must_be_free(settings.host, settings.port)
    environment = {
        **os.environ,
        "HEADGATE_DATA": str(directory),
        **{f"HEADGATE_{name.upper()}": str(value) for name, value in settings.model_dump().items()},
    }
    return [
        Child(part, [sys.executable, "-m", f"headgate.bootstrap.processes.{part}"], environment)
        for part in PARTS
        if only in (None, part)
    ]
