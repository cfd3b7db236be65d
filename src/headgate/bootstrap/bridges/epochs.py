"""Safety asks releases what a stage's review duty is, and is told when stages open and end."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from headgate.kernel.units import Rate
from headgate.releases.model.holdback import HELD_BACK
from headgate.releases.model.plan import Flagged as PlanFlagged
from headgate.releases.model.release import State
from headgate.safety.errors import EpochUnknown
from headgate.safety.ports import Watch
from headgate.safety.sampling.probability import Flagged, WatchPlan

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from headgate.releases.model.plan import Watch as PlanWatch
    from headgate.releases.model.release import Release
    from headgate.releases.ports import Releases
    from headgate.safety.service.sampling import Sampling

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
                own = epoch.removesuffix(HELD_BACK)
                together = () if stage.holdback is None else (own, own + HELD_BACK)
                return Watch(release.id, watch_plan(stage.watch), tuple(release.plan.hazards), together)
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
        uniform=not review_flagged and not watch.by_score,
        by_score=watch.by_score,
    )


class EpochKeeper:
    """Opens and closes safety's epochs as releases open stages and leave them.

    A seed that is committed when its stage opens was chosen without knowing any exchange. An epoch is over when its stage begins
    another attempt or its release is withdrawn; then its seed may be revealed and its coins audited by anybody.
    """

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._opened: set[str] = set()
        self._closed: set[str] = set()

    def keep(self, releases: Iterable[Release], *, now: datetime) -> int:
        """Bring safety's epochs in line with the releases; return how many were opened or closed.

        Raises:
            Unavailable: Safety's store does not answer; what was done before stays done, the rest is done next time.
        """
        changed = 0
        for release in releases:
            for rung in release.rungs:
                *over, current = release.epochs(rung.stage)
                if release.state is State.WITHDRAWN:
                    over = [*over, current]
                else:
                    changed += self._open(release, rung.stage, current, now=now)
                for epoch in over:
                    changed += self._close(epoch, now=now) + self._close(epoch + HELD_BACK, now=now)
        return changed

    def _open(self, release: Release, stage_name: str, epoch: str, *, now: datetime) -> int:
        stage = release.plan.stage(stage_name)
        compared = stage is not None and stage.holdback is not None
        fresh = [one for one in (epoch, epoch + HELD_BACK)[: 1 + compared] if one not in self._opened]
        for one in fresh:
            self._sampling.open_epoch(one, now=now)
            self._opened.add(one)
        return len(fresh)

    def _close(self, epoch: str, *, now: datetime) -> bool:
        if epoch in self._closed:
            return False
        with contextlib.suppress(EpochUnknown):  # nothing was ever drawn in it
            self._sampling.close_epoch(epoch, now=now)
        self._closed.add(epoch)
        return True
