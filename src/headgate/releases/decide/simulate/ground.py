"""What a plan and a world come to in numbers: requests an hour, the floor, who is found, how long a stage may take.

The floor is the one that a real stage would settle at: the share of the reviewers' sample that goes to random draws, over
the use that the planner expects. What a play takes for granted is said here too, in plain words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.releases.decide.lint.figures import FLOOR_SHARE, in_days, number, use_per_day
from headgate.releases.errors import PlanNotPlayable
from headgate.releases.model.plan import (
    ApprovalGate,
    ExposureGate,
    Flagged,
    IncidentsGate,
    RateGate,
    RiseWire,
    SoakGate,
    stepped,
)
from headgate.releases.model.scalars import Everything
from headgate.releases.model.simulation import DAY, Adversary
from headgate.releases.model.wires import Stream
from headgate.stats.simulation.labels import Duty, Review, recall_of
from headgate.stats.spending import attempt_alpha

if TYPE_CHECKING:
    from headgate.releases.model.plan import Plan, Stage, Tripwire
    from headgate.releases.model.simulation import World

LEAST_FLOOR = 1e-4
"""The lowest probability to be drawn. It is safety's: a test compares."""
DEADLINE_DAYS = 14
"""A drawn exchange that nobody has judged for so long counts as harm, as safety has it."""
USUAL_PATIENCE_DAYS = 90.0
"""How long a stage may last whose plan does not say; its owner would be told."""
BURSTS_EVERY = DAY
"""Ticks between a bursty adversary's bursts, on average."""
_PLAYED = (RateGate, SoakGate, ExposureGate, IncidentsGate, ApprovalGate)


@dataclass(frozen=True, slots=True)
class Ground:
    """One stage in numbers.

    Attributes:
        stage: The stage.
        duty: How its exchanges are drawn.
        seats: How many seats use it.
        wires: Its tripwires, every step of a rise as one of its own.
        alphas: What each rate gate may spend, by its name; the first attempt's part, for nobody resumes.
        patience: Ticks after which it counts as never left.
    """

    stage: Stage
    duty: Duty
    seats: int
    wires: tuple[Tripwire, ...]
    alphas: dict[str, float]
    patience: int


@dataclass(frozen=True, slots=True)
class Script:
    """Everything that plays of one plan in one world have in common.

    Attributes:
        plan: The plan, as far as it is played.
        digest: Of the whole plan.
        world: What is true.
        hazards: The hazards, in the order of every array.
        grounds: The stages.
        review: How drawn exchanges are judged.
        recalls: The share of each hazard's harm that the detector flags.
        after: Ticks that are played once the last stage is open.
        approval: Ticks from all other gates passing to the signatures.
        seed: What plays are drawn from.
        assumptions: What they take for granted.
    """

    plan: Plan
    digest: str
    world: World
    hazards: tuple[str, ...]
    grounds: tuple[Ground, ...]
    review: Review
    recalls: tuple[float, ...]
    after: int
    approval: int
    seed: int
    assumptions: tuple[str, ...]


def script_of(plan: Plan, digest: str, world: World, seed: int) -> Script:
    """Return what plays of ``plan`` in ``world`` have in common.

    Raises:
        PlanNotPlayable: The plan does not say how much a stage is used, or nobody watches it, or the world names a hazard
            that the plan does not.
    """
    stages = _reversible(plan)
    unknown = sorted(set(world.rates) - set(plan.hazards))
    if unknown:
        known = ", ".join(sorted(plan.hazards)) or "none"
        raise PlanNotPlayable(f"The plan has no hazard {unknown[0]}; it has: {known}.", help="Give --rates for its own hazards.")
    if not stages:
        raise PlanNotPlayable("There is no stage that can be played: every one of them is irreversible.")
    evasive = Adversary.EVASIVE in world.adversaries
    recall = 0.0 if evasive else recall_of(world.auc, world.flagged)
    hazards = tuple(plan.hazards)
    return Script(
        plan=plan.model_copy(update={"stages": stages}),
        digest=digest,
        world=world,
        hazards=hazards,
        grounds=tuple(_ground(stage, world) for stage in stages),
        review=Review(
            sensitivity=world.sensitivity,
            specificity=world.specificity,
            delay=world.label_days * DAY,
            harm_delay=world.harm_days * DAY,
            longest=DEADLINE_DAYS * DAY,
        ),
        recalls=(recall,) * len(hazards),
        after=max(1, round(world.after_days * DAY)),
        approval=round(world.approval_days * DAY),
        seed=seed,
        assumptions=_assumptions(plan, stages, world, recall),
    )


