"""Whether a rise shows in any of several streams, with one time between false alarms for all of them.

Labels and users are watched for harm, and newcomers for being of strata that nobody was met of before: evidence from other
people says little of them (``stats.coverage``). What they are is what they declare.

As in ``rise``, everything is worked out anew from the first window each time it is asked, and a window without anything to look
at is skipped. Each stream has a detector; each detector has the same share of the budget; and the alarm is raised when the
weighted sum reaches the threshold, in a window in which something happened. The streams may depend on one another in any
way: a flagged user is often the one whose request a reviewer then finds harmful.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headgate.evidence.decide import flagged, malformed_windows, user_shares
from headgate.evidence.decide.phrases import count_text, rate_text
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model.alarms import Stream, WatchReading
from headgate.kernel.units import span_text
from headgate.stats import alarm, coverage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from headgate.evidence.model.alarms import StreamRule, Watched, WatchRule


@dataclass(frozen=True, slots=True)
class _Track:
    """One stream's detector after each of its windows."""

    windows: NDArray[np.int64]
    log_m: NDArray[np.float64]
    events: NDArray[np.int64]
    said: str


def read_watch(watched: Sequence[Watched], rule: WatchRule) -> WatchReading:
    """Return what all the closed windows of an epoch, from the first, say of a rise.

    Args:
        watched: The windows of each of the rule's parts, in the same order.
        rule: The rule.

    Raises:
        NotEvidence: The rule or a window contradicts itself.
    """
    wrong = malformed_windows.in_watch_rule(rule)
    if wrong is None and len(watched) != len(rule.parts):
        wrong = f"{len(rule.parts)} streams are watched, and windows came of {len(watched)}."
    if wrong is None:
        wrong = next(filter(None, map(malformed_windows.in_watched, watched, rule.parts)), None)
    if wrong is not None:
        raise NotEvidence(f"Whether anything has risen cannot be said. {wrong}")
    tracks = [_track(windows, part, rule) for windows, part in zip(watched, rule.parts, strict=True)]
    grid = np.unique(np.concatenate([track.windows for track in tracks]))
    log_ms = np.stack([_carried(track, grid) for track in tracks], axis=-1)
    shared = alarm.log_shared(log_ms, np.full(len(tracks), 1 / len(tracks)))
    happened = np.sum([_on(track, grid) for track in tracks], axis=0) > 0
    look_s = rule.look_every.total_seconds()
    threshold = alarm.log_threshold(rule.false_alarm_every.total_seconds(), look_s)
    over = np.flatnonzero((shared >= threshold) & happened)
    raised_at = int(grid[over[0]]) + 1 if over.size else None
    log_m = float(shared[-1]) if grid.size else None
    watch = None if rule.watch_every is None else alarm.log_threshold(rule.watch_every.total_seconds(), look_s)
    is_watched = watch is not None and log_m is not None and log_m >= watch
    return WatchReading(
        windows=int(grid.size),
        events=int(sum(track.events.sum() for track in tracks)),
        log_m=log_m,
        threshold_log_m=threshold,
        raised_at=raised_at,
        watched=is_watched,
        sentence=_sentence(rule, tracks, int(grid.size), raised_at, watched=is_watched),
    )


def _track(watched: Watched, part: StreamRule, rule: WatchRule) -> _Track:
    match part.stream:
        case Stream.LABELS:
            return _labels(watched, part)
        case Stream.FLAGGED_USERS:
            return _flagged(watched, part, rule)
        case Stream.USER_SHARES:
            return _shares(watched, part)
        case Stream.NEWCOMERS:
            return _newcomers(watched, part)


def _flagged(watched: Watched, part: StreamRule, rule: WatchRule) -> _Track:
    seen = [window for window in watched.users if window.users]
    log_r = alarm.run(flagged.log_factors(seen, part, rule.look_every))
    events = np.array([window.flagged for window in seen], np.int64)
    users = sum(window.users for window in seen)
    return _Track(
        np.array([window.window for window in seen], np.int64),
        alarm.log_mixture(log_r, alarm.count_weights(part.to_rate / part.from_rate)),
        events,
        f"{count_text(int(events.sum()), 'user')} flagged for {part.hazard} in {count_text(users, 'visit')} of users",
    )


