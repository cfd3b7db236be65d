"""Plays of plans that a page has asked for: one process at a time, beside the gateway and always behind it.

::

    <data>/simulations/
    ├── running.lock      held (flock) by the process that plays; the kernel lets go when it ends, whichever way
    ├── running.json      whose it is, and which process
    └── <session>/        trial.json: what was asked · source: the plan · progress: plays so far · result.json: what came of it

The lock is taken here and inherited by the process, so that no two are ever started, by whichever worker of the gateway. What
a session had played is kept for a day.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from headgate.console.trials import MOST_PLAYS, Idle, NotPlayed, Played, State, Trial, UnderWay
from headgate.kernel.clock import from_us, to_us
from headgate.kernel.errors import Limited, Unavailable
from headgate.releases.decide.simulate import script_of
from headgate.releases.errors import PlanInvalid
from headgate.releases.wire.canonical import plan_digest
from headgate.releases.wire.checking import check_plan

if TYPE_CHECKING:
    from pathlib import Path

    from headgate.kernel.clock import Clock
    from headgate.releases.model.draft import Draft
    from headgate.releases.model.simulation import World

_KEPT = timedelta(days=1)
_TRIES = 5
_PAUSE_S = 0.02
"""Whoever looks holds the lock for an instant; it is asked for again before anybody is told that it is taken."""


class SimulationBusy(Limited):
    """A plan is being played already; there is one at a time."""

    code = "plan.simulation_busy"


class SimulationUnavailable(Unavailable):
    """No process can be started to play a plan, or nothing can be written down for it."""

    code = "plan.simulation_unavailable"


class ProcessSimulations:
    """Plays plans in a process of its own.

    Args:
        directory: Where trials lie; made when absent.
        clock: The time.
    """

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    def begin(self, owner: str, draft: Draft, world: World, *, runs: int, seed: int) -> None:
        read = check_plan(draft.source, draft.name)
        if read.plan is None or not read.ok:
            raise PlanInvalid("This plan has errors, so it cannot be played.", help="Mend them first.")
        if not 1 <= runs <= MOST_PLAYS:
            raise PlanInvalid(
                f"A page plays a plan 1 to {MOST_PLAYS:,} times.", help="For more: headgate plan simulate --runs 20000."
            )
        script_of(read.plan, plan_digest(read.plan), world, seed)  # what it cannot play, it says now
        try:
            self._begin(owner, Trial(draft.digest, draft.name, runs, seed, self._clock.now()), draft.source, world)
        except OSError as problem:
            raise SimulationUnavailable(f"The plan cannot be played now: {problem.strerror}.") from None

    def look(self, owner: str) -> State:
        where = self._directory / owner
        trial = _trial(where)
        if trial is None:
            return Idle()
        done = _number(where / "progress")
        if self._running() == owner:  # until its process is gone, nothing else can begin: so long it is under way
            return UnderWay(trial, done)
        told = _json(where / "result.json")
        if told is not None:
            return NotPlayed(trial, done, told["why"]) if "why" in told else Played(trial, told)
        return NotPlayed(trial, done, "It was ended, or it took longer than a page waits for.")

    def end(self, owner: str) -> None:
        told = _json(self._directory / "running.json")
        if told is not None and self._running() == owner:  # it holds the lock, so this is its number and nobody else's
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(told["pid"], signal.SIGKILL)

    def _begin(self, owner: str, trial: Trial, source: bytes, world: World) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._directory / "running.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            if not any(_taken(lock) or time.sleep(_PAUSE_S) for _ in range(_TRIES)):
                raise SimulationBusy(
                    "A plan is being played already.", retry_after_s=None, help="Wait until it has ended: there is one at a time."
                )
            self._forget_old()
            where = self._directory / owner
            shutil.rmtree(where, ignore_errors=True)
            where.mkdir(mode=0o700)
            (where / "source").write_bytes(source)
            told = {**asdict(trial), "began_at": to_us(trial.began_at), "world": _spelled(world)}
            (where / "trial.json").write_text(json.dumps(told))
            command = [sys.executable, "-m", "headgate.bootstrap.processes.simulation", str(where)]
            process = subprocess.Popen(  # noqa: S603 - our own module
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True, pass_fds=(lock,)
            )
            (self._directory / "running.json").write_text(json.dumps({"owner": owner, "pid": process.pid}))
            threading.Thread(target=process.wait, daemon=True).start()  # nobody else asks how it ended
        finally:
            os.close(lock)

    def _running(self) -> str | None:
        """Return whose trial is being played."""
        try:
            lock = os.open(self._directory / "running.lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            if _taken(lock):
                return None
        finally:
            os.close(lock)
        told = _json(self._directory / "running.json")
        return None if told is None else told["owner"]

    def _forget_old(self) -> None:
        before = (self._clock.now() - _KEPT).timestamp()
        for each in self._directory.iterdir():
            if each.is_dir() and each.stat().st_mtime < before:
                shutil.rmtree(each, ignore_errors=True)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _spelled(world: World) -> dict[str, Any]:
    told = {name: getattr(world, name) for name in type(world).__dataclass_fields__}
    return {**told, "rates": dict(world.rates), "adversaries": sorted(each.value for each in world.adversaries)}


def _trial(where: Path) -> Trial | None:
    told = _json(where / "trial.json")
    if told is None:
        return None
    return Trial(told["draft"], told["name"], told["runs"], told["seed"], from_us(told["began_at"]))


def _json(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):  # not there yet, or being written: nothing is known of it
        return None


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
