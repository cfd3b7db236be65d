"""Safety asks releases what a stage's review duty is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.kernel.units import Rate
from headgate.releases.model.plan import Flagged as PlanFlagged
from headgate.safety.ports import Watch
from headgate.safety.sampling.probability import Flagged, WatchPlan

if TYPE_CHECKING:
    from headgate.releases.model.plan import Watch as PlanWatch
    from headgate.releases.ports import Releases

_WEEK_DAYS = 7


class ReleaseEpochs:
    """Safety's ``Epochs`` over releases."""

    def __init__(self, releases: Releases) -> None:
        self._releases = releases

    def watch(self, epoch: str) -> Watch | None:
        release_id, _, rest = epoch.partition("/")
        stage_name = rest.rpartition("/")[0]
        with self._releases.snapshot() as tx:
            releases = tx.list()
        for release in releases:
            if release.id == release_id and (stage := release.plan.stage(stage_name)) is not None:
                return Watch(release.id, watch_plan(stage.watch), tuple(release.plan.hazards))
        return None


def watch_plan(watch: PlanWatch | None) -> WatchPlan:
    """Return the review duty that a stage declares; a stage that declares none has everything reviewed."""
    if watch is None:
        return WatchPlan()
    per_week = max(1, round(watch.sample.per_day() * _WEEK_DAYS)) if isinstance(watch.sample, Rate) else None
    review_flagged = watch.flagged is PlanFlagged.REVIEW_ALL
    return WatchPlan(
        flagged=Flagged.REVIEW_ALL if review_flagged else Flagged.NONE,
        sample_per_week=per_week,
        uniform=not review_flagged,
    )
