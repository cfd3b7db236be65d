"""Keeps the processes of one machine alive: starts them, starts again what dies, and stops them all in order.

A process that dies is started again after a pause that doubles while it keeps dying, up to ten seconds. A signal to end
(SIGTERM, SIGINT) is passed on; whoever has not ended within the grace period is killed.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

_SHORTEST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
_STABLE_AFTER_S = 30.0
_GRACE_S = 25.0

log = structlog.get_logger()


@dataclass(slots=True)
class Child:
    """One process to keep alive.

    Attributes:
        name: What to call it.
        command: The argument vector that starts it.
        environment: Its whole environment.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause_s: float = _SHORTEST_PAUSE_S
    restart_at: float = field(default=0.0)

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, env=dict(self.environment), start_new_session=True)  # noqa: S603 - our own commands
        self.started_at = time.monotonic()
        log.info("process.started", process=self.name, pid=self.process.pid)

    def keep_alive(self) -> None:
        now = time.monotonic()
        if self.process is None:
            if now >= self.restart_at:
                self.start()
            return
        code = self.process.poll()
        if code is None:
            return
        self.pause_s = _SHORTEST_PAUSE_S if now - self.started_at > _STABLE_AFTER_S else min(2 * self.pause_s, _LONGEST_PAUSE_S)
        self.restart_at = now + self.pause_s
        self.process = None
        log.error("process.died", process=self.name, exit_code=code, again_in_s=round(self.pause_s, 1))


class Supervisor:
    """Runs children until it is told to stop.

    Args:
        children: What to run, in the order in which to start; they are stopped in the opposite order.
    """

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children
        self._stop = threading.Event()

    def run(self, *, on_signals: bool = True) -> None:
        """Start all, watch, and return after :meth:`stop` or a signal to end."""
        if on_signals:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._on_signal)
        try:
            while not self._stop.is_set():
                for child in self._children:
                    child.keep_alive()
                self._stop.wait(0.1)
        finally:
            self._end_all()

    def stop(self) -> None:
        """Let :meth:`run` end its children and return."""
        self._stop.set()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _end_all(self) -> None:
        for child in reversed(self._children):
            if child.process is not None and child.process.poll() is None:
                child.process.terminate()
        deadline = time.monotonic() + _GRACE_S
        for child in reversed(self._children):
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("process.killed", process=child.name, pid=child.process.pid, after_s=_GRACE_S)
                child.process.kill()
                child.process.wait()
