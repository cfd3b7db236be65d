"""Labels, false promotions, delays and speed of the evidence engine, beside what others use.

    make bench-evidence                       within five minutes on two quiet cores
    make bench-evidence ARGS=--quick          half a minute
    make bench-evidence ARGS=--mixtures       other bets for the gate, too, exactly

Numbers without a word are exact (dynamic programmes over counts); simulated ones name their runs. A tick or a cross stands
where the design sets a goal. A false promotion above alpha, printed in red, is what a method really does when one looks often.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from evidence.real import real_table
from evidence.speed import speed_table
from evidence.tables import alarm_table, candidate_table, directed_table, method_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

SEED = 20261121


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    parser.add_argument("--mixtures", action="store_true", help="other fixed bets, exactly")
    parser.add_argument("--real", action="store_true", help="only the real data")
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    out = Console(highlight=False)
    out.width = max(out.width, 170)
    out.print(f"seed {given.seed}")
    quick = bool(given.quick)
    parts: list[Callable[[np.random.Generator], Table | str]] = (
        []
        if given.real
        else [
            lambda rng: method_table(quick=quick, rng=rng),
            lambda rng: directed_table(quick=quick, rng=rng),
            lambda rng: alarm_table(quick=quick, rng=rng),
            lambda rng: speed_table(quick=quick, rng=rng),
        ]
    )
    parts.append(lambda rng: real_table(quick=quick, rng=rng))
    if given.mixtures:
        parts.append(lambda _: candidate_table())
    for key, part in enumerate(parts):
        began = time.perf_counter()
        out.print(part(np.random.default_rng([given.seed, key])))
        out.print(f"[dim]{time.perf_counter() - began:.0f} s[/]\n")


if __name__ == "__main__":
    main()
