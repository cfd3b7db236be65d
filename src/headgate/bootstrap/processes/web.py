"""The HTTP server: Granian with one event loop per worker, each running ``worker.application``.

Run as ``python -m headgate.bootstrap.processes.web`` with the installation named by ``HEADGATE_DATA``. A worker that dies is
replaced at once; its port stays open meanwhile, because the socket belongs to this process.
"""

from __future__ import annotations

import os
from pathlib import Path

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from headgate.bootstrap import logs
from headgate.bootstrap.home import Home
from headgate.bootstrap.processes.parent import end_with_parent
from headgate.bootstrap.settings import load

_RESPAWN_S = 0.1
_KILL_AFTER_S = 20


def main() -> None:
    """Serve until told to stop."""
    end_with_parent()
    home = Home(Path(os.environ["HEADGATE_DATA"])).must_exist()
    settings = load(home.root, os.environ)
    logs.configure(settings.log_level)
    Server(
        "headgate.bootstrap.processes.worker:application",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=int(1000 * settings.body_timeout_s)),
        websockets=False,
        backlog=2048,
        backpressure=settings.max_in_flight + 64,
        respawn_failed_workers=True,
        respawn_interval=_RESPAWN_S,
        workers_kill_timeout=_KILL_AFTER_S,
        log_level=LogLevels.warning,
    ).serve()


if __name__ == "__main__":
    main()
