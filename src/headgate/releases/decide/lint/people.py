"""Whether a stage has the people for what it wants shown of people to come.

A discovery gate multiplies what a stage leaves unseen by the next stage's seats: ``n`` users who show nothing new leave about
``3.9 / n``, and that many times more where only a part of their use is drawn. So the tolerated number bounds how steep a
ladder may be, whatever ``n`` is. A coverage gate needs the next stage's shares, and users of each of its strata here.
"""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING

from headgate.releases.decide.lint.figures import floor_labels_per_day, number, use_per_day
from headgate.releases.model.findings import Finding, Path, finding
from headgate.releases.model.plan import CoverageGate, DiscoveryGate, Plan, Stage
from headgate.stats.coverage import ROUNDING, transport_bound
from headgate.stats.discovery import clean_users_to_go, unseen_mass_bound
from headgate.stats.spending import attempt_alpha
from headgate.stats.users import tightest_share

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TOLD_APART_BY = ("cohort", "country", "language", "organisation", "region", "tier", "use_case")
"""What people can be told apart by. It is for whoever reads the gate to do it: a test compares."""


def lint_people(plan: Plan) -> Iterator[Finding]:
    """Yield findings on discovery and coverage gates."""
    for at, stage in enumerate(plan.stages):
        for position, gate in enumerate(stage.leave):
            path: Path = ("stages", at, "leave", position, gate.kind)
            match gate:
                case DiscoveryGate():
                    yield from _discovery(plan, at, gate, path)
                case CoverageGate():
                    yield from _stage(plan, at, gate, path)
                    yield from _strata(plan, stage, gate, path)
                case _:
                    pass


def _discovery(plan: Plan, at: int, gate: DiscoveryGate, path: Path) -> Iterator[Finding]:
    stage = plan.stages[at]
    coming = plan.stages[at + 1] if at + 1 < len(plan.stages) else None
    if coming is None or coming.who.seats is None:
        said = "nothing comes after this stage" if coming is None else f"`{coming.name}` does not say how many seats it has"
        fix = "take the gate out" if coming is None else "write seats: how many people it lets in"
        yield finding("plan.undecidable_discovery", path, f"{said}, so nothing bounds who meets an unseen kind", fix)
        return
    if stage.watch is None:
        said = f"nobody labels anything on `{stage.name}`, so no kind of harm is ever seen there"
        yield finding("plan.undecidable_discovery", path, said, "add watch: {sample: all, reviewers: 2}")
        return
    tolerated, later, seats = gate.tolerated_new_kinds_next_stage, coming.who.seats, stage.who.seats
    if later <= tolerated:
        said = f"`{coming.name}` has {later:,} seats, of whom {tolerated:,} may meet an unseen kind: the gate asks nothing"
        yield finding("plan.idle_discovery", path, said, f"tolerate fewer than {later:,}")
        return
    if seats is None:
        return
    alpha, floor = attempt_alpha(gate.alpha, 1), _drawn(stage)
    mass = unseen_mass_bound([seats], [floor], [], [], alpha)
    if later * mass <= tolerated:
        return
    looked_at = "" if floor == 1 else f", of whose use about {number(floor)} is drawn"
    said = (
        f"{seats:,} users{looked_at}, leave up to {number(mass)} unseen even if they show nothing new: {number(later * mass)} of"
        f" the {later:,} seats of `{coming.name}`, and {tolerated:,} may (alpha {number(gate.alpha)}, first attempt)"
    )
    options: list[str] = []
    needed = clean_users_to_go([], [], [], [], tolerated / later, alpha)
    if floor < 1 and needed is not None and needed <= seats:
        options.append(f"sample: all on `{stage.name}`")
    if needed is not None:
        options.append(f"seats: {math.ceil(needed / floor)} here")
    if mass < 1 and tolerated / mass >= 1:
        options.append(f"seats: {math.floor(tolerated / mass)} on `{coming.name}`")
    yield finding("plan.undecidable_discovery", path, said, f"write {', or '.join(options)}")


