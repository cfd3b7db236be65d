"""Playing a draft: state what is true, wait, and see what would become of it.

The page only asks; a process of its own plays. Whoever leaves the page finds the result when they come back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headgate.console.trials import MOST_PLAYS, Idle, NotPlayed, Played, UnderWay
from headgate.console.visit import Deed, Screen, Shown, Told, Visit, Went
from headgate.kernel.actor import Permission
from headgate.kernel.errors import HeadgateError
from headgate.releases.errors import PlanInvalid
from headgate.releases.model.simulation import Adversary, World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.console.desks import Desks
    from headgate.console.visit import Table
    from headgate.releases.model.draft import Draft
    from headgate.releases.model.plan import Plan


@dataclass(frozen=True, slots=True)
class Field:
    """One number of the form.

    Attributes:
        name: Its name, as ``World`` has it.
        label: What it is, with its unit.
        least: The smallest value.
        most: The largest.
        usual: What stands in it at first; empty where it may be left out.
    """

    name: str
    label: str
    least: float
    most: float
    usual: str


FIELDS = (
    Field("rise", "How many times the rate a patient adversary rises to", 1, 1e6, "10"),
    Field("worst_share", "Share of a harmful person's exchanges that is harmful, if few do all harm", 0, 1, ""),
    Field("auc", "How well the detector's score tells harm (AUC)", 0.5, 0.9999, "0.9"),
    Field("flagged", "Share of harmless exchanges that it flags", 0, 0.5, "0.002"),
    Field("sensitivity", "A reviewer's chance to see harm that is there", 0.01, 1, "1"),
    Field("specificity", "A reviewer's chance to see none where there is none", 0.01, 1, "1"),
    Field("golds_per_day", "Known harms of each hazard shown to reviewers in a day", 0, 10_000, "0"),
    Field("label_days", "Mean days until a label stands", 0, 1000, "0.5"),
    Field("harm_days", "The same for harm", 0, 1000, "0.5"),
    Field("approval_days", "Days from all other gates passing to the signatures", 0, 1000, "0"),
    Field("patience_days", "Days after which a stage counts as never left", 1, 3650, ""),
    Field("after_days", "Days to play once the last stage is open", 1, 3650, "90"),
)
"""The world's numbers, bounded as on the command line."""
_RUNS = Field("runs", "How many plays", 1, MOST_PLAYS, "200")
_SEED = Field("seed", "What the plays are drawn from (seed)", 0, 2**63 - 1, "1")


def table(desks: Desks, at: str) -> Table:
    """Return the addresses of playing drafts.

    Args:
        desks: The services.
        at: Where the console is mounted.
    """

    def show(visit: Visit, trouble: HeadgateError | None = None) -> Shown:
        draft, plan = _playable(visit)
        state = desks.simulations.look(visit.session.id)
        expected = {name: "" if hazard.expected is None else f"{hazard.expected:g}" for name, hazard in plan.hazards.items()}
        given = {
            "draft": draft,
            "plan": plan,
            "state": state,
            "kind": _KINDS[type(state)],
            "own": not isinstance(state, Idle) and state.trial.draft == draft.digest,
            "fields": FIELDS,
            "runs": _RUNS,
            "seed": _SEED,
            "rates": expected,
            "filled": visit.form,
            "adversaries": [(each.value, _ADVERSARIES[each]) for each in Adversary],
            "trouble": trouble,
        }
        return Shown("console/plans/simulate.html", given, 200 if trouble is None else 400)

    def begin(visit: Visit) -> Went | Shown:
        draft, plan = _playable(visit)
        try:
            world = _world(plan, visit)
            runs, seed = (int(_number(field, visit)) for field in (_RUNS, _SEED))
            desks.simulations.begin(visit.session.id, draft, world, runs=runs, seed=seed)
        except HeadgateError as problem:
            return show(visit, problem)
        return Went(f"{at}/plans/drafts/{draft.digest}/simulate", "The plan is being played.")

    def end(visit: Visit) -> Went:
        desks.simulations.end(visit.session.id)
        return Went(f"{at}/plans/drafts/{visit.path['digest']}/simulate", "The plan is no longer being played.")

    def progress(visit: Visit) -> Told:
        state = desks.simulations.look(visit.session.id)
        told: dict[str, Any] = {"state": _KINDS[type(state)]}
        if isinstance(state, UnderWay):
            told |= {"done": state.done, "of": state.trial.runs}
        return Told(told)

    def _playable(visit: Visit) -> tuple[Draft, Plan]:
        draft = desks.drafting.get(visit.path["digest"], by=visit.actor)
        read = desks.drafting.read(draft)
        if read.plan is None or not read.ok:
            raise PlanInvalid("This plan has errors, so it cannot be played.", help="Mend them and hand it in again.")
        return draft, read.plan

    return (
        Screen("/plans/progress", progress, Permission.VIEW),
        Screen("/plans/drafts/{digest}/simulate", show, Permission.VIEW),
        Deed("/plans/drafts/{digest}/simulate", begin, Permission.VIEW),
        Deed("/plans/drafts/{digest}/simulate/end", end, Permission.VIEW),
    )


_KINDS: Mapping[type, str] = {Idle: "idle", UnderWay: "under_way", Played: "played", NotPlayed: "not_played"}
_ADVERSARIES = {
    Adversary.EVASIVE: "evasive: no detector sees their harm",
    Adversary.PATIENT: "patient: they behave until the last stage is open",
    Adversary.BURSTY: "bursty: all their harm comes in single hours",
}


def _world(plan: Plan, visit: Visit) -> World:
    """Return the world that the form states."""
    rates = {
        hazard: _number(Field(f"rate.{hazard}", f"True rate of {hazard}", 0, 1, ""), visit)
        for hazard in plan.hazards
        if visit.said(f"rate.{hazard}") or plan.hazards[hazard].expected is None
    }
    expected = {name: hazard.expected for name, hazard in plan.hazards.items() if hazard.expected is not None}
    numbers: dict[str, Any] = {
        field.name: _number(field, visit) if field.usual or visit.said(field.name) else None for field in FIELDS
    }
    if numbers["worst_share"] == 0:
        raise PlanInvalid("A share lies above 0 and at most at 1.", help="Leave it out where harm is spread over everybody.")
    named = visit.form.getlist("adversary")
    adversaries = frozenset(each for each in Adversary if each.value in named)
    return World(rates={**expected, **rates}, adversaries=adversaries, **numbers)


def _number(field: Field, visit: Visit) -> float:
    text = visit.said(field.name, field.usual) or field.usual
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not field.least <= number <= field.most:
        raise PlanInvalid(f"{field.label}: “{text}” is no number from {field.least:g} to {field.most:g}.")
    return number
