"""Names that must lead somewhere, and words that must mean what they say."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from typing import TYPE_CHECKING

from headgate.kernel.actor import PERMISSIONS, Permission, Role
from headgate.releases.model.findings import Finding, Path, finding
from headgate.releases.model.plan import ApprovalGate, Capability, CoverageGate, Plan, RateGate, RiseWire, Stage, Surface

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from enum import Enum

_OPEN_SOURCE = re.compile(r"open[\s_-]?sourc", re.IGNORECASE)
_NEEDS = {Capability.PARALLEL_TOOL_CALLS: Capability.TOOLS, Capability.BACKGROUND: Capability.STORED}


def lint_references(plan: Plan) -> Iterator[Finding]:
    """Yield findings on names, duplicates, roles and words."""
    yield from _open_source(plan)
    if not plan.hazards:
        fix = "declare what could go wrong: hazards: {harmful_advice: {severity: high, limit: {traffic: 2.0e-3}}}"
        yield finding("plan.no_hazards", ("hazards",), "the plan declares no hazard, so no stage has harm to rule out", fix)
    if plan.model.version.weights is None:
        fix = "add version: {weights: sha256:…} if you hold the weights"
        said = "the version is known by its address only: a change behind that address would go unseen"
        yield finding("plan.no_version", ("model",), said, fix)
    names = Counter(stage.name for stage in plan.stages)
    cohorts: dict[str, str] = {}
    for at, stage in enumerate(plan.stages):
        here: Path = ("stages", at)
        if names[stage.name] > 1 and plan.stages.index(plan.stage(stage.name) or stage) != at:
            yield finding(
                "plan.duplicate_stage", (*here, "name"), f"`{stage.name}` is the name of two stages", "rename one of them"
            )
        if stage.who.cohort in cohorts:
            said = f"the seats of `{stage.who.cohort}` move here from `{cohorts[stage.who.cohort]}` once this stage opens"
            yield finding("plan.cohort_reused", (*here, "who", "cohort"), said, "name another cohort if you meant other people")
        cohorts[stage.who.cohort] = stage.name
        yield from _stage(plan, stage, here)


def _stage(plan: Plan, stage: Stage, here: Path) -> Iterator[Finding]:
    for key, conditions in (("leave", stage.leave), ("stop", stage.stop)):
        seen: set[str] = set()
        for at, condition in enumerate(conditions):
            path = (*here, key, at, condition.kind)
            if condition.id in seen:
                said = f"`{condition.id}` stands twice in `{key}` of `{stage.name}`"
                yield finding("plan.duplicate_condition", path, said, "keep the stricter one")
            seen.add(condition.id)
            named = condition.hazard if isinstance(condition, RateGate | CoverageGate | RiseWire) else None
            if named is not None and named not in plan.hazards:
                near = difflib.get_close_matches(named, plan.hazards, n=1)
                fix = f"did you mean `{near[0]}`?" if near else f"declare `{named}` under hazards"
                said = f"no hazard is called `{named}`"
                yield finding("plan.unknown_hazard", (*path, "hazard"), said, fix)
            if isinstance(condition, ApprovalGate):
                yield from _signers(condition.roles, condition.signatures, path)
    if stage.approval is not None:
        yield from _signers(stage.approval.roles, stage.approval.quorum, (*here, "approval"))
    lists: tuple[tuple[Path, Sequence[Enum]], ...] = (
        ((*here, "what", "surfaces"), stage.what.surfaces),
        ((*here, "what", "capabilities"), stage.what.capabilities),
        ((*here, "needs_before"), stage.needs_before),
    )
    for path, words in lists:
        yield from _repeated(path, words)
    for capability, needed in _NEEDS.items():
        if capability in stage.what.capabilities and needed not in stage.what.capabilities:
            said = f"`{capability.value}` is of no use without `{needed.value}`"
            fix = f"add `{needed.value}`, or take `{capability.value}` out"
            yield finding("plan.capability_needs", (*here, "what", "capabilities"), said, fix)


def _signers(roles: Sequence[Role], signatures: int, path: Path) -> Iterator[Finding]:
    may = [role.value for role, held in PERMISSIONS.items() if Permission.APPROVE in held]
    for at, role in enumerate(roles):
        if role.value not in may:
            said = f"`{role.value}` may not sign, so the approval would never come"
            yield finding("plan.role_cannot_approve", (*path, "roles", at), said, f"one of {', '.join(may)}")
    if signatures < len(roles):
        said = f"{signatures} of {len(roles)} named roles sign"
        fix = f"ask for {len(roles)} signatures, or name only the roles that must sign"
        yield finding("plan.quorum_below_roles", (*path, "quorum"), said, fix)
    yield from _repeated((*path, "roles"), roles)


def _repeated(path: Path, words: Sequence[Enum]) -> Iterator[Finding]:
    for word, times in Counter(words).items():
        if times > 1:
            yield finding("plan.repeated_word", path, f"`{word.value}` is named {times} times", "name it once")


def _open_source(plan: Plan) -> Iterator[Finding]:
    if not any(Surface.WEIGHTS in stage.what.surfaces for stage in plan.stages):
        return
    texts: list[tuple[Path, str]] = [(("name",), plan.name), (("model", "name"), plan.model.name), (("owner",), plan.owner or "")]
    for at, stage in enumerate(plan.stages):
        here: Path = ("stages", at)
        texts += [
            ((*here, "name"), stage.name),
            ((*here, "who", "cohort"), stage.who.cohort),
            ((*here, "who", "terms"), stage.who.terms or ""),
        ]
        texts += [((*here, "asks", at_ask), ask) for at_ask, ask in enumerate(stage.asks)]
    for path, text in texts:
        if _OPEN_SOURCE.search(text):
            said = "open source is a licence on code that lets anyone study, change and rebuild it; weights alone are not that"
            yield finding("plan.open_source", path, said, "say open weights, and name the licence")
