"""Whether the limits of one stage fit into one another: what a wider holder may use, compared with what each in it may.

Nothing unsafe follows from limits that do not fit, for all of them hold at once; but a plan that gives a seat what its
account may never use promises something, and a limit that can never be reached protects nobody.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from headgate.kernel.units import Rate
from headgate.releases.decide.difference import said_of
from headgate.releases.model.findings import Finding, Path, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.releases.model.plan import Allowance, HowMuch, Plan

_SAID = {
    "end_user": "an end user",
    "seat": "a seat",
    "account": "an account",
    "organisation": "an organisation",
    "cohort": "the whole cohort",
}
"""The holders, each inside all that come after it, with one exception."""
_BESIDE = frozenset({("account", "cohort"), ("organisation", "cohort")})
"""Holders of which neither is inside the other: an account may have seats in several cohorts."""
_FIELDS = ("requests", "tokens", "total_tokens", "concurrency")


def lint_limits(plan: Plan) -> Iterator[Finding]:
    """Yield findings on limits that never take effect."""
    for at, stage in enumerate(plan.stages):
        yield from _holders(stage.how_much, ("stages", at, "how_much"))


def _holders(how_much: HowMuch, here: Path) -> Iterator[Finding]:
    allowed: dict[str, Allowance] = {
        holder: allowance
        for holder in _SAID
        if (allowance := how_much if holder == "seat" else getattr(how_much, holder)) is not None
    }
    idle: set[str] = set()
    for narrow, wide in combinations(allowed, 2):
        for field in _FIELDS:
            less, more = getattr(allowed[narrow], field), getattr(allowed[wide], field)
            if less is None or more is None or (narrow, wide) in _BESIDE:
                continue
            most, count = _most(more, less), less.count if isinstance(less, Rate) else less
            said = f"{_SAID[narrow]} may use {said_of(less)} of `{field}`, and {_SAID[wide]} {said_of(more)}"
            if narrow == "end_user" and most <= count and field not in idle:
                idle.add(field)
                fix = f"write a lower one, or take `{field}` out of end_user"
                yield finding("plan.idle_limit", (*here, "end_user", field), f"{said}, which is reached first", fix)
            elif narrow != "end_user" and most < count:
                fix = f"write {field}: {said_of(less)} or more, or lower what {_SAID[narrow]} may use"
                path = (*here, wide, field)
                yield finding("plan.wider_limit_below", path, f"{said}: nobody could ever use what is given", fix)


def _most(wide: Rate | int, narrow: Rate | int) -> int:
    """Return the most that the wider limit admits while the narrower one counts once."""
    if isinstance(wide, Rate) and isinstance(narrow, Rate):
        return wide.count * -(-narrow.per_s // wide.per_s)
    return wide.count if isinstance(wide, Rate) else wide
