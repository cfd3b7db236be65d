"""What an edited plan does to a release that is under way.

A stage that is open keeps its place and its name. An edit gives its people nothing more, and asks no less of it: what is
wider belongs in a later stage, behind gates, and what asks less is another release, from the first stage. Whatever the
edit changes in how a stage is judged or watched begins that stage's evidence afresh, and every signature and waiver
lapses, because they were given for another plan.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headgate.releases.decide.diff import diff
from headgate.releases.decide.difference import Axis, Effect
from headgate.releases.errors import PlanMovesOpenStage, PlanWidensOpenStage
from headgate.releases.model.plan import RateGate, RiseWire
from headgate.releases.model.release import Release, State

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.kernel.actor import Actor
    from headgate.kernel.ids import ReleaseId
    from headgate.releases.model.plan import Plan, Stage


def unborn(release_id: ReleaseId, plan: Plan, *, by: Actor, now: datetime, replaces: ReleaseId | None) -> Release:
    """Return the draft that the first application of ``plan`` is decided on."""
    return Release(
        id=release_id,
        plan=plan,
        plan_revision=0,
        author=by.id,
        state=State.DRAFT,
        stage=0,
        reached=0,
        since=now,
        stage_since=now,
        created_at=now,
        replaces=replaces,
    )


def revise(release: Release, plan: Plan, *, by: Actor, now: datetime) -> tuple[str, Release]:
    """Return the release under the edited plan, and what is said of it.

    Raises:
        PlanMovesOpenStage: An open stage would be gone, renamed or somewhere else.
        PlanWidensOpenStage: An open stage would give its people more, or be asked less.
    """
    _must_keep(release, plan)
    afresh = {
        stage.name
        for stage in plan.stages
        if release.attempt(stage.name) and judged_by(plan, stage) != judged_by(release.plan, release.plan.stage(stage.name))
    }
    rungs = tuple(rung.afresh(now) if rung.stage in afresh else rung for rung in release.rungs)
    further = release.state is State.COMPLETED and release.stage < len(plan.stages)
    told = f"plan revision {release.plan_revision + 1}"
    if afresh:
        told += "; evidence begins afresh at " + ", ".join(sorted(afresh))
    return told, replace(
        release,
        plan=plan,
        plan_revision=release.plan_revision + 1,
        author=by.id,
        rungs=rungs,
        state=State.LIVE if further else release.state,
        reached=min(release.reached, len(plan.stages)),
        approvals=(),
        waivers=(),
        declaration=None,
    )


def _must_keep(release: Release, plan: Plan) -> None:
    before = [stage.name for stage in release.opened]
    after = [stage.name for stage in plan.stages[: release.stage]]
    if before != after:
        raise PlanMovesOpenStage(
            f"Open stages keep their place: {', '.join(before)} became {', '.join(after) or 'nothing'}.",
            rule="stages",
            help="Narrow or withdraw the release first.",
        )
    opened = {stage.name for stage in release.opened}
    wider = [
        change
        for change in diff(release.plan, plan)
        if change.effect is Effect.WIDENING
        and (change.stage in opened or (opened and change.stage is None and change.axis is Axis.OVERSIGHT))
    ]
    if wider:
        told = "; ".join(f"{change.stage or 'the plan'}: {change.sentence}" for change in wider)
        raise PlanWidensOpenStage(
            f"The edit opens wider, or asks less of, what is open already: {told}.",
            rule=f"stages.{wider[0].stage}" if wider[0].stage else ".".join(map(str, wider[0].path)),
            help="Put what is wider into a later stage, behind gates; to ask less, withdraw, and begin again at the first stage.",
        )


def judged_by(plan: Plan, stage: Stage | None) -> object:
    """Return what a stage is judged and watched by: gates, tripwires, review duty, holdback, and the hazards these name."""
    if stage is None:
        return None
    rules = [*stage.leave, *stage.stop]
    named = sorted({rule.hazard for rule in rules if isinstance(rule, RateGate | RiseWire)})
    if stage.holdback is not None:  # it compares every hazard
        named = sorted(plan.hazards)
    return (
        [rule.canonical() for rule in rules],
        stage.watch.canonical() if stage.watch else None,
        [plan.hazards[name].canonical() for name in named if name in plan.hazards],
        [wanted.value for wanted in stage.needs_before],
        stage.holdback.canonical() if stage.holdback else None,
    )
