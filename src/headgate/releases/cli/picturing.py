"""The results of a simulation for a terminal and for machines: every number with its interval, and what it took for granted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from rich.table import Table
from rich.text import Text

from headgate.releases.cli.rendering import printable
from headgate.releases.model.simulation import Adversary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.kernel.digest import Json
    from headgate.releases.model.simulation import Simulation, World
    from headgate.stats.simulation.estimates import Estimate

Part: TypeAlias = Text | Table
_EXACT = 10
"""Below this many percent, a share is shown with one more digit."""


def simulation_text(name: str, result: Simulation) -> Iterator[Part]:
    """Yield the results as lines and tables."""
    yield Text.assemble((printable(name), "bold"), f": {result.runs:,} plays, seed {result.seed}; 95 % intervals in brackets")
    yield Text("true: " + ", ".join(_world(result.world)))
    yield Text()
    yield _stages(result)
    yield Text()
    yield _whole(result)
    yield Text()
    yield _amounts(result)
    if result.stops:
        yield Text()
        yield _stops(result)
    yield Text()
    if Adversary.PATIENT in result.world.adversaries:
        yield Text(_patience(result), style="bold yellow")
        yield Text()
    yield Text("taken for granted", style="bold")
    for sentence in result.assumptions:
        yield Text(f"  · {printable(sentence)}")


def simulation_json(result: Simulation) -> Json:
    """Return the results for machines; a number that the plays cannot say is null."""
    three = ("mean", "p50", "p90")
    return {
        "plan_digest": result.plan,
        "seed": result.seed,
        "runs": result.runs,
        "confidence": 0.95,
        "world": {
            "rates": dict(result.world.rates),
            "adversaries": sorted(each.value for each in result.world.adversaries),
            "rise": result.world.rise,
            "worst_share": result.world.worst_share,
            "auc": result.world.auc,
            "flagged": result.world.flagged,
            "reviewer_sensitivity": result.world.sensitivity,
            "reviewer_specificity": result.world.specificity,
            "golds_per_day": result.world.golds_per_day,
            "label_days": result.world.label_days,
            "harm_days": result.world.harm_days,
            "approval_days": result.world.approval_days,
            "patience_days": result.world.patience_days,
            "after_days": result.world.after_days,
        },
        "stages": [
            {
                "stage": stage.stage,
                "gated": stage.gated,
                "opened": stage.opened,
                "promoted": _json(stage.promoted),
                "wrongly_promoted": _json(stage.wrong),
                "never_promoted": _json(_rest(stage.promoted)),
                "days": {name: _json(one) for name, one in zip(("p10", "p50", "p90"), stage.days, strict=True)},
            }
            for stage in result.stages
        ],
        "wrong_promotion": _json(result.wrong),
        "never_reached_the_last_stage": _json(result.never),
        "cut": _json(result.cut),
        "stopped_first_by": [
            {"stage": stop.stage, "source": stop.source, "reaction": stop.reaction.value, "share": _json(stop.share)}
            for stop in result.stops
        ],
        "harmful_exchanges": _named(three, result.harms),
        "harmful_exchanges_before_a_cut": _named(three, result.before_cut),
        "harmful_exchanges_after_the_rise": _named(three, result.after_rise),
        "days_from_rise_to_cut": _named(("p50", "p90"), result.noticed),
        "cut_after_the_rise": None if result.caught is None else _json(result.caught),
        "assumptions": list(result.assumptions),
    }


def _stages(result: Simulation) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("stage")
    table.add_column("opened", justify="right")
    for title in ("left wrongly", "never left", "days: median", "90 of 100"):
        table.add_column(title, no_wrap=True)
    for stage in result.stages:
        if not stage.gated:
            table.add_row(printable(stage.stage), f"{stage.opened:,}", "has no gates, so nobody leaves it")
            continue
        table.add_row(
            printable(stage.stage),
            f"{stage.opened:,}",
            _percent(stage.wrong, of=False),
            _percent(_rest(stage.promoted), of=False),
            _amount(stage.days[1], "never"),
            _amount(stage.days[2], "never"),
        )
    return table


def _whole(result: Simulation) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("a stage left wrongly, anywhere", _percent(result.wrong))
    table.add_row("the last stage never opened", _percent(result.never))
    table.add_row("cut", _percent(result.cut))
    if result.caught is not None:
        table.add_row("cut after the rise", _percent(result.caught))
    return table


def _amounts(result: Simulation) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("harmful exchanges", "mean", "median", "90 of 100"):
        table.add_column(title, no_wrap=True)
    table.add_row("to the cut or the end", *(_amount(one, "?") for one in result.harms))
    if result.before_cut is not None:
        table.add_row(f"before a cut ({result.cut.count:,} plays)", *(_amount(one, "?") for one in result.before_cut))
    if result.after_rise is not None:
        table.add_row("after the rise", *(_amount(one, "?") for one in result.after_rise))
    if result.noticed is not None:
        table.add_row("days from the rise to the cut", "", *(_amount(one, "never") for one in result.noticed))
    return table


def _stops(result: Simulation) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("stopped first by", "of stage", "which", "plays"):
        table.add_column(title)
    for stop in result.stops:
        verb = {"hold": "held", "narrow": "narrowed", "cut": "cut"}[stop.reaction.value]
        table.add_row(stop.source, printable(stop.stage), verb, _percent(stop.share))
    return table


def _patience(result: Simulation) -> str:
    last, before = result.stages[-1].stage, [stage.stage for stage in result.stages[:-1]]
    climbed = (
        f"every stage before it ({', '.join(before)}) was left as if there were no adversary" if before else "it is the first"
    )
    return (
        f"A patient adversary behaves until `{last}` opens; {climbed}, and no gate there could have told. What bounds the harm"
        " is how long the alarm takes, times the traffic: see the rows after the rise."
    )


def _world(world: World) -> Iterator[str]:
    yield from (f"{hazard} {rate:g}" for hazard, rate in world.rates.items())
    if world.adversaries:
        yield "adversary " + " and ".join(sorted(each.value for each in world.adversaries))
    if Adversary.PATIENT in world.adversaries:
        yield f"rising {world.rise:g} times"
    if world.worst_share is not None:
        yield f"by people of whose exchanges {world.worst_share:g} are harmful"
    yield f"reviewers see {world.sensitivity:g} of harm and err on {1 - world.specificity:g} of the rest"
    yield f"labels after {world.label_days:g} d"
    if world.harm_days != world.label_days:
        yield f"of harm after {world.harm_days:g} d"


def _rest(share: Estimate) -> Estimate:
    count = None if share.count is None else share.of - share.count
    return type(share)(1 - share.value, 1 - share.high, 1 - share.low, share.of, count)


def _percent(share: Estimate, *, of: bool = True) -> str:
    if not share.of:
        return "not opened"
    digits = 1 if share.high * 100 >= _EXACT else 2
    value, low, high = (f"{100 * number:.{digits}f}" for number in (share.value, share.low, share.high))
    return f"{value} % [{low}, {high}]" + (f" ({share.count:,} of {share.of:,})" if of else "")


def _amount(found: Estimate, beyond: str) -> str:
    def shown(value: float) -> str:
        if math.isnan(value):
            return "none"
        if math.isinf(value):
            return beyond if value > 0 else "?"
        return f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"  # noqa: PLR2004 - more digits say nothing

    if math.isnan(found.value):
        return "none"
    return f"{shown(found.value)} [{shown(found.low)}, {shown(found.high)}]"


def _named(names: tuple[str, ...], found: tuple[Estimate, ...] | None) -> Json:
    return None if found is None else {name: _json(one) for name, one in zip(names, found, strict=True)}


def _json(found: Estimate) -> Json:
    def finite(value: float) -> float | None:
        return value if math.isfinite(value) else None

    shown: dict[str, Json] = {"value": finite(found.value), "low": finite(found.low), "high": finite(found.high), "of": found.of}
    return shown if found.count is None else {**shown, "count": found.count}
