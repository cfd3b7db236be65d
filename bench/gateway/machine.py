"""The machine that measures: which core runs what, and what a process has used.

What measures (load, model servers) is kept on one core; what is measured may use all of them, as it does in use. On a machine
with one core everything shares it, and the report says so.
"""

from __future__ import annotations

import os
import platform
import sysconfig
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def measuring_core() -> int | None:
    """Return the core for what measures; ``None`` when there is only one."""
    count = os.cpu_count() or 1
    return count - 1 if count > 1 else None


@contextmanager
def on_the_measuring_core() -> Generator[None]:
    """Keep this process, and what it starts meanwhile, on the core for what measures."""
    before = os.sched_getaffinity(0)
    if (core := measuring_core()) is not None:
        pin([os.getpid()], core)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def described() -> str:
    """Return what this machine is, and the interpreter, in one line."""
    model = "unknown processor"
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    guided = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    python = f"Python {platform.python_version()} configured with{'' if guided else 'out'} --enable-optimizations"
    return f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the run; {python}"


def children(pid: int) -> list[int]:
    """Return a process and everything that it started."""
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text("ascii").split()]
    return found


def parent(pid: int) -> int:
    """Return the process that started another."""
    return int(Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[1])


def pin(pids: list[int], core: int) -> None:
    """Keep processes, all threads of each, on one core."""
    for pid in pids:
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), {core})


def cpu_s(pids: Iterable[int]) -> float:
    """Return the processor time that processes have used, in seconds, to a hundredth."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def memory_bytes(pids: list[int]) -> int:
    """Return the memory that processes hold (resident set)."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            total += int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * _PAGE_BYTES
    return total


def open_files(pid: int) -> int:
    """Return how many descriptors a process holds."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    """Return how many threads a process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))
