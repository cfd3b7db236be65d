"""The canonical form of a plan: one spelling, every default written out, units reduced to whole numbers.

Comments, order of keys and ways of writing a quantity leave no trace in it, so the digest changes exactly when the meaning
does. The form is itself a plan: reading it gives an equal plan.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from headgate.kernel.digest import canonical_json, digest_of
from headgate.releases.errors import PlanInvalid
from headgate.releases.model.findings import Findings
from headgate.releases.wire.reading import plan_of

if TYPE_CHECKING:
    from headgate.releases.model.plan import Plan


def canonical_form(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON in the shape that a plan file has."""
    form = plan.canonical()
    for stage in cast("list[dict[str, Any]]", form["stages"]):
        for key in ("leave", "stop"):
            stage[key] = [{condition.pop("kind"): condition} for condition in stage[key]]
    return form


def canonical_text(plan: Plan) -> str:
    """Return the canonical form as the one JSON text that stores keep."""
    return canonical_json(canonical_form(plan)).decode()


def plan_digest(plan: Plan) -> str:
    """Return the digest of the plan's meaning."""
    return digest_of(canonical_form(plan))


def from_canonical(text: str) -> Plan:
    """Return the plan that a canonical text spells.

    Raises:
        PlanInvalid: It spells none: it was not written by ``canonical_text``, or was changed since.
    """
    try:
        plan = plan_of(json.loads(text), "canonical form")
    except ValueError as problem:
        raise PlanInvalid("The stored plan cannot be read: it is not JSON.", rule="plan.yaml") from problem
    if isinstance(plan, Findings):
        first = plan.errors[0]
        raise PlanInvalid(f"The stored plan cannot be read: {first.message}.", rule=first.code, help=first.fix)
    return plan