def _stage(plan: Plan, at: int, gate: CoverageGate, path: Path) -> Iterator[Finding]:
    names = [stage.name for stage in plan.stages]
    if gate.for_stage not in names[at + 1 :]:
        near = difflib.get_close_matches(gate.for_stage, names[at + 1 :], n=1) or names[at + 1 : at + 2]
        said = f"no stage after `{plan.stages[at].name}` is called `{gate.for_stage}`"
        fix = f"did you mean `{near[0]}`?" if near else "take the gate out: nothing opens after this stage"
        yield finding("plan.coverage_stage", (*path, "for_stage"), said, fix)


def _strata(plan: Plan, stage: Stage, gate: CoverageGate, path: Path) -> Iterator[Finding]:
    for position, of in enumerate(gate.of):
        if of not in TOLD_APART_BY:
            near = difflib.get_close_matches(of, TOLD_APART_BY, n=1)
            fix = f"did you mean `{near[0]}`?" if near else f"one of {', '.join(TOLD_APART_BY)}"
            yield finding("plan.unknown_stratum", (*path, "of", position), f"nobody tells people apart by `{of}`", fix)
    for of in gate.expected:
        if of not in gate.of:
            said = f"shares by `{of}` are expected, and the gate does not ask for them"
            yield finding("plan.unknown_stratum", (*path, "expected", of), said, f"add `{of}` to of, or take its shares out")
    for of in dict.fromkeys(gate.of):
        shares = gate.expected.get(of)
        if not shares:
            said = f"nothing says what the shares of `{gate.for_stage}` by `{of}` will be, so nothing can be carried over to it"
            fix = f"write expected: {{{of}: {{…: 0.7, …: 0.3}}}}; `undeclared` is for people of whom nothing is known"
            yield finding("plan.no_expected_shares", path, said, fix)
        elif abs(math.fsum(shares.values()) - 1) > ROUNDING:
            said = f"the shares by `{of}` add up to {number(math.fsum(shares.values()))}"
            yield finding("plan.no_expected_shares", (*path, "expected", of), said, "make them add up to 1")
        else:
            yield from _reachable(plan, stage, gate, of, shares, path)


def _reachable(
    plan: Plan, stage: Stage, gate: CoverageGate, of: str, shares: Mapping[str, float], path: Path
) -> Iterator[Finding]:
    """Compare the limit with what the stage's seats could show at best, were they of the shares that are expected."""
    seats, floor = stage.who.seats, _drawn(stage)
    hazards = plan.hazards if gate.hazard is None else (gate.hazard,)
    worst = max((plan.worst_share(hazard) for hazard in hazards), default=1.0)
    if seats is None or stage.watch is None:
        return
    weighed = {name: share for name, share in shares.items() if share > 0}
    each = attempt_alpha(gate.alpha, 1) / len(weighed)
    here = [math.floor(seats * share) for share in weighed.values()]
    bounds = [tightest_share(users, each, worst, floor=floor) if users else 1.0 for users in here]
    best = transport_bound(list(weighed.values()), bounds)
    if best < gate.transport_bound_below:
        return
    looked_at = "" if floor == 1 else f", of whose use about {number(floor)} is drawn"
    said = (
        f"{seats:,} users{looked_at}, in the shares that are expected by `{of}`, show no mean share below {number(best)} even"
        f" without any harm; the limit is {number(gate.transport_bound_below)}"
    )
    options = [f"about {math.ceil(seats * best / gate.transport_bound_below):,} seats", "fewer strata"]
    if floor < 1:
        options.append("sample: all")
    if best < worst:
        options.append(f"transport_bound_below: {number(math.ceil(best * 1.05e4) / 1e4)}")
    yield finding("plan.undecidable_coverage", path, said, f"this takes {', or '.join(options)}")


def _drawn(stage: Stage) -> float:
    """Return the share of the stage's use that is drawn at random, as far as the plan tells; 1 where it does not."""
    use, drawn = use_per_day(stage), floor_labels_per_day(stage)
    return 1.0 if not use or not drawn else min(1.0, drawn / use)
