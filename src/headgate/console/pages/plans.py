"""Plans: those under way, drafts with every remark at its line, what a draft would widen or narrow, and carrying it out.

A draft is handed in once and then looked at under its own address, which names its very text: what was read, compared and
played is what is carried out.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.datastructures import UploadFile

from headgate.console.sources import shown_lines
from headgate.console.visit import Deed, Handed, Screen, Shown, Visit, Went
from headgate.kernel.actor import Permission
from headgate.kernel.digest import short
from headgate.kernel.ids import ReleaseId
from headgate.releases.decide.diff import Effect, diff
from headgate.releases.errors import ModelTaken, PlanInvalid, PlanMoved
from headgate.releases.model.findings import Level
from headgate.releases.model.release import Kind, State
from headgate.releases.wire.canonical import canonical_form, plan_digest
from headgate.releases.wire.schema import plan_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.console.desks import Desks
    from headgate.console.visit import Table
    from headgate.kernel.errors import HeadgateError
    from headgate.releases.decide.diff import Change
    from headgate.releases.model.draft import Draft
    from headgate.releases.model.plan import Plan
    from headgate.releases.model.release import Release

_REVISIONS = 50


def table(desks: Desks, at: str) -> Table:
    """Return the addresses of plans.

    Args:
        desks: The services.
        at: Where the console is mounted.
    """
    pages = _Pages(desks, at)
    return (
        Screen("/plans", pages.index, Permission.VIEW),
        Screen("/plans/schema.json", pages.schema, Permission.VIEW),
        Screen("/plans/under-way/{release}", pages.under_way, Permission.VIEW),
        Deed("/plans/drafts", pages.hand_in, Permission.VIEW),
        Screen("/plans/drafts/{digest}", pages.draft, Permission.VIEW),
        Screen("/plans/drafts/{digest}/apply", pages.preview, Permission.PLAN, confirmed=True),
        Deed("/plans/drafts/{digest}/apply", pages.carry_out, Permission.PLAN, confirmed=True),
    )


class _Pages:
    def __init__(self, desks: Desks, at: str) -> None:
        self._desks = desks
        self._at = at

    def index(self, visit: Visit, trouble: HeadgateError | None = None, text: str = "") -> Shown:
        releases = self._desks.releases.list(by=visit.actor)
        if "draft" in visit.query and not text:
            text = self._desks.drafting.get(visit.query["draft"], by=visit.actor).source.decode("utf-8", "replace")
        given = {
            "plans": [_plan(release) for release in releases if release.state is not State.WITHDRAWN],
            "withdrawn": sum(release.state is State.WITHDRAWN for release in releases),
            "drafts": self._desks.drafting.latest(by=visit.actor),
            "text": text,
            "trouble": trouble,
        }
        return Shown("console/plans/index.html", given, 200 if trouble is None else 400)

    def schema(self, visit: Visit) -> Handed:
        del visit
        return Handed(_schema(), "application/schema+json", "release-plan.schema.json")

    def under_way(self, visit: Visit) -> Shown:
        release = self._desks.releases.get(ReleaseId(visit.path["release"]), by=visit.actor)
        decisions = self._desks.releases.decisions(by=visit.actor, release_id=release.id, limit=_REVISIONS)
        text = json.dumps(canonical_form(release.plan), indent=2, ensure_ascii=False)
        applied = [each for each in decisions if each.kind is Kind.APPLY]
        return Shown("console/plans/under_way.html", {**_plan(release), "text": text, "applied": applied})

    def hand_in(self, visit: Visit) -> Went | Shown:
        file = visit.form.get("file")
        source, name = visit.said("text").encode(), "pasted.yaml"
        if isinstance(file, UploadFile) and file.filename:
            source, name = file.file.read(), file.filename
        try:
            draft = self._desks.drafting.keep(source, name=name, by=visit.actor)
        except PlanInvalid as problem:
            return self.index(visit, problem, visit.said("text"))
        return Went(f"{self._at}/plans/drafts/{draft.digest}", f"{draft.name} was read; nothing was changed by it.")

    def draft(self, visit: Visit) -> Shown:
        found = self._desks.drafting.get(visit.path["digest"], by=visit.actor)
        read = self._desks.drafting.read(found)
        old = None if read.plan is None else self._desks.releases.plan_under_way(read.plan)
        given = {
            "draft": found,
            "read": read,
            "counts": [(level.value, len(read.findings.of(level))) for level in Level if read.findings.of(level)],
            "lines": shown_lines(found.source, read.findings),
            "digest": None if read.plan is None else plan_digest(read.plan),
            **_compared(old, read.plan),
        }
        return Shown("console/plans/draft.html", given)

    def preview(self, visit: Visit, trouble: HeadgateError | None = None) -> Shown:
        found, plan = self._sound(visit)
        old = self._desks.releases.plan_under_way(plan)
        given = {
            "draft": found,
            "plan": plan,
            "old": old,
            "same_version": old is not None and old.version_digest == plan.version_digest,
            "token": self._desks.releases.token(plan),
            "trouble": trouble,
            **_compared(old, plan),
        }
        return Shown("console/plans/apply.html", given, 200 if trouble is None else 409)

    def carry_out(self, visit: Visit) -> Went | Shown:
        _, plan = self._sound(visit)
        try:
            opens = _opens(visit.said("opens_at")) if visit.said("when") == "at" else None
            release, decision = self._desks.releases.apply(
                plan,
                by=visit.actor,
                expected=visit.said("token"),
                at=opens,
                draft=visit.said("when") == "draft",
                replace_old=visit.said("replace") == "yes",
            )
        except (PlanMoved, ModelTaken, PlanInvalid) as problem:
            return self.preview(visit, problem)
        said = "Nothing changes: this plan is under way." if decision is None else f"The plan is carried out: {decision.reason}"
        return Went(f"{self._at}/releases/{release.id}", said)

    def _sound(self, visit: Visit) -> tuple[Draft, Plan]:
        found = self._desks.drafting.get(visit.path["digest"], by=visit.actor)
        read = self._desks.drafting.read(found)
        if read.plan is None or not read.ok:
            raise PlanInvalid("This plan has errors, so it cannot be carried out.", help="Mend them and hand it in again.")
        return found, read.plan


def _plan(release: Release) -> dict[str, Any]:
    stages = release.plan.stages
    return {
        "release": release,
        "plan": release.plan,
        "version": short(release.plan.version_digest),
        "plan_digest": short(plan_digest(release.plan)),
        "open_stage": stages[release.stage - 1].name if release.stage else None,
    }


def _compared(old: Plan | None, new: Plan | None) -> dict[str, Any]:
    """Return what differs, stage by stage, and how much of it opens or shuts something."""
    if old is None or new is None:
        return {"old": old, "changes": [], "effects": []}
    changes = diff(old, new)
    counts = Counter(change.effect for change in changes)
    effects = [(effect.value, counts[effect]) for effect in Effect if counts[effect]]
    return {"old": old, "changes": _by_stage(changes), "effects": effects}


def _by_stage(changes: Sequence[Change]) -> list[tuple[str | None, list[Change]]]:
    order = dict.fromkeys(change.stage for change in changes)
    return [(stage, [change for change in changes if change.stage == stage]) for stage in order]


def _opens(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise PlanInvalid(f"“{text}” is no time.", help="Write 2026-03-01T12:00, in UTC.") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


@cache
def _schema() -> bytes:
    return json.dumps(plan_schema(), indent=2).encode() + b"\n"
