"""Keeps the processes of one machine alive: starts them, starts again what dies, replaces them when told, and stops them all.

A process that dies is started again after a pause that doubles while it keeps dying, up to ten seconds. A signal to end
(SIGTERM, SIGINT) is passed on; whoever has not ended within its grace is killed, and a second signal kills at once.

SIGHUP replaces the processes by new ones, of whatever code is installed by then; settings stay as they were read. The process
that serves requests is handed over: its successor starts beside it on the same listening socket, which belongs to the supervisor,
and only when the successor says that it is ready is the old one told to end; it takes no more connections then and lets its
streams run out. A successor that does not get ready is killed, and the old one goes on. When the terminal that all was started
from is gone, SIGHUP means what it always meant.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence
    from types import FrameType

READY = "HEADGATE_READY_FD"
"""Names the descriptor into which a process that is handed over writes one byte for each of its workers that is ready."""

_SHORTEST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
_STABLE_AFTER_S = 30.0
_GRACE_S = 25.0
_READY_S = 60.0
_TICK_S = 0.1

log = structlog.get_logger()


class OnRestart(Enum):
    """What a restart does to a process."""

    KEEP = "keep"
    REPLACE = "replace"
    """It ends, then another one starts."""
    HAND_OVER = "hand_over"
    """Another one starts, and when that is ready, it ends."""


@dataclass(slots=True)
class _Ending:
    """A process that was told to end."""

    process: subprocess.Popen[bytes]
    killed_at: float


@dataclass(slots=True)
class _Successor:
    """A process that is getting ready to take over."""

    process: subprocess.Popen[bytes]
    ready: int
    given_up_at: float
    said: int = 0


@dataclass(slots=True)
class Child:
    """One process to keep alive.

    Attributes:
        name: What to call it.
        command: The argument vector that starts it.
        environment: Its whole environment.
        on_restart: What a restart does to it.
        sockets: What it inherits, kept open here.
        workers: How many workers of it must be ready before it may take over.
        grace_s: How long it may take to end, in seconds.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    on_restart: OnRestart = OnRestart.KEEP
    sockets: Sequence[socket.socket] = ()
    workers: int = 1
    grace_s: float = _GRACE_S
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause_s: float = _SHORTEST_PAUSE_S
    restart_at: float = field(default=0.0)
    _successor: _Successor | None = None
    _endings: list[_Ending] = field(default_factory=list[_Ending])

    def start(self) -> None:
        """Start it."""
        self.process = self._spawn(self.environment)
        self.started_at = time.monotonic()
        log.info("process.started", process=self.name, pid=self.process.pid)

    def keep_alive(self) -> None:
        """Look after it, and after those that come before and after it."""
        now = time.monotonic()
        self._endings = [ending for ending in self._endings if not self._is_over(ending, now)]
        if self._successor is not None:
            self._look_at(self._successor, now)
        if self.process is None:
            if now >= self.restart_at and not self._endings:
                self.start()
            return
        code = self.process.poll()
        if code is None:
            return
        if self._successor is not None:
            self._take_over(self._successor)
            return
        self.pause_s = _SHORTEST_PAUSE_S if now - self.started_at > _STABLE_AFTER_S else min(2 * self.pause_s, _LONGEST_PAUSE_S)
        self.restart_at = now + self.pause_s
        self.process = None
        log.error("process.died", process=self.name, exit_code=code, again_in_s=round(self.pause_s, 1))

    def restart(self) -> None:
        """Put another process in its place, the way it was said; one that is under way already is enough."""
        if self.on_restart is OnRestart.KEEP or self._successor is not None or self.process is None:
            return
        if self.on_restart is OnRestart.REPLACE:
            self._end(self.process)
            self.process, self.restart_at = None, 0.0
            return
        ready, told = os.pipe()
        os.set_blocking(ready, False)
        process = self._spawn({**self.environment, READY: str(told)}, told)
        os.close(told)
        self._successor = _Successor(process, ready, time.monotonic() + _READY_S)
        log.info("process.succeeding", process=self.name, pid=process.pid)

    def end(self) -> None:
        """Tell everything that runs for it to end."""
        for running in self.running():
            with suppress(ProcessLookupError):
                running.terminate()

    def running(self) -> list[subprocess.Popen[bytes]]:
        """Return all its processes that have not ended: the one that serves, and those before and after it."""
        all_of_it = [self.process, self._successor and self._successor.process, *(ending.process for ending in self._endings)]
        return [process for process in all_of_it if process is not None and process.poll() is None]

    def _spawn(self, environment: Mapping[str, str], *descriptors: int) -> subprocess.Popen[bytes]:
        inherited = (*(listener.fileno() for listener in self.sockets), *descriptors)
        return subprocess.Popen(self.command, env=dict(environment), start_new_session=True, pass_fds=inherited)  # noqa: S603 - our own commands

    def _look_at(self, successor: _Successor, now: float) -> None:
        with suppress(BlockingIOError):
            successor.said += len(os.read(successor.ready, 4096))
        if successor.said >= self.workers:
            if self.process is not None:
                self._end(self.process)
            self._take_over(successor)
        elif successor.process.poll() is not None or now > successor.given_up_at:
            log.error("process.cannot_succeed", process=self.name, pid=successor.process.pid, exit_code=successor.process.poll())
            kill(successor.process)
            os.close(successor.ready)
            self._successor = None

    def _take_over(self, successor: _Successor) -> None:
        os.close(successor.ready)
        self.process, self._successor, self.started_at = successor.process, None, time.monotonic()
        log.info("process.took_over", process=self.name, pid=successor.process.pid)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        self._endings.append(_Ending(process, time.monotonic() + self.grace_s))

    def _is_over(self, ending: _Ending, now: float) -> bool:
        if ending.process.poll() is None and now > ending.killed_at:
            log.warning("process.killed", process=self.name, pid=ending.process.pid, after_s=self.grace_s)
            kill(ending.process)
        return ending.process.poll() is not None


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it started, and wait until it is gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # it was started as the leader of its own group
    process.wait()