def _reversible(plan: Plan) -> tuple[Stage, ...]:
    upto = next((at for at, stage in enumerate(plan.stages) if stage.irreversible), len(plan.stages))
    return plan.stages[:upto]


def _ground(stage: Stage, world: World) -> Ground:
    use = use_per_day(stage)
    if use is None or stage.who.seats is None:
        raise PlanNotPlayable(
            f"`{stage.name}` does not say how much it will be used.",
            rule=f"stages.{stage.name}.how_much.expected_use",
            help="Add seats: 40 to who and expected_use: 20 to how_much (requests per seat per day).",
        )
    if stage.watch is None:
        raise PlanNotPlayable(
            f"Nobody watches `{stage.name}`, so nothing can be seen of it.",
            rule=f"stages.{stage.name}.watch",
            help="Add watch: {sample: 400/week, reviewers: 2}.",
        )
    sample = stage.watch.sample
    wanted = use if isinstance(sample, Everything) else sample.per_day() * FLOOR_SHARE
    return Ground(
        stage=stage,
        duty=Duty(
            requests=use / DAY,
            floor=1.0 if use <= wanted else max(LEAST_FLOOR, wanted / use),
            flagged=world.flagged,
            directed=stage.watch.flagged is Flagged.REVIEW_ALL,
        ),
        seats=stage.who.seats,
        wires=stepped(stage.stop),
        alphas={gate.id: attempt_alpha(gate.alpha, 1) for gate in stage.leave if isinstance(gate, RateGate)},
        patience=_patience(stage, world),
    )


def _patience(stage: Stage, world: World) -> int:
    soak = next((gate for gate in stage.leave if isinstance(gate, SoakGate)), None)
    planned = USUAL_PATIENCE_DAYS if soak is None or soak.at_most is None else in_days(soak.at_most)
    return max(1, round((planned if world.patience_days is None else world.patience_days) * DAY))


def _assumptions(plan: Plan, stages: tuple[Stage, ...], world: World, recall: float) -> tuple[str, ...]:
    said = [
        "Exchanges come steadily at the expected use, from all seats from the first hour on.",
        f"The detector flags {number(world.flagged)} of harmless exchanges and {number(recall)} of harmful ones.",
        f"Reviewers keep up with what is drawn; a drawn exchange that waits {DEADLINE_DAYS} days counts as harm.",
        "Gates and alarms are looked at every hour, on whole hours of traffic.",
        _about_golds(world),
        "Nobody resumes a release that was held, narrowed or cut, and no incident is opened by hand.",
    ]
    others = sorted({gate.id for stage in stages for gate in stage.leave if not isinstance(gate, _PLAYED)})
    if others:
        said.append(f"Not played, and taken to pass on the first day: {', '.join(others)}.")
    if any(isinstance(gate, ExposureGate) and gate.organisations for stage in stages for gate in stage.leave):
        said.append("Every account is an organisation of its own.")
    if any(not (isinstance(wire, RiseWire) and wire.of is Stream.LABELS) for stage in stages for wire in stage.stop):
        said.append("Monitors never fail and users are not counted, nor told apart, so only alarms on labels stop a release.")
    if any(stage.holdback is not None for stage in stages):
        said.append("Nobody is held back: everybody has a stage's access at once, and no comparison stops a release.")
    if len(stages) < len(plan.stages):
        said.append(f"Played up to `{stages[-1].name}`: what comes after cannot be taken back, and opens on other evidence.")
    if Adversary.PATIENT in world.adversaries:
        where = stages[-1].name
        said.append(f"The patient adversary sits in the traffic of `{where}`; before it opens, rates are as if there were none.")
    return tuple(said)


def _about_golds(world: World) -> str:
    if not world.golds_per_day:
        return "No gold items measure what reviewers miss, so gates take labels as they are."
    return f"Reviewers are shown {number(world.golds_per_day)} known harms of each hazard a day, and recognise them like others."
