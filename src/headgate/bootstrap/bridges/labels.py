"""Evidence asks safety for labels; safety's words become evidence's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.evidence.model import Harm, LabelledTraffic, Look, Segment
from headgate.evidence.model.reviewing import Readers
from headgate.evidence.model.users import CleanUsers, HarmfulUser, LabelledUsers
from headgate.evidence.service.remembering import Remembering
from headgate.safety.sampling.gold import tally

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from headgate.kernel.clock import Clock
    from headgate.safety import model as safety
    from headgate.safety.ports import GoldStore, SamplingStore
    from headgate.safety.sampling.accounts import LabelledAccounts


def segments_of(segments: Sequence[safety.Segment]) -> tuple[Segment, ...]:
    """Return runs of draws in evidence's words."""
    return tuple(Segment(segment.requests, segment.pi0) for segment in segments)


def harms_of(harms: Sequence[safety.Harm]) -> tuple[Harm, ...]:
    """Return harms in evidence's words."""
    return tuple(Harm(harm.pi, harm.pi0) for harm in harms)


def labels_of(found: safety.LabelledTraffic) -> LabelledTraffic:
    """Return an epoch's labels in evidence's words."""
    return LabelledTraffic(
        epoch=found.epoch,
        hazard=found.hazard,
        segments=segments_of(found.segments),
        harms=harms_of(found.harms),
        labels=found.labels,
        pending=found.pending,
        frontier=found.frontier,
        drawn=found.drawn,
        uniform=found.uniform,
    )


def looks_of(windows: Sequence[safety.LookData]) -> tuple[Look, ...]:
    """Return closed windows in evidence's words."""
    return tuple(Look(segments_of(window.segments), harms_of(window.harms)) for window in windows)


class SafetyLabels:
    """Evidence's ``LabelSource`` over safety's draws and labels.

    Args:
        draws: Where safety keeps them.
        golds: Where safety keeps what has measured its reviewers.
        clock: Tells which labels are overdue.
        deadline: How long a sampled exchange may stay unresolved before it counts as harm.
    """

    def __init__(self, draws: SamplingStore, golds: GoldStore, clock: Clock, deadline: timedelta) -> None:
        self._draws = draws
        self._golds = golds
        self._clock = clock
        self._deadline = deadline
        self._put = Remembering()
        """What was put in evidence's words: safety gives the same object while nothing has changed."""

    def traffic(self, epoch: str, hazard: str) -> LabelledTraffic:
        found = self._draws.labelled(epoch, hazard, now=self._clock.now(), d_max=self._deadline)
        return self._put.once(("traffic", epoch, hazard), found, labels_of)

    def readers(self, epoch: str, hazard: str) -> Readers:
        found = tally(self._golds.shown(epoch), hazard, overdue=self._clock.now() - self._deadline)
        return Readers(found.shown, found.caught)

    def looks(self, epoch: str, hazard: str, every: timedelta) -> tuple[Look, ...]:
        windows = self._draws.looks(epoch, hazard, after_position=0, every=every, now=self._clock.now())
        return self._put.once(("looks", epoch, hazard, every), windows, looks_of)

    def users(self, epoch: str, hazard: str, window: timedelta) -> LabelledUsers:
        found = self._draws.accounts(epoch, hazard, span=window, now=self._clock.now(), d_max=self._deadline)
        return users_of(found)


def users_of(found: LabelledAccounts) -> LabelledUsers:
    """Return safety's accounts in evidence's words."""
    return LabelledUsers(
        epoch=found.epoch,
        hazard=found.hazard,
        window=found.span,
        clean=tuple(CleanUsers(group.accounts, group.exchanges, group.labels, group.floor) for group in found.clean),
        harmful=tuple(
            HarmfulUser(user.exchanges, user.labels, user.floor, harms_of(user.harms), harms_of(user.doubtful))
            for user in found.harmful
        ),
        enrolled=found.came,
    )