def _shares(watched: Watched, part: StreamRule) -> _Track:
    seen = [window for window in watched.uses or () if window.users]
    events = np.array([len(window.harmful) for window in seen], np.int64)
    people = count_text(sum(window.users for window in seen), "user")
    over = "" if part.window is None else f" observed for {span_text(part.window)} each"
    log_r = alarm.run(user_shares.log_factors(seen, part.from_rate))
    return _Track(
        np.array([window.window for window in seen], np.int64),
        alarm.log_mixture(log_r, alarm.share_weights(part.to_rate / part.from_rate, part.from_rate)),
        events,
        f"{count_text(int(events.sum()), 'user')} with harm of {part.hazard} among {people}{over}",
    )


def _newcomers(watched: Watched, part: StreamRule) -> _Track:
    seen = [window for window in watched.arrivals or () if window.came]
    events = np.array([window.unknown for window in seen], np.int64)
    factors = coverage.log_factors_shift([window.came for window in seen], events, part.from_rate)
    people = count_text(sum(window.came for window in seen), "newcomer")
    return _Track(
        np.array([window.window for window in seen], np.int64),
        alarm.log_mixture(alarm.run(factors), alarm.rise_weights(part.to_rate / part.from_rate)),
        events,
        f"{int(events.sum()):,} of {people} by {part.hazard} are of a kind that nobody was met of before",
    )


def _labels(watched: Watched, part: StreamRule) -> _Track:
    seen = [window for window in watched.labels if any(segment.requests for segment in window.look.segments)]
    stretches = [(at, segment) for at, window in enumerate(seen) for segment in window.look.segments]
    harms = [(at, harm) for at, window in enumerate(seen) for harm in window.look.harms]
    factors = alarm.log_factors_draws(
        [at for at, _ in stretches],
        [segment.requests for _, segment in stretches],
        [segment.pi0 for _, segment in stretches],
        [at for at, _ in harms],
        [harm.pi for _, harm in harms],
        [harm.pi0 for _, harm in harms],
        part.from_rate,
        looks=len(seen),
    )
    requests = sum(segment.requests for _, segment in stretches)
    return _Track(
        np.array([window.window for window in seen], np.int64),
        alarm.log_mixture(alarm.run(factors), alarm.rise_weights(part.to_rate / part.from_rate)),
        np.array([len(window.look.harms) for window in seen], np.int64),
        f"{count_text(len(harms), 'harm')} of {part.hazard} found in {count_text(requests, 'request')}",
    )


def _carried(track: _Track, grid: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the detector at each window of the grid; where it has nothing to look at it stays as it was."""
    last = np.searchsorted(track.windows, grid, side="right") - 1
    before = np.full(grid.size, -np.inf)
    return np.where(last >= 0, track.log_m[np.maximum(last, 0)], before) if track.windows.size else before


def _on(track: _Track, grid: NDArray[np.int64]) -> NDArray[np.int64]:
    events = np.zeros(grid.size, np.int64)
    events[np.searchsorted(grid, track.windows)] = track.events
    return events


def _sentence(rule: WatchRule, tracks: Sequence[_Track], looks: int, raised_at: int | None, *, watched: bool) -> str:
    span = span_text(rule.look_every)
    seen = f"{'; '.join(track.said for track in tracks)}, over {count_text(looks, f'window of {span}', f'windows of {span}')}"
    hazards = " and ".join(dict.fromkeys(part.about for part in rule.parts))
    learned = any(part.learn is not None and part.stream is Stream.FLAGGED_USERS for part in rule.parts)
    promise = f"a false alarm comes less than once in {span_text(rule.false_alarm_every)} on average"
    if learned:
        promise += f", if the usual week was learned rightly, which it was with probability {1 - flagged.LEARNED_DELTA:g}"
    if raised_at is not None:
        return f"{hazards} has risen: alarm at window {raised_at}, {seen}; {promise}."
    above = "; ".join(f"{rate_text(part.from_rate)} of {part.stream.value.replace('_', ' ')}" for part in rule.parts)
    if watched and rule.watch_every is not None:
        every = span_text(rule.watch_every)
        return f"{hazards} may be rising: {seen}; by chance this comes about once in {every}. Nothing happens yet."
    return f"No rise of {hazards} above {above} has been noticed: {seen}."
