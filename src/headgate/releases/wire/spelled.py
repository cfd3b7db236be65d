"""Releases, decisions and differences as JSON for whoever asks, by the command line or over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.kernel.digest import Json
    from headgate.releases.decide.diff import Change
    from headgate.releases.model.release import Decision, Release


def decision_json(decision: Decision) -> Json:
    """Return a decision as JSON."""
    return {
        "id": decision.id,
        "release": decision.release_id,
        "model": decision.model,
        "kind": decision.kind.value,
        "before": {"state": decision.before.value, "stage": decision.stage_before},
        "after": {"state": decision.after.value, "stage": decision.stage_after},
        "by": decision.by,
        "reason": decision.reason,
        "at": decision.at.isoformat(),
        "readings_digest": decision.readings_digest,
    }


def release_json(release: Release) -> Json:
    """Return a release as JSON, short; its status says the rest."""
    return {
        "id": release.id,
        "model": release.model,
        "version": release.plan.version_digest,
        "state": release.state.value,
        "stage": release.current.name if release.current else None,
        "position": release.stage,
        "stages": len(release.plan.stages),
        "plan_revision": release.plan_revision,
        "since": release.since.isoformat(),
        "revision": release.revision,
    }


def difference_json(change: Change) -> Json:
    """Return one difference between two plans as JSON."""
    return {
        "path": list(change.path),
        "stage": change.stage,
        "effect": change.effect.value,
        "axis": change.axis.value,
        "sentence": change.sentence,
    }
