"""Plays one plan that a page has asked for, and ends.

Run as ``python -m headgate.bootstrap.processes.simulation DIRECTORY``. It yields to whatever else the machine has to do, uses one
core, may use fifteen minutes of it, and stops when the worker that started it is gone: nobody would read what comes of it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from headgate.kernel.errors import HeadgateError
from headgate.releases.cli.picturing import simulation_json
from headgate.releases.decide.simulate import script_of
from headgate.releases.errors import PlanInvalid
from headgate.releases.model.simulation import Adversary, World
from headgate.releases.service.simulating import LocalFarm, simulate
from headgate.releases.wire.canonical import plan_digest
from headgate.releases.wire.checking import check_plan

_MOST_CPU_S = 900
_POLITE = 19


def main(directory: str) -> int:
    """Play what ``directory`` says; return the exit code."""
    where = Path(directory)
    parent = os.getppid()
    os.nice(_POLITE)
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_CPU_S, _MOST_CPU_S))
    told = json.loads((where / "trial.json").read_text())
    given: dict[str, Any] = told["world"]
    given["adversaries"] = frozenset(Adversary(each) for each in given["adversaries"])
    world = World(**given)
    done = 0

    def note(more: int) -> None:
        nonlocal done
        if os.getppid() != parent:
            sys.exit(1)
        done += more
        _put(where / "progress", str(done))

    try:
        read = check_plan((where / "source").read_bytes(), told["name"])
        if read.plan is None:
            raise PlanInvalid("This plan has errors, so it cannot be played.")
        script = script_of(read.plan, plan_digest(read.plan), world, told["seed"])
        _put(where / "result.json", json.dumps(simulation_json(simulate(script, told["runs"], LocalFarm(1), told=note))))
    except HeadgateError as problem:
        _put(where / "result.json", json.dumps({"why": problem.message}))
        return 1
    return 0


def _put(path: Path, text: str) -> None:
    """Write a file as a whole: whoever reads it meanwhile reads the one before."""
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
