"""The tables, each figure with its target and whether it was met in this run."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from gateway.arms import Arm
    from gateway.load import Run
    from gateway.streams import Seen

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class AtSize:
    """What one size of the database cost.

    Attributes:
        grants: How many grants there are.
        again_ms: Callers who are known, 50th and 99th in a hundred.
        first_ms: Callers who come for the first time.
        memory_bytes: What the worker holds afterwards.
    """

    grants: int
    again_ms: tuple[float, float]
    first_ms: tuple[float, float]
    memory_bytes: int


def percentiles(ordered: Sequence[float]) -> tuple[float, float]:
    """Return the 50th and the 99th in a hundred of sorted values."""
    if not ordered:
        return float("nan"), float("nan")
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]


def whole_answers(out: Console, arms: Sequence[Arm], runs: Mapping[tuple[str, int], Sequence[Run]]) -> None:
    """Print throughput and latency; each figure is the median of its runs."""
    for connections in (1, 32, 256):
        table = _table(
            f"whole answers, {connections} connection{'s' if connections > 1 else ''}",
            "requests/s",
            "of nginx",
            "p50 ms",
            "p99 ms",
            "CPU µs/request",
            "steward's",
            "failed",
        )
        nginx = _median(runs["nginx", connections], "per_s")
        for arm in arms:
            seen = runs[arm.name, connections]
            per_s = _median(seen, "per_s")
            table.add_row(
                arm.name,
                f"{per_s:,.0f}",
                f"{_ratio(per_s, nginx):.3f}",
                f"{_median(seen, 'p50_ms'):.2f}",
                f"{_median(seen, 'p99_ms'):.2f}",
                f"{_median(seen, 'cpu_us'):,.0f}",
                f"{_median(seen, 'beside_us'):,.0f}" if arm.beside else "",
                f"{sum(run.failed for run in seen):,}",
            )
        out.print(table)
    names = [arm.name for arm in arms]
    policy = "Headgate, policy"
    nginx = _median(runs["nginx", 32], "per_s")
    _judge(out, "throughput, policy only, of nginx", _ratio(_median(runs[policy, 32], "per_s"), nginx), at_least=0.20, aim=0.30)
    screened = _ratio(_median(runs["Headgate, both screens", 32], "per_s"), nginx)
    _judge(out, "throughput, both screens, of nginx", screened, at_least=0.15)
    litellm = next((name for name in names if name.startswith("LiteLLM")), None)
    if litellm is not None:
        ratio = _ratio(_median(runs[policy, 32], "per_s"), _median(runs[litellm, 32], "per_s"))
        _judge(out, "throughput, policy only, times LiteLLM's", ratio, at_least=60)
    for name, most in (("p50_ms", 0.8), ("p99_ms", 2.0)):
        added = _median(runs[policy, 1], name) - _median(runs["direct", 1], name)
        _judge(out, f"added latency at one connection, {name[:3]} (ms)", added, at_most=most)


def open_streams(out: Console, seen: Mapping[str, Seen]) -> None:
    """Print what the paced streams saw."""
    first = next(iter(seen.values()))
    table = _table(
        f"{first.streams:,} open streams, 20 chunks/s each",
        "chunks/s",
        "transit p50 ms",
        "transit p99 ms",
        "gap p50 ms",
        "gap p99 ms",
        "KiB/stream",
        "CPU µs/chunk",
    )
    for name, each in seen.items():
        own = name != "direct"
        table.add_row(
            name,
            f"{each.per_s:,.0f}",
            *(f"{value:.1f}" for value in (*each.transit_ms, *each.gap_ms)),
            f"{each.kib_a_stream:.0f}" if own else "",
            f"{each.cpu_us:.0f}" if own else "",
        )
    out.print(table)
    for name, each in seen.items():
        refused(out, name, each.refused)
    added = seen["Headgate, policy"].transit_ms[1] - seen["direct"].transit_ms[1]
    _judge(out, "added chunk delay of open streams, p99 (ms)", added, at_most=15)
    _judge(out, "memory of an open stream (KiB)", seen["Headgate, policy"].kib_a_stream, at_most=60)
    out.print("  With a hold-back screen a chunk waits for its window (1 KiB of text or 300 ms): that is its delay.")


def refused(out: Console, name: str, whys: Sequence[str]) -> None:
    """Say how many streams did not open, and why the first of them did not; what is measured then is the others."""
    if whys:
        out.print(f"  {name}: {len(whys):,} streams did not open. The first: {whys[0]}", style="bold red", markup=False)


def flood(out: Console, seen: Mapping[str, Seen]) -> None:
    """Print how many chunks a worker passes when the model server could give any number."""
    first = next(iter(seen.values()))
    table = _table(f"{first.streams} streams, as fast as they are read", "chunks/s", "CPU µs/chunk")
    for name, each in seen.items():
        table.add_row(name, f"{each.per_s:,.0f}", "" if name == "direct" else f"{each.cpu_us:.0f}")
    out.print(table)
    for name, each in seen.items():
        refused(out, name, each.refused)
    _judge(out, "chunks/s through a hold-back screen", seen["Headgate, both screens"].per_s, at_least=10_000)


def revocation(out: Console, closed_ms: Sequence[float], refused_ms: Sequence[float], *, streams: int) -> None:
    """Print how long a revoked key lasted."""
    if not closed_ms:
        out.print("No stream was open to be revoked.", style="bold red")
        return
    title = f"from the committed revocation, {streams} open streams, {len(closed_ms)} rounds (ms)"
    table = _table(title, "median", "worst")
    for name, delays in (("the last stream was closed", closed_ms), ("the next request was refused", refused_ms)):
        table.add_row(name, f"{statistics.median(delays):.0f}", f"{max(delays):.0f}")
    out.print(table)
    _judge(out, "revocation to the last closed stream, worst (ms)", max(closed_ms), at_most=250)


def grants(out: Console, rows: Sequence[AtSize]) -> None:
    """Print what the size of the database does to a decision."""
    table = _table("one connection", "known p50 ms", "known p99 ms", "first seen p50 ms", "first seen p99 ms", "worker MiB")
    for row in rows:
        numbers = (*row.again_ms, *row.first_ms)
        table.add_row(f"{row.grants:,} grants", *(f"{number:.2f}" for number in numbers), f"{row.memory_bytes / _MIB:.0f}")
    out.print(table)
    change = rows[-1].again_ms[1] / rows[0].again_ms[1] - 1
    _judge(out, f"p99 with {rows[-1].grants:,} grants, change from {rows[0].grants:,}", change, at_most=0.20)
    _judge(out, "memory of the worker (MiB)", rows[-1].memory_bytes / _MIB, at_most=300)


def _judge(
    out: Console,
    what: str,
    value: float,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    aim: float | None = None,
) -> None:
    target = f"at least {at_least:g}" if at_least is not None else f"at most {at_most:g}"
    met = value >= at_least if at_least is not None else value <= (at_most or 0.0)
    aimed = f", aim {aim:g}" if aim is not None else ""
    out.print(
        f"  {'[green]met[/]   ' if met else '[red]missed[/]'} {what}: {value:,.2f}, target {target}{aimed}", highlight=False
    )


def _ratio(value: float, of: float) -> float:
    return value / of if of else float("nan")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _median(runs: Sequence[Run], field: str) -> float:
    return statistics.median(getattr(run, field) for run in runs)
