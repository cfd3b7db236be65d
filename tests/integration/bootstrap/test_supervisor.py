"""Real processes, really killed."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from headgate.bootstrap.processes.supervisor import Child, OnRestart, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

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


SAY_READY_AND_STAY = """
import os, signal, time
with open(os.environ["PLACE"], "a") as file:
    file.write(f"{os.getpid()}\\n")
if os.environ.get("HEADGATE_READY_FD") and not os.path.exists(os.environ["PLACE"] + ".unwell"):
    os.write(int(os.environ["HEADGATE_READY_FD"]), b"..")
def end(*_):
    time.sleep(float(os.environ.get("TAKES_S", "0")))
    raise SystemExit
signal.signal(signal.SIGTERM, end)
if os.path.exists(os.environ["PLACE"] + ".unwell"):
    raise SystemExit(3)
time.sleep(60)
"""


@contextmanager
def supervised(*children: Child) -> Generator[Supervisor]:
    supervisor = Supervisor(children)
    running = threading.Thread(target=supervisor.run, kwargs={"on_signals": False})
    running.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()
        running.join(WAIT_S)
        assert not running.is_alive()


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_what_is_handed_over_has_a_successor_before_it_ends_and_may_take_its_time(tmp_path: Path) -> None:
    child = a_child(tmp_path, "web", SAY_READY_AND_STAY)
    child.environment = {**child.environment, "TAKES_S": "1.5"}
    child.on_restart, child.workers = OnRestart.HAND_OVER, 2
    kept = a_child(tmp_path, "kept", SAY_PID_AND_STAY)
    with supervised(child, kept) as supervisor:
        eventually(lambda: pids(tmp_path, "web") and pids(tmp_path, "kept"))
        old = pids(tmp_path, "web")[0]
        supervisor.restart()
        eventually(lambda: child.process is not None and child.process.pid != old)
        new = pids(tmp_path, "web")[1]
        assert alive(old)
        assert alive(new)
        assert {process.pid for process in child.running()} == {old, new}
        eventually(lambda: not alive(old))
        assert alive(new)
        assert len(pids(tmp_path, "kept")) == 1
    assert not alive(new)


def test_a_successor_that_cannot_start_leaves_everything_as_it_was(tmp_path: Path) -> None:
    child = a_child(tmp_path, "web", SAY_READY_AND_STAY)
    child.on_restart = OnRestart.HAND_OVER
    with supervised(child) as supervisor:
        eventually(lambda: pids(tmp_path, "web"))
        (tmp_path / "web.unwell").touch()
        supervisor.restart()
        eventually(lambda: len(pids(tmp_path, "web")) == 2 and child._successor is None)
        assert len(child.running()) == 1
        assert child.running()[0].pid == pids(tmp_path, "web")[0]
        (tmp_path / "web.unwell").unlink()
        supervisor.restart()
        eventually(lambda: child.process is not None and len(pids(tmp_path, "web")) == 3 and not alive(pids(tmp_path, "web")[0]))


def test_a_process_that_dies_while_it_is_succeeded_is_succeeded_at_once(tmp_path: Path) -> None:
    child = a_child(tmp_path, "web", SAY_READY_AND_STAY)
    child.on_restart, child.workers = OnRestart.HAND_OVER, 1000  # it will never say so often that it is ready
    with supervised(child) as supervisor:
        eventually(lambda: pids(tmp_path, "web"))
        supervisor.restart()
        eventually(lambda: len(pids(tmp_path, "web")) == 2)
        first, second = pids(tmp_path, "web")
        os.kill(first, signal.SIGKILL)
        eventually(lambda: child.process is not None and child.process.pid == second)
        assert len(pids(tmp_path, "web")) == 2


def test_what_is_replaced_ends_before_the_next_one_starts(tmp_path: Path) -> None:
    child = a_child(tmp_path, "steward", SAY_READY_AND_STAY)
    child.environment = {**child.environment, "TAKES_S": "0.5"}
    child.on_restart = OnRestart.REPLACE
    with supervised(child) as supervisor:
        eventually(lambda: pids(tmp_path, "steward"))
        supervisor.restart()
        eventually(lambda: len(pids(tmp_path, "steward")) == 2)
        assert not alive(pids(tmp_path, "steward")[0])


def test_who_does_not_end_in_time_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    child = a_child(tmp_path, "stubborn", SAY_READY_AND_STAY)
    child.environment = {**child.environment, "TAKES_S": "30"}
    child.grace_s = 0.5
    with supervised(child):
        eventually(lambda: pids(tmp_path, "stubborn"))
    assert not alive(pids(tmp_path, "stubborn")[0])
