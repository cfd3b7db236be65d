"""The processes that answer requests: as many as there should be, whatever becomes of one, and none that outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

PROGRAM = """
import os, signal, structlog, sys, time
from headgate.bootstrap.processes.web import Workers

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

def work():
    if {deaf}:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(1, b"%d\\n" % os.getpid())  # in one piece, whoever else writes
    time.sleep({lives_s})

Workers({count}, work, grace_s=0.5).run()
"""


@contextmanager
def workers(count: int = 2, *, lives_s: float = 60, deaf: bool = False) -> Generator[tuple[subprocess.Popen[str], IO[str]]]:
    """Run workers that say who they are; yields what runs them, and what they say."""
    program = PROGRAM.format(count=count, lives_s=lives_s, deaf=deaf)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def lives(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_one_that_dies_is_replaced_and_the_others_stay() -> None:
    with workers() as (_, said):
        first, second = int(said.readline()), int(said.readline())
        os.kill(first, signal.SIGKILL)
        third = int(said.readline())
        assert len({first, second, third}) == 3
        assert lives(second)
        assert not lives(first)


def test_the_pause_doubles_while_they_die_young() -> None:
    with workers(1, lives_s=0) as (_, said):
        assert int(said.readline())
        began_s = time.monotonic()
        pids = {int(said.readline()) for _ in range(4)}
        assert len(pids) == 4
        assert time.monotonic() - began_s > 0.1 + 0.2 + 0.4 + 0.8 - 0.1, "less the first one's own life"


def test_told_to_end_all_end_and_it_after_them() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with workers() as (process, said):
            pids = [int(said.readline()) for _ in range(2)]
            process.send_signal(number)
            assert process.wait(5) == 0
            assert not any(lives(pid) for pid in pids)


def test_one_that_does_not_end_is_killed_after_its_grace() -> None:
    with workers(1, deaf=True) as (process, said):
        pid = int(said.readline())
        began_s = time.monotonic()
        process.terminate()
        assert process.wait(5) == 0
        assert time.monotonic() - began_s >= 0.5
        assert not lives(pid)


def test_those_that_die_at_once_are_not_started_without_a_pause() -> None:
    with workers(1, lives_s=0) as (process, said):
        said.readline()
        time.sleep(1)
        process.terminate()
        assert process.wait(5) == 0
        assert 1 <= len(said.readlines()) <= 11
