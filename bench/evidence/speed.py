"""How long the arithmetic takes: requests weighed in a second, a look of a gate, a bound."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from headgate.evidence.decide.rate import read_rate
from headgate.evidence.model import Harm, LabelledTraffic, RateClaim, Segment
from headgate.stats import gate

if TYPE_CHECKING:
    from collections.abc import Callable

THETA = 1e-3
ALPHA = 0.05


def best(work: Callable[[], object], *, for_s: float) -> float:
    """Return the processor seconds of one call: the least of five rounds, so that a neighbour counts as little as may be."""
    work()
    began, once = time.process_time(), 0
    while time.process_time() - began < for_s / 10:
        work()
        once += 1
    each = max(1, round(once * 1.8))
    rounds: list[float] = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(each):
            work()
        rounds.append((time.process_time() - began) / each)
    return min(rounds)


def speed_table(*, quick: bool, rng: np.random.Generator) -> Table:
    for_s = 0.2 if quick else 1.0
    n = 200_000 if quick else 1_000_000
    requests, floors = np.ones(n), rng.choice([0.01, 0.02], n)
    harms = np.full(12, 0.05), np.full(12, 0.01)
    few = ([300_000.0, 50_000.0], [0.01, 0.02], *harms)
    traffic = LabelledTraffic(
        epoch="bench",
        hazard="h",
        segments=(Segment(300_000, 0.01), Segment(50_000, 0.02)),
        harms=tuple(Harm(0.05, 0.01) for _ in range(12)),
        labels=4000,
        pending=0,
        frontier=350_000,
        drawn=350_000,
        uniform=False,
    )
    claim = RateClaim("h", THETA, ALPHA, 1)
    weigh = best(lambda: gate.log_e_weighted(requests, floors, *harms, THETA), for_s=for_s)
    looks, three = np.arange(3, n + 3), np.full(n, 3.0)
    table = Table(title="Speed, one process", title_justify="left")
    for column in ("what", "figure", "goal"):
        table.add_column(column)
    rows: list[tuple[str, str, str, bool | None]] = [
        (f"requests weighed, each with its own floor ({n:,})", f"{n / weigh / 1e6:,.1f} M/s", "5 M/s", n / weigh >= 5e6),
    ]
    each = best(lambda: gate.log_e_uniform(looks, three, THETA), for_s=for_s) / n
    rows.append((f"looks of a gate on counts ({n:,} at once)", f"{1 / each / 1e6:,.1f} M/s", "", None))
    for what, work, goal in (
        ("one look of a gate on counts", lambda: gate.log_e_uniform(10_000, 3, THETA), 1e-4),
        ("one look of a weighted gate, 12 harms", lambda: gate.log_e_weighted(*few, THETA), 1e-4),
        ("a bound from counts", lambda: gate.upper_bound_uniform(10_000, 3, ALPHA), 1e-3),
        ("a weighted bound, 12 harms", lambda: gate.upper_bound_weighted(*few, ALPHA), 1e-3),
        ("a whole reading with its bound and what is to go", lambda: read_rate(traffic, claim), None),
    ):
        took = best(work, for_s=for_s)
        shown = f"{took * 1e6:,.0f} us" if took < 1e-3 else f"{took * 1e3:,.2f} ms"
        wanted = "" if goal is None else (f"{goal * 1e6:,.0f} us" if goal < 1e-3 else f"{goal * 1e3:,.0f} ms")
        rows.append((what, shown, wanted, None if goal is None else took <= goal))
    for what, shown, goal, met in rows:
        table.add_row(what, shown, goal + ("" if met is None else (" ✓" if met else " ✗")))
    return table
