"""The shape of the ladder: what each stage adds to the one before, and whether the last one is where the plan says it ends."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from headgate.releases.decide.diff import Axis, Effect, access
from headgate.releases.decide.lint.figures import number, seats_by
from headgate.releases.model.findings import Finding, Path, finding
from headgate.releases.model.plan import SERVED_SURFACES, Admission, EndState, Plan, Stage, Surface

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_STEP = 10
"""Exposure multiplied by more than this is more than one step of evidence can speak for (evidence design, finding 8)."""
UNSEEN = 3.9
"""After n users without a new kind of harm, at most this over n of the next users meet one (evidence design, section 1d)."""
_RISK_AXES = (Axis.AUDIENCE, Axis.SURFACE, Axis.CAPABILITY)
_WEIGHTS_ENDS = (EndState.WEIGHTS_GATED, EndState.WEIGHTS_PUBLIC)


def lint_ladder(plan: Plan) -> Iterator[Finding]:
    """Yield findings on stages, neighbours and the end state."""
    if not plan.stages:
        yield finding("plan.no_stages", ("stages",), "the plan has no stages, so it opens nothing", "add a first, small stage")
        return
    for at, stage in enumerate(plan.stages):
        yield from _stage(plan, stage, at)
    for at, (below, above) in enumerate(pairwise(plan.stages), start=1):
        yield from _neighbours(plan, at, below, above)
    yield from _ends(plan)


def _stage(plan: Plan, stage: Stage, at: int) -> Iterator[Finding]:
    here: Path = ("stages", at)
    for position, surface in enumerate(stage.what.surfaces):
        if surface not in SERVED_SURFACES:
            said = f"this build does not serve `{surface.value}`; requests to it stay refused"
            served = ", ".join(sorted(known.value for known in SERVED_SURFACES))
            yield finding("plan.surface_not_served", (*here, "what", "surfaces", position), said, f"served now: {served}")
    if stage.irreversible or stage.what.surfaces == (Surface.WEIGHTS,):
        return
    if SERVED_SURFACES.isdisjoint(stage.what.surfaces):
        said = f"nobody can use `{stage.name}` in this build, so its gates wait for ever"
        yield finding("plan.nothing_served", (*here, "what", "surfaces"), said, "add api.chat")
    if stage.who.seats is None:
        yield finding("plan.no_seats", (*here, "who"), f"`{stage.name}` does not say how many seats it has", "add seats: 40")
    if stage.how_much.requests is None and stage.how_much.tokens is None:
        said = f"a seat of `{stage.name}` may send as much as it likes"
        yield finding("plan.no_limits", here, said, "add how_much: {requests: 30/min, tokens: 200k/day}")
    if stage.watch is None:
        fix = "add watch: {sample: 400/week, reviewers: 2}"
        yield finding("plan.unwatched", here, f"nobody watches `{stage.name}`", fix)
    yield from _purpose(plan, stage, at)


def _purpose(plan: Plan, stage: Stage, at: int) -> Iterator[Finding]:
    here: Path = ("stages", at)
    if not stage.leave and not stage.asks:
        said = f"`{stage.name}` asks no question and has no gate: opening it would teach nothing"
        yield finding(
            "plan.no_question_no_gate",
            here,
            said,
            "say under asks what the stage is there to learn, and under leave what must be shown",
        )
    if not stage.leave:
        if at == len(plan.stages) - 1:
            yield finding(
                "plan.never_completes",
                here,
                f"`{stage.name}` has no gates: the release stays live",
                "add gates to let it complete",
            )
        else:
            said = f"`{stage.name}` has no gates, so `{plan.stages[at + 1].name}` can never open"
            yield finding("plan.dead_end", here, said, "add gates under leave: exposure, soak, rate, incidents and approval")


def _neighbours(plan: Plan, at: int, below: Stage, above: Stage) -> Iterator[Finding]:
    here: Path = ("stages", at)
    if above.irreversible:
        return
    same_people = below.who.cohort == above.who.cohort
    changes = list(access(below, above))
    wider = {axis for _, effect, axis, _ in changes if effect is Effect.WIDENING}
    if not wider:
        said = f"`{above.name}` opens nothing that `{below.name}` did not"
        yield finding("plan.widens_nothing", here, said, "merge the two stages, or widen one thing")
    for path, effect, axis, sentence in changes:
        taken = effect is Effect.NARROWING and (same_people or axis in (Axis.SURFACE, Axis.CAPABILITY))
        if taken and path != ("who", "terms"):
            said = f"`{above.name}` is narrower than `{below.name}`: {sentence}"
            yield finding("plan.steps_back", (*here, *path), said, "leave it if you mean it")
    risky = [axis.value for axis in _RISK_AXES if axis in wider]
    if len(risky) > 1:
        said = f"`{above.name}` widens {' and '.join(risky)} at once; a rise could not be laid at one door"
        yield finding(
            "plan.two_axes", here, said, "make two stages of it: first the same rights for more people, then more rights"
        )
    people, more = seats_by(plan, at - 1), seats_by(plan, at)
    if people and more and more > LARGEST_STEP * people:
        ratio = more / people
        said = (
            f"from {people:,} seats to {more:,} is {number(ratio)} times the exposure; with nothing new seen among {people:,},"
            f" up to {UNSEEN * ratio:.0f} people may still meet a kind of harm that nobody has seen"
        )
        fix = f"put a stage of about {(people * more) ** 0.5:.0f} seats between them"
        yield finding("plan.exposure_jump", (*here, "who", "seats"), said, fix)


def _ends(plan: Plan) -> Iterator[Finding]:
    end = plan.end_state
    for at, stage in enumerate(plan.stages):
        here: Path = ("stages", at)
        if Surface.WEIGHTS in stage.what.surfaces and end not in _WEIGHTS_ENDS:
            said = f"`{stage.name}` hands out weights, but the ladder ends at {end.value}"
            yield finding("plan.end_state", (*here, "what", "surfaces"), said, "set end_state to weights_gated or weights_public")
        if end is EndState.INTERNAL and stage.who.admission is not Admission.INVITE:
            said = f"`{stage.name}` takes people by {stage.who.admission.value}, but the model stays internal"
            yield finding("plan.end_state", (*here, "who", "admission"), said, "use admission: invite, or another end_state")
        if end is EndState.API_LIMITED and stage.who.admission is Admission.OPEN:
            said = f"`{stage.name}` is open to anyone, but the ladder ends at api_limited"
            yield finding(
                "plan.end_state", (*here, "who", "admission"), said, "use admission: application, or end_state: api_general"
            )
    last = plan.stages[-1]
    if end in _WEIGHTS_ENDS and Surface.WEIGHTS not in last.what.surfaces:
        said = f"the ladder ends at {end.value}, but its last stage hands out no weights"
        yield finding("plan.end_state", ("end_state",), said, "add the last stage, or end earlier")
    if end is EndState.API_GENERAL and last.who.admission is Admission.INVITE:
        said = f"the ladder ends at api_general, but `{last.name}` is by invitation only"
        yield finding(
            "plan.end_state_not_reached", ("end_state",), said, "use end_state: api_limited, or admission: open in the last stage"
        )
    first = plan.stages[0]
    if (
        len(plan.stages) > 1
        and not last.irreversible
        and not any(effect is Effect.WIDENING for _, effect, _, _ in access(first, last))
    ):
        said = f"`{first.name}` is as wide as `{last.name}`: the ladder holds nothing back"
        yield finding("plan.narrows_nothing", ("stages", 0), said, "start with fewer people or fewer rights")
