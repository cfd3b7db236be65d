"""Closed-loop load: each connection sends its next request when it has the answer to its last.

Made by ``wrk``, because a load generator in Python would be slower than some of what is measured here.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.machine import cpu_s, measuring_core

if TYPE_CHECKING:
    from gateway.arms import Arm

_SCRIPT = Path(__file__).with_name("load.lua")
BODY_BYTES = 300


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of load saw.

    Attributes:
        per_s: Answers a second.
        p50_ms: Half of the answers took no longer.
        p99_ms: All but one in a hundred took no longer.
        failed: Answers that were none: refused, wrong, late or broken off.
        cpu_us: Processor time of what is measured, for each answer, in microseconds.
        beside_us: The same of what works on the answers afterwards.
    """

    per_s: float
    p50_ms: float
    p99_ms: float
    failed: int
    cpu_us: float
    beside_us: float


def body_for(model: str) -> bytes:
    """Return the request, the same in every arm: a chat completion of 300 bytes."""
    message = {"role": "user", "content": ""}
    value = {"model": model, "max_tokens": 64, "messages": [message]}
    message["content"] = "x" * (BODY_BYTES - len(json.dumps(value)))
    return json.dumps(value).encode()


def drive(arm: Arm, keys: Path, *, connections: int, seconds: float) -> Run:
    """Load one arm.

    Args:
        arm: What is measured.
        keys: A file of key texts, one a line; each request carries the next.
        connections: How many at a time.
        seconds: For how long.

    Raises:
        RuntimeError: The load generator did not run.
    """
    core = measuring_core()
    before, before_beside = cpu_s(arm.pids), cpu_s(arm.beside)
    done = subprocess.run(
        [
            *([] if core is None else ["taskset", "--cpu-list", str(core)]),
            *("wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{max(1, round(seconds))}s"),
            *("--timeout", "20s", "--script", str(_SCRIPT), arm.url, "--", str(keys), body_for(arm.model).decode()),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    used_s, beside_s = cpu_s(arm.pids) - before, cpu_s(arm.beside) - before_beside
    if done.returncode != 0:
        raise RuntimeError(f"wrk ended with {done.returncode}: {done.stderr[-500:]}")
    seen = json.loads(done.stdout[done.stdout.rindex("\n{") :])
    answered = max(1, seen["answers"])
    return Run(
        per_s=seen["answers"] / seen["seconds"],
        p50_ms=seen["p50_us"] / 1000,
        p99_ms=seen["p99_us"] / 1000,
        failed=seen["failed"],
        cpu_us=1e6 * used_s / answered,
        beside_us=1e6 * beside_s / answered,
    )
