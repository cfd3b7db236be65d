"""What windows and the rules of their alarms must satisfy before anything is concluded from them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from headgate.evidence.decide import malformed
from headgate.evidence.decide.phrases import rate_text
from headgate.evidence.model.alarms import Stream
from headgate.stats.baseline import HOURS_A_WEEK

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from headgate.evidence.model.alarms import (
        ArrivalWindow,
        MissingRule,
        ScoreWindow,
        StreamRule,
        UserWindow,
        UseWindow,
        Watched,
        WatchRule,
    )


_LEARNING = frozenset({Stream.FLAGGED_USERS, Stream.NEWCOMERS})


def in_watch_rule(rule: WatchRule) -> str | None:
    """Return what is wrong with an alarm's rule, or ``None``."""
    if not rule.parts:
        return "An alarm that watches nothing is none."
    return (
        _pace(rule.false_alarm_every, rule.look_every)
        or (_pace(rule.watch_every, rule.look_every) if rule.watch_every is not None else None)
        or next(filter(None, map(_in_part, rule.parts)), None)
    )


def in_missing_rule(rule: MissingRule) -> str | None:
    """Return what is wrong with a rule about missing scores, or ``None``."""
    if not 0 < rule.usual < rule.at_most <= 1:
        return f"A usual share of {rate_text(rule.usual)} is not below the tolerated {rate_text(rule.at_most)}, within (0, 1]."
    if rule.over.total_seconds() <= 0:
        return "A share is taken over a positive span."
    return _pace(rule.false_alarm_every, rule.look_every)


def in_watched(watched: Watched, rule: StreamRule) -> str | None:
    """Return how the windows of a stream contradict themselves or their rule, or ``None``."""
    held = {
        Stream.LABELS: watched.labels,
        Stream.FLAGGED_USERS: watched.users,
        Stream.USER_SHARES: watched.uses,
        Stream.NEWCOMERS: watched.arrivals,
    }
    foreign = [stream.value for stream, windows in held.items() if windows and stream is not rule.stream]
    if foreign:
        return f"A stream of {_said(rule.stream.value)} has windows of {_said(foreign[0])}."
    match rule.stream:
        case Stream.LABELS:
            wrong = next(filter(None, (malformed.in_look(window.look) for window in watched.labels)), None)
        case Stream.FLAGGED_USERS:
            wrong = next(filter(None, map(_in_users, watched.users)), None)
        case Stream.USER_SHARES:
            wrong = next(filter(None, map(_in_uses, watched.uses or ())), None)
        case Stream.NEWCOMERS:
            wrong = next(filter(None, map(_in_arrivals, watched.arrivals or ())), None)
    return wrong or _in_order(window.window for window in held[rule.stream] or ())


def in_scores(windows: Iterable[ScoreWindow]) -> str | None:
    """Return how windows of scores contradict themselves, or ``None``."""
    windows = tuple(windows)
    for window in windows:
        if not 0 <= window.unscored <= window.requests:
            return f"{window.unscored:,} of {window.requests:,} requests went without a score."
    return _in_order(window.window for window in windows)


def _in_part(part: StreamRule) -> str | None:
    if not 0 < part.from_rate < part.to_rate <= 1:
        return f"A rise from {rate_text(part.from_rate)} to {rate_text(part.to_rate)} is none within (0, 1]."
    if part.learn is not None and (part.stream not in _LEARNING or part.learn.total_seconds() <= 0):
        return "Only flagged users have a usual week, and only newcomers known strata, learned over a positive span."
    if part.stream is Stream.USER_SHARES and (part.window is None or part.window.total_seconds() <= 0):
        return "A user's share is taken over a positive span of use."
    if part.stream is not Stream.USER_SHARES and part.window is not None:
        return "Only shares are taken over a span of use."
    return None


def _in_users(window: UserWindow) -> str | None:
    if not 0 <= window.flagged <= window.users:
        return f"{window.flagged:,} of {window.users:,} users were flagged."
    if not 0 <= window.hour < HOURS_A_WEEK:
        return f"A week has no hour {window.hour}."
    return None


def _in_uses(window: UseWindow) -> str | None:
    if any(user.doubtful for user in window.harmful):
        return "What nobody could tell is no harm to an alarm."
    return malformed.in_groups(window.clean, window.harmful)


def _in_arrivals(window: ArrivalWindow) -> str | None:
    if not 0 <= window.unknown <= window.came:
        return f"{window.unknown:,} of {window.came:,} newcomers are of unknown strata."
    return None


def _said(word: str) -> str:
    return word.replace("_", " ")


def _in_order(numbers: Iterable[int]) -> str | None:
    for before, after in pairwise((-1, *numbers)):
        if after <= before:
            return f"Window {after} does not follow window {before}."
    return None


def _pace(false_alarm_every: timedelta, look_every: timedelta) -> str | None:
    if not 0 < look_every.total_seconds() < false_alarm_every.total_seconds():
        return "The time between false alarms must be longer than the time between looks, and both positive."
    return None
