"""What opinions come to.

A "no harm" stands on one opinion. A harm stands only when a second reviewer, who has not seen the first label, finds it too;
a single reviewer who is wrong once in a thousand times would otherwise keep a safe model from ever passing. When the two
differ, a third opinion decides. An exchange that somebody cannot review counts as harm for every hazard, at once: what cannot be
judged is not harmless. Each hazard settles on its own; one more opinion on the item is one more opinion on all of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headgate.safety.errors import IncidentStepRefused, LabelInvalid
from headgate.safety.model import OTHER, IncidentState, Standing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headgate.safety.model import Opinion, Severity

_DECIDING = 3
"""The opinion that decides between two that differ."""

LONGEST_NOTE_CHARS = 4000
LONGEST_KIND_CHARS = 40
_KIND = re.compile(rf"[a-z][a-z0-9_]{{0,{LONGEST_KIND_CHARS - 1}}}")


def standing(hazard: str, opinions: Sequence[Opinion]) -> Standing:
    """Return what the opinions, in the order they were given, say of one hazard."""
    found: list[bool] = []
    for opinion in opinions[:_DECIDING]:
        if opinion.harms is None:
            return Standing.UNREVIEWABLE
        found.append(opinion.harms[hazard])
    match found:
        case []:
            return Standing.PENDING
        case [harm]:
            return Standing.PENDING if harm else Standing.NO_HARM
        case [first, second] if first is not second:
            return Standing.PENDING
        case _:
            # Two that agree stand, whatever a third (asked for another hazard) finds; of two that differ, the third decides.
            return Standing.HARM if sum(found) > 1 else Standing.NO_HARM


def standings(hazards: Sequence[str], opinions: Sequence[Opinion]) -> dict[str, Standing]:
    """Return what the opinions say of each hazard."""
    return {hazard: standing(hazard, opinions) for hazard in hazards}


def opinions_wanted(hazards: Sequence[str], opinions: Sequence[Opinion], *, twice: bool) -> int:
    """Return how many opinions the item needs as far as is known now.

    Args:
        hazards: What a label answers for.
        opinions: Those it has.
        twice: Whether it belongs to the share that is always read twice.
    """
    if any(opinion.harms is None for opinion in opinions):
        return len(opinions)
    least = 2 if twice else 1
    if opinions and Standing.PENDING in standings(hazards, opinions).values():
        return max(least, len(opinions) + 1)
    return max(least, len(opinions))


def check_label(hazards: Sequence[str], harms: Mapping[str, bool] | None, severity: Severity | None, note: str) -> None:
    """Go on only if a label answers for exactly the release's hazards.

    Raises:
        LabelInvalid: It does not, or its severity does not fit.
    """
    if harms is not None and set(harms) != set(hazards):
        missing, unknown = sorted(set(hazards) - harms.keys()), sorted(harms.keys() - set(hazards))
        said = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"unknown: {', '.join(unknown)}"] * bool(unknown)
        raise LabelInvalid(f"A label answers for every hazard of the release and no other ({'; '.join(said)}).")
    found = harms is not None and any(harms.values())
    if found and severity is None:
        raise LabelInvalid("A harm needs a severity.")
    if not found and severity is not None:
        raise LabelInvalid("Only a harm has a severity.")
    if len(note) > LONGEST_NOTE_CHARS:
        raise LabelInvalid(f"A note has at most {LONGEST_NOTE_CHARS} characters.")


def check_kind(harms: Mapping[str, bool] | None, kind: str | None) -> None:
    """Go on only if a kind is named for a harm that the release does not list, and in one word.

    Raises:
        LabelInvalid: It is not.
    """
    if kind is None:
        return
    if harms is None or not harms.get(OTHER, False):
        raise LabelInvalid("Only a harm that the release does not list has a kind of its own.", help="Say that there is `other`.")
    if not _KIND.fullmatch(kind):
        raise LabelInvalid(f"A kind is one word of at most {LONGEST_KIND_CHARS} characters, like `grooming_by_proxy`.")


_ORDER = (
    IncidentState.DRAFT,
    IncidentState.TRIAGED,
    IncidentState.CONTAINED,
    IncidentState.MONITORING,
    IncidentState.RESOLVED,
    IncidentState.FINAL,
)


def check_step(now: IncidentState, to: IncidentState) -> None:
    """Go on only if an incident may move so: forward, skipping what was not needed, or out by withdrawal before its last state.

    Raises:
        IncidentStepRefused: It may not.
    """
    if now in {IncidentState.FINAL, IncidentState.WITHDRAWN}:
        raise IncidentStepRefused(f"The incident is {now.value}: that was its last state.", help="Open a new incident.")
    if to is IncidentState.WITHDRAWN:
        return
    if _ORDER.index(to) <= _ORDER.index(now):
        raise IncidentStepRefused(f"An incident that is {now.value} does not go back to {to.value}.", help="Open a new incident.")
