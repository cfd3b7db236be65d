"""What cannot be taken back: it comes last, late, and signed by several people."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from headgate.kernel.units import span_text
from headgate.releases.model.findings import Finding, Path, finding
from headgate.releases.model.plan import AuditGate, Plan, Precondition, Stage, Surface, Waivable
from headgate.releases.model.words import CONTROL_LOSS

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST_QUORUM = 3
LEAST_COOL_OFF = timedelta(hours=72)


def lint_irreversible(plan: Plan) -> Iterator[Finding]:
    """Yield findings on stages that cannot be taken back."""
    for at, stage in enumerate(plan.stages):
        here: Path = ("stages", at)
        if Surface.WEIGHTS in stage.what.surfaces and not stage.irreversible:
            said = f"`{stage.name}` hands out weights, which nobody can take back"
            yield finding("plan.weights_reversible", here, said, "add irreversible: true, and what that asks for")
        if stage.irreversible:
            yield from _order(plan, at, here)
            yield from _approval(stage, here)


def _order(plan: Plan, at: int, here: Path) -> Iterator[Finding]:
    stage = plan.stages[at]
    earlier = [surface for before in plan.stages[:at] for surface in before.what.surfaces]
    if not any(surface.value.startswith("api.") for surface in earlier):
        said = f"`{stage.name}` cannot be taken back, and no stage before it served the model on an API"
        fix = "put at least one stage on an API before it, where harm can still be seen and stopped"
        yield finding("plan.irreversible_first", here, said, fix)
    if stage.leave:
        said = f"`{stage.name}` is never left: gates in it would promise a way back that there is not"
        yield finding("plan.irreversible_leave", (*here, "leave"), said, "write leave: []")
    later = next((after for after in plan.stages[at + 1 :] if not after.irreversible), None)
    if later is not None:
        said = f"`{later.name}` comes after `{stage.name}`, which cannot be taken back"
        yield finding("plan.irreversible_not_last", here, said, "move the irreversible stage to the end")
    missing = [needed.value for needed in Precondition if needed not in stage.needs_before]
    if missing:
        said = f"`{stage.name}` may open without {', '.join(missing)}"
        fix = f"add needs_before: [{', '.join(needed.value for needed in Precondition)}]"
        yield finding("plan.irreversible_needs", here, said, fix)
    before = plan.stages[at - 1].leave if at else ()
    shown = any(isinstance(gate, AuditGate) and gate.scope == CONTROL_LOSS for gate in before)
    if Precondition.CONTROL_LOSS_ACKNOWLEDGED in stage.needs_before and at and not shown:
        said = f"nothing shows that losing control was acknowledged, so `{stage.name}` never opens"
        fix = f"add - audit: {{scope: {CONTROL_LOSS}}} to leave of `{plan.stages[at - 1].name}`"
        yield finding("plan.need_unshown", (*here, "needs_before"), said, fix)


def _approval(stage: Stage, here: Path) -> Iterator[Finding]:
    approval = stage.approval
    example = "approval: {quorum: 3, roles: [safety_lead, security, board], cool_off: 72h, waivable: never}"
    if approval is None:
        yield finding("plan.irreversible_quorum", here, f"nobody in particular must agree to `{stage.name}`", f"add {example}")
        return
    path = (*here, "approval")
    if approval.quorum < LEAST_QUORUM:
        people = "person" if approval.quorum == 1 else "people"
        said = f"{approval.quorum} {people} may open `{stage.name}`; it takes {LEAST_QUORUM} or more"
        yield finding("plan.irreversible_quorum", (*path, "quorum"), said, f"write {example}")
    if approval.cool_off is None or approval.cool_off < LEAST_COOL_OFF:
        wait = "at once" if approval.cool_off is None else f"{span_text(approval.cool_off)} after the last signature"
        yield finding(
            "plan.irreversible_cool_off", (*path, "cool_off"), f"`{stage.name}` may open {wait}", "write cool_off: 72h or more"
        )
    if approval.waivable is not Waivable.NEVER:
        said = f"the approval of `{stage.name}` may be waived"
        yield finding("plan.irreversible_waivable", (*path, "waivable"), said, "write waivable: never")
