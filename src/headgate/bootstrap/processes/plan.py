"""Which processes an installation runs as, and how each is started."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from headgate.bootstrap.home import Home
from headgate.bootstrap.processes.ports import listener
from headgate.bootstrap.processes.supervisor import Child, OnRestart
from headgate.kernel.errors import Invalid

if TYPE_CHECKING:
    from pathlib import Path

    from headgate.bootstrap.settings import Settings

PARTS = ("web", "steward")
"""The parts, in the order in which they start."""

LISTENER = "HEADGATE_LISTENER_FD"
"""Names the inherited socket that the web process serves from."""

_MEMORY = {"MALLOC_ARENA_MAX": "2"}
"""How glibc gives memory out, unless the environment says it already. By itself it keeps up to eight stores for each core; what a
thread frees goes back to the one that it came from, and stays with the process. Other C libraries ignore it.
"""
_LATE_S = 10.0
"""How much longer than the open exchanges their process may take to end."""


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
    environment = {
        **_MEMORY,
        **os.environ,
        "HEADGATE_DATA": str(directory),
        **{f"HEADGATE_{name.upper()}": str(value) for name, value in settings.model_dump().items()},
    }
    children: list[Child] = []
    if only in (None, "web"):
        socket = listener(settings.host, settings.port)
        shutil.rmtree(Home(directory).metrics, ignore_errors=True)  # whoever has the port is alone here
        children.append(
            Child(
                "web",
                _command("web"),
                {**environment, LISTENER: str(socket.fileno())},
                on_restart=OnRestart.HAND_OVER,
                sockets=(socket,),
                workers=settings.workers,
                grace_s=settings.linger_s + settings.drain_s + _LATE_S,
            )
        )
    if only in (None, "steward"):
        children.append(Child("steward", _command("steward"), environment, on_restart=OnRestart.REPLACE))
    return children


def _command(part: str) -> list[str]:
    return [sys.executable, "-m", f"headgate.bootstrap.processes.{part}"]
