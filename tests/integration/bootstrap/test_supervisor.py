"""Real processes, really killed."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from headgate.bootstrap.processes.supervisor import Child, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT_S = 20.0


def eventually(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)


def a_child(tmp_path: Path, name: str, script: str) -> Child:
    return Child(name, [sys.executable, "-c", script], {**os.environ, "PLACE": str(tmp_path / name)})


SAY_PID_AND_STAY = """
import os, time
with open(os.environ["PLACE"], "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(60)
"""


def pids(tmp_path: Path, name: str) -> list[int]:
    path = tmp_path / name
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_what_is_killed_is_started_again_and_all_end_together(tmp_path: Path) -> None:
    supervisor = Supervisor([a_child(tmp_path, "one", SAY_PID_AND_STAY), a_child(tmp_path, "two", SAY_PID_AND_STAY)])
    running = threading.Thread(target=supervisor.run, kwargs={"on_signals": False})
    running.start()
    try:
        eventually(lambda: pids(tmp_path, "one") and pids(tmp_path, "two"))
        os.kill(pids(tmp_path, "one")[0], signal.SIGKILL)
        eventually(lambda: len(pids(tmp_path, "one")) == 2)
    finally:
        supervisor.stop()
        running.join(WAIT_S)
    assert not running.is_alive()
    assert len(pids(tmp_path, "two")) == 1
    for pid in (pids(tmp_path, "one")[1], pids(tmp_path, "two")[0]):
        assert not Path(f"/proc/{pid}").exists()


DIES_AT_ONCE = """
import os
with open(os.environ["PLACE"], "a") as file:
    file.write(f"{os.getpid()}\\n")
raise SystemExit(3)
"""


def test_what_keeps_dying_is_given_longer_and_longer_pauses(tmp_path: Path) -> None:
    child = a_child(tmp_path, "fickle", DIES_AT_ONCE)
    supervisor = Supervisor([child])
    running = threading.Thread(target=supervisor.run, kwargs={"on_signals": False})
    running.start()
    try:
        eventually(lambda: len(pids(tmp_path, "fickle")) >= 3)
    finally:
        supervisor.stop()
        running.join(WAIT_S)
    assert child.pause_s >= 0.8
