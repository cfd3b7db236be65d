"""The processes that answer requests: so many workers, each with one event loop, all on one socket.

Run as ``python -m headgate.bootstrap.processes.web`` with the installation named by ``HEADGATE_DATA``. This process reads in what
a worker consists of, and then divides: workers share it, and one that dies is replaced at once. All accept from one socket,
inherited from the supervisor: it stays open while workers, and whole generations of this process, come and go. How a worker ends
is the worker's own matter, see there; it is killed only when it has not ended long after its last exchange should have.
"""

from __future__ import annotations

import importlib
import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import socket
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from headgate.bootstrap import logs
from headgate.bootstrap.home import Home
from headgate.bootstrap.processes.collecting import collect_everything, collect_seldom, keep_what_is_here
from headgate.bootstrap.processes.parent import end_with_parent
from headgate.bootstrap.processes.plan import LISTENER
from headgate.bootstrap.processes.ports import listener
from headgate.bootstrap.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

log = structlog.get_logger()

_SHORTEST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_STABLE_AFTER_S = 10.0
_KILL_AFTER_S = 8.0
"""How much longer than its open exchanges a worker may take to end."""
_FILES_PER_CONNECTION = 2
"""A connection to the client and one to the model server."""
_OTHER_FILES = 256
_ENDS = (signal.SIGTERM, signal.SIGINT)


class Workers:
    """Processes that do the same work, as many as there should be; while they die young, the pause before the next doubles.

    Args:
        count: How many.
        work: What each does; run in the process.
        grace_s: How long one that was told to end may take to, in seconds.
    """

    def __init__(self, count: int, work: Callable[[], None], *, grace_s: float) -> None:
        self._count = count
        self._work = work
        self._grace_s = grace_s
        # Workers inherit the socket, the pipe that tells that they are ready, and what was read in. No thread of ours runs yet;
        # those of libraries (an allocator's of Arrow, OpenBLAS's) are looked after by their own handlers (pthread_atfork).
        self._fork = multiprocessing.get_context("fork")
        self._running: list[BaseProcess] = []
        self._woken, self._wakes = socket.socketpair()

    def run(self) -> None:
        """Keep them running until this process is told to end, then end them."""
        self._wakes.setblocking(False)  # noqa: FBT003 - its only parameter
        signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)
        for number in _ENDS:
            signal.signal(number, _note)
        told, pause_s, started_at = False, 0.0, 0.0
        while not told:
            while len(self._running) < self._count:
                self._start()
                started_at = time.monotonic()
            told = self._told(None, *[worker.sentinel for worker in self._running])
            ended = [worker for worker in self._running if not worker.is_alive()]
            for worker in ended:
                log.error("worker.died", pid=worker.pid, exit_code=worker.exitcode)
                self._running.remove(worker)
            if ended and not told:
                is_young = time.monotonic() - started_at < _STABLE_AFTER_S
                pause_s = min(max(2 * pause_s if is_young else 0.0, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S)
                told = self._told(pause_s)
        self._end()

    def _told(self, within_s: float | None, *or_until: int) -> bool:
        """Wait until this process is told to end, or one of these is ready; return whether it was told."""
        return self._woken in multiprocessing.connection.wait([self._woken, *or_until], within_s)

    def _start(self) -> None:
        worker = self._fork.Process(target=self._begin, name="worker")
        worker.start()
        self._running.append(worker)

    def _begin(self) -> None:
        """Work, in the new process: what this process does when it is told to end is not the worker's to do."""
        signal.set_wakeup_fd(-1)
        for number in (*_ENDS, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        self._work()

    def _end(self) -> None:
        for worker in self._running:
            worker.terminate()
        killed_at = time.monotonic() + self._grace_s
        for worker in self._running:
            worker.join(max(0.0, killed_at - time.monotonic()))
            if worker.is_alive():
                log.warning("worker.killed", pid=worker.pid, after_s=self._grace_s)
                worker.kill()
                worker.join()


def main() -> None:
    """Serve until told to stop."""
    end_with_parent()
    home = Home(Path(os.environ["HEADGATE_DATA"])).must_exist()
    settings = load(home.root, os.environ)
    logs.configure(settings.log_level)
    _may_open(_FILES_PER_CONNECTION * settings.max_connections + _OTHER_FILES)
    inherited = os.environ.get(LISTENER)
    listening = listener(settings.host, settings.port) if inherited is None else socket.socket(fileno=int(inherited))

    collect_seldom()
    worker = importlib.import_module("headgate.bootstrap.processes.worker")
    keep_what_is_here()
    grace_s = settings.linger_s + settings.drain_s + _KILL_AFTER_S
    Workers(settings.workers, partial(worker.run, home, settings, listening), grace_s=grace_s).run()
    collect_everything()


def _note(_number: int, _frame: object) -> None:
    """Let the signal be heard by whoever waits for it."""


def _may_open(files: int) -> None:
    """Ask that this process and its workers may have so many files open; as many as they are allowed to, if fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files if hard == resource.RLIM_INFINITY else min(files, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    main()
