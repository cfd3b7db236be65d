"""The HTTP server: Granian with one event loop per worker, each running ``worker.application``.

Run as ``python -m headgate.bootstrap.processes.web`` with the installation named by ``HEADGATE_DATA``. A worker that dies is
replaced at once. All workers accept from one socket, inherited from the supervisor: it stays open while workers, and whole
generations of this process, come and go. How a worker ends is the worker's own matter, see there; it is killed only when it has
not ended long after its last exchange should have.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import MPServer

from headgate.bootstrap import logs
from headgate.bootstrap.home import Home
from headgate.bootstrap.processes.parent import end_with_parent
from headgate.bootstrap.processes.plan import LISTENER
from headgate.bootstrap.processes.ports import listener
from headgate.bootstrap.settings import load

_RESPAWN_S = 0.1
_KILL_AFTER_S = 5
"""How much longer than its open exchanges a worker may take to end."""
_BACKLOG = 2048
_FILES_PER_CONNECTION = 2
"""A connection to the client and one to the model server."""
_OTHER_FILES = 256


class _Inheriting(MPServer):
    """Granian's server, with every worker on a socket that was opened by somebody else.

    On Linux, Granian gives each worker a listening socket of its own; what waits in it to be accepted is reset when the worker
    ends.
    """

    listener: socket.socket

    def _init_shared_socket(self) -> None:
        self._ssp = None
        self._sfd = self.listener.fileno()
        self._shd = SocketHolder(self._sfd, False, _BACKLOG)  # noqa: FBT003 # pyright: ignore[reportCallIssue] - its stub lacks it
        self._sso = self.listener


def main() -> None:
    """Serve until told to stop."""
    end_with_parent()
    home = Home(Path(os.environ["HEADGATE_DATA"])).must_exist()
    settings = load(home.root, os.environ)
    logs.configure(settings.log_level)
    if sys.platform == "linux":
        multiprocessing.set_start_method("fork")  # workers inherit the socket, and the pipe that tells that they are ready
    _may_open(_FILES_PER_CONNECTION * settings.max_connections + _OTHER_FILES)
    server = _Inheriting(
        "headgate.bootstrap.processes.worker",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=int(1000 * settings.body_timeout_s)),
        websockets=False,
        backlog=_BACKLOG,
        backpressure=settings.max_connections,  # counts connections, idle ones too; requests are bounded by the gateway
        respawn_failed_workers=True,
        respawn_interval=_RESPAWN_S,
        workers_kill_timeout=round(settings.linger_s + settings.drain_s) + _KILL_AFTER_S,
        log_level=LogLevels.warning,
    )
    inherited = os.environ.get(LISTENER)
    server.listener = listener(settings.host, settings.port) if inherited is None else socket.socket(fileno=int(inherited))
    server.serve(target_loader=_application)


def _application(module: str) -> Any:
    """Return the application of a worker, in the worker.

    A worker is forked with this process's own handlers of signals, which would swallow what it is told until it has its own: a
    worker that has not started yet has nothing to end in good order.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    return importlib.import_module(module).application()


def _may_open(files: int) -> None:
    """Ask that this process and its workers may have so many files open; as many as they are allowed to, if fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files if hard == resource.RLIM_INFINITY else min(files, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    main()
