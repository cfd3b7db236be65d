"""What Headgate costs, beside what else could stand in its place: every arm in one run, in front of one model server.

    make bench-gateway                       about five minutes
    make bench-gateway ARGS=--quick          half a minute: does it run, not how quick is it

Throughput and latency of whole answers at 1, 32 and 256 connections: straight to the model server, through nginx, through a bare
relay built as Headgate is (what could be reached at all), through Headgate (policy only; with the input screen; with a hold-back
output screen too), through the LiteLLM proxy. Then a thousand open streams, the chunks a worker can screen, a revocation until
its last stream is closed, and ten to a million grants.

Arms take turns in short runs, so that whatever else the machine does falls on all of them. Beside each figure stands the target
of the design and whether it was met here.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
from rich.console import Console

from gateway import arms, load, machine, report, streams
from gateway.arms import Arm
from gateway.crowd import Crowd
from headgate.testing.cast import member
from headgate.testing.installation import free_port

if TYPE_CHECKING:
    from collections.abc import Generator

    from headgate.testing.installation import Installation

CALLERS = 100
"""How many of the accounts are calling; the rest are there."""
JUDGED_AT = 32
"""Connections at which throughput is judged."""


class Bench:
    """One run.

    Args:
        place: A directory for everything that is written.
        quick: Whether only to try each part.
        out: Where the report goes.
    """

    def __init__(self, place: Path, out: Console, *, quick: bool, without_litellm: bool) -> None:
        self.place = place
        self.out = out
        self.quick = quick
        self.without_litellm = without_litellm or quick
        self.keys = place / "keys"

    def run(self) -> None:
        self.out.print(machine.described())
        self.out.print(
            "Load and model servers are kept on one core; what is measured may use both, as it does in use. "
            "CPU is what the measured process used, all its threads."
            if machine.measuring_core() is not None
            else "One core: load, model server and what is measured share it, so ratios mean little."
        )
        with (
            arms.static_model(self.place) as (static, static_pids),
            streaming_model(per_s=20.0) as paced,
            streaming_model(per_s=0.0) as flood,
            arms.headgate(self.place) as where,
        ):
            upstreams = dict.fromkeys(arms.STAGES, static)
            upstreams |= {"paced": paced, "paced-screened": paced, "flood": flood, "flood-screened": flood}
            for name, upstream in upstreams.items():
                screens = arms.STAGES.get(name) or arms.STAGES["both-screens" if "screened" in name else "policy"]
                arms.release(where, name, upstream, screens=screens)
            worker = arms.worker_of(where)
            crowd = Crowd(where.directory, arms.COHORT)
            try:
                crowd.grow_to(100 if self.quick else 10_000, callers=1000)
                self.keys.write_text("\n".join(crowd.keys[:CALLERS]) + "\n", "utf-8")
                self.whole_answers(where, worker, static, static_pids)
                with (
                    arms.nginx(self.place, paced, streams=True) as nginx,
                    arms.bare(self.place, paced) as bare,
                    machine.on_the_measuring_core(),
                ):
                    self.open_streams(where, worker, [nginx, bare], paced, crowd.keys)
                    self.screened_chunks(where, worker, flood, crowd.keys)
                    self.revocation(where, worker)
                    self.grants(where, worker, crowd)
            finally:
                crowd.close()

    def whole_answers(self, where: Installation, worker: list[int], static: str, static_pids: list[int]) -> None:
        steward = arms.steward_of(worker)
        with contextlib.ExitStack() as stack:
            measured = [
                Arm("direct", f"http://{static}", "small-model", static_pids),
                stack.enter_context(arms.nginx(self.place, static)),
                stack.enter_context(arms.bare(self.place, static)),
                *(Arm(f"Headgate, {name.replace('-', ' ')}", where.url, name, worker, steward) for name in arms.STAGES),
            ]
            if not self.without_litellm and (litellm := stack.enter_context(arms.litellm(self.place, static))) is not None:
                measured.append(litellm)
            rounds = 1 if self.quick else 3
            runs: dict[tuple[str, int], list[load.Run]] = {}
            for connections in (1, 32, 256):
                for number in range(rounds + 1):
                    for arm in measured:
                        keys = self.keys
                        if arm.name.startswith("LiteLLM"):
                            keys = self.place / "litellm-key"
                            keys.write_text(arms.LITELLM_KEY + "\n", "utf-8")
                        if number == 0 and connections > 1:
                            continue  # the first round of all warms up: connections, caches, slices of limits
                        seconds = 1.0 if number == 0 or self.quick else 3.0 if connections == JUDGED_AT else 2.0
                        run = load.drive(arm, keys, connections=connections, seconds=seconds)
                        if number:
                            runs.setdefault((arm.name, connections), []).append(run)
            report.whole_answers(self.out, measured, runs)

    def open_streams(self, where: Installation, worker: list[int], others: list[Arm], paced: str, keys: list[str]) -> None:
        count, seconds = (50, 1.0) if self.quick else (1000, 8.0)
        seen: dict[str, streams.Seen] = {}
        for arm in (
            Arm("direct", f"http://{paced}", "small-model", []),
            *others,
            Arm("Headgate, policy", where.url, "paced", worker),
            Arm("Headgate, both screens", where.url, "paced-screened", worker),
        ):
            seen[arm.name] = uvloop.run(streams.watched(arm, keys[:CALLERS], count=count, seconds=seconds))
        report.open_streams(self.out, seen)

    def screened_chunks(self, where: Installation, worker: list[int], flood: str, keys: list[str]) -> None:
        seconds = 1.0 if self.quick else 5.0
        seen: dict[str, streams.Seen] = {}
        for arm in (
            Arm("direct", f"http://{flood}", "small-model", []),
            Arm("Headgate, policy", where.url, "flood", worker),
            Arm("Headgate, both screens", where.url, "flood-screened", worker),
        ):
            seen[arm.name] = uvloop.run(streams.watched(arm, keys[:CALLERS], count=8, seconds=seconds))
        report.flood(self.out, seen)

    def revocation(self, where: Installation, worker: list[int]) -> None:
        rounds, count = (2, 10) if self.quick else (15, 100)
        arm = Arm("Headgate", where.url, "paced", worker)
        admin = where.api()
        closed_ms: list[float] = []
        refused_ms: list[float] = []

        async def one_round(number: int) -> None:
            who = await asyncio.to_thread(member, admin, f"revoked {number}", arms.COHORT)
            open_ones, refused = await streams.opened(arm, [who.key], count)
            report.refused(self.out, arm.name, refused)
            if not open_ones:
                return
            await asyncio.to_thread(admin, "POST", f"/api/keys/{who.key_id}/revoke", {"reason": "bench"})
            committed_s = time.monotonic()
            try:
                while True:
                    await streams.asked(replace(arm, model="policy"), [who.key])
            except ConnectionError:
                refused_ms.append(1000 * max(0.0, time.monotonic() - committed_s))
            ends = await asyncio.gather(*(stream.ended for stream in open_ones))
            closed_ms.append(1000 * max(0.0, max(ends) - committed_s))
            await streams.closed(open_ones)

        for number in range(rounds):
            uvloop.run(one_round(number))
        report.revocation(self.out, closed_ms, refused_ms, streams=count)

    def grants(self, where: Installation, worker: list[int], crowd: Crowd) -> None:
        arm = Arm("Headgate", where.url, "policy", worker)
        sizes = (crowd.size, 1000) if self.quick else (crowd.size, 100_000, 1_000_000)
        times = 1 if self.quick else 10
        fresh = iter(crowd.keys[CALLERS:])
        rows: list[report.AtSize] = []
        for size in sizes:
            crowd.grow_to(size, callers=len(crowd.keys))
            new = (
                [next(fresh) for _ in range(min(200, (len(crowd.keys) - CALLERS) // len(sizes)))] if crowd.keys[CALLERS:] else []
            )
            first = uvloop.run(streams.asked(arm, new)) if new else []
            again = uvloop.run(streams.asked(arm, crowd.keys[:CALLERS] * times))
            rows.append(report.AtSize(size, report.percentiles(again), report.percentiles(first), machine.memory_bytes(worker)))
        report.grants(self.out, rows)


@contextlib.contextmanager
def streaming_model(*, per_s: float) -> Generator[str]:
    """Run a model server that streams; yields ``host:port``."""
    port = free_port()
    command = [sys.executable, "-m", "gateway.streaming_model", "--port", str(port), "--per-s", str(per_s)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])})
    try:
        time.sleep(0.7)
        arms.measuring([process.pid])
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="try every part, measure nothing")
    parser.add_argument("--without-litellm", action="store_true", help="leave LiteLLM out")
    given = parser.parse_args()
    arms.must_be_here("nginx", "wrk")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    out = Console(width=130)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-gateway-") as place:
        Bench(Path(place), out, quick=given.quick, without_litellm=given.without_litellm).run()
    out.print(f"{time.monotonic() - began_s:.0f} s in all")


if __name__ == "__main__":
    main()
