"""What changes in what a plan wants shown of people to come.

To tolerate more, to err more often, to tell people apart in fewer ways or to carry fewer hazards over is a widening. Another
population that is expected is one too: which of two is the safer guess, nobody can tell from the plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.releases.decide.difference import NARROWER, WIDER, Axis, Found, bound
from headgate.releases.model.plan import CoverageGate, DiscoveryGate

if TYPE_CHECKING:
    from headgate.releases.decide.difference import Effect


def people(old: DiscoveryGate | CoverageGate, new: DiscoveryGate | CoverageGate) -> Found:
    """Yield every difference between two forms of one gate."""
    over = Axis.OVERSIGHT
    if isinstance(old, DiscoveryGate) and isinstance(new, DiscoveryGate):
        before, after = old.tolerated_new_kinds_next_stage, new.tolerated_new_kinds_next_stage
        yield from bound(("tolerated_new_kinds_next_stage",), over, "users who may meet an unseen kind", before, after)
    if isinstance(old, CoverageGate) and isinstance(new, CoverageGate):
        yield from _carried(old, new)
    yield from bound(("alpha",), over, "the chance of passing falsely", old.alpha, new.alpha)


def _carried(old: CoverageGate, new: CoverageGate) -> Found:
    over = Axis.OVERSIGHT
    for of in old.of:
        if of not in new.of:
            yield ("of",), WIDER, over, f"people are no longer told apart by {of}"
    for of in new.of:
        if of not in old.of:
            yield ("of",), NARROWER, over, f"people are told apart by {of} too"
    before, after = old.transport_bound_below, new.transport_bound_below
    yield from bound(("transport_bound_below",), over, "the bound on what is carried over", before, after)
    if old.hazard != new.hazard:
        effect: Effect = NARROWER if new.hazard is None else WIDER
        whose, other = (f"`{hazard}`" if hazard else "every hazard" for hazard in (new.hazard, old.hazard))
        yield ("hazard",), effect, over, f"what is carried over is the rate of {whose} instead of {other}"
    if old.for_stage != new.for_stage:
        yield ("for_stage",), WIDER, over, f"the rate is carried over to {new.for_stage} instead of {old.for_stage}"
    for of in dict.fromkeys((*old.expected, *new.expected)):
        if old.expected.get(of) != new.expected.get(of):
            yield ("expected", of), WIDER, over, f"other shares by {of} are expected"