class Supervisor:
    """Runs children until it is told to stop.

    Args:
        children: What to run, in the order in which to start; they are stopped in the opposite order.
    """

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children
        self._stop = threading.Event()
        self._restart = threading.Event()
        self._at_once = threading.Event()
        self._on_terminal = False

    def run(self, *, on_signals: bool = True) -> None:
        """Start all, watch, and return after :meth:`stop` or a signal to end."""
        if on_signals:
            self._on_terminal = sys.stdin is not None and sys.stdin.isatty()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._on_end)
            signal.signal(signal.SIGHUP, self._on_hangup)
        try:
            while not self._stop.is_set():
                if self._restart.is_set():
                    self._restart.clear()
                    for child in self._children:
                        child.restart()
                for child in self._children:
                    child.keep_alive()
                self._stop.wait(_TICK_S)
        finally:
            self._end_all()

    def stop(self) -> None:
        """Let :meth:`run` end its children and return."""
        self._stop.set()

    def restart(self) -> None:
        """Let :meth:`run` replace its children."""
        self._restart.set()

    def _on_end(self, _number: int, _frame: FrameType | None) -> None:
        if self._stop.is_set():
            self._at_once.set()
        self._stop.set()

    def _on_hangup(self, _number: int, _frame: FrameType | None) -> None:
        if self._on_terminal and not os.isatty(0):
            self._stop.set()  # the terminal was closed
        else:
            self._restart.set()

    def _end_all(self) -> None:
        for child in reversed(self._children):
            for listener in child.sockets:
                listener.close()  # whoever still serves has it too
            child.end()
        told_at = time.monotonic()
        for child in reversed(self._children):
            while (left := child.running()) and not self._at_once.is_set() and time.monotonic() < told_at + child.grace_s:
                self._at_once.wait(_TICK_S / 2)
            for process in left:
                log.warning("process.killed", process=child.name, pid=process.pid, after_s=round(time.monotonic() - told_at))
                kill(process)
