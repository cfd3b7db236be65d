"""Who may do what under a release as it stands: the only reading of a release that gives anybody access."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.releases.decide import holdback
from headgate.releases.model.policy import OpenStage, ReleasePolicy
from headgate.releases.model.release import LIVE_STATES

if TYPE_CHECKING:
    from headgate.releases.model.plan import Stage
    from headgate.releases.model.release import Release


def policy_of(release: Release) -> ReleasePolicy:
    """Return what ``release`` allows now; in any state that is not a live one, nothing."""
    opened = release.opened if release.state in LIVE_STATES else ()
    return ReleasePolicy(
        release_id=release.id,
        model=release.model,
        version_digest=release.plan.version_digest,
        state=release.state,
        upstream=release.plan.model.upstream,
        admits_newcomers=release.admits_newcomers,
        stages=_open_stages(release, opened),
        created_at=release.created_at,
        last_open=_open_stages(release, release.plan.stages[: release.reached]),
    )


def _open_stages(release: Release, stages: tuple[Stage, ...]) -> tuple[OpenStage, ...]:
    return tuple(
        OpenStage(
            name=stage.name,
            position=position,
            epoch=release.epoch(stage.name),
            attempt=release.attempt(stage.name),
            who=stage.who,
            what=stage.what,
            how_much=stage.how_much,
            watch=stage.watch,
            holdback=holdback.standing(release, position - 1),
        )
        for position, stage in enumerate(stages, start=1)
    )


def exposure_of(release: Release) -> frozenset[tuple[str, str, str]]:
    """Return everything the release lets anybody do, as cohort, surface and capability (empty: the surface itself)."""
    by_cohort = {stage.who.cohort: stage for stage in policy_of(release).stages}
    return frozenset(
        (cohort, surface.value, capability)
        for cohort, stage in by_cohort.items()
        for surface in stage.what.surfaces
        for capability in ("", *(right.value for right in stage.what.capabilities))
    )


def cohort_seats(release: Release) -> dict[str, int | None]:
    """Return how many seats each cohort that is let in now has; ``None`` for no limit."""
    return {stage.who.cohort: stage.who.seats for stage in policy_of(release).stages}
