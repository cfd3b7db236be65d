"""The machine that measures: which core runs what, and what a process has used.

What is measured has the first core to itself; what measures (load, model server, the rest of Headgate) has the second. On a
machine with one core, or where affinity cannot be set, everything shares, and the report says so.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def cores() -> tuple[int, int] | None:
    """Return the core for what is measured and the core for what measures; ``None`` when there is only one."""
    mine = sorted(os.sched_getaffinity(0))
    return (mine[0], mine[1]) if len(mine) > 1 else None


def described() -> str:
    """Return what this machine is, in one line."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        return f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the run"
    return f"{os.cpu_count()} cores"


def children(pid: int) -> list[int]:
    """Return a process and everything that it started."""
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text("ascii").split()]
    return found


def pin(pids: list[int], core: int) -> None:
    """Keep processes, all threads of each, on one core."""
    for pid in pids:
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), {core})


def cpu_s(pids: list[int]) -> float:
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
