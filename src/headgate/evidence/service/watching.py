"""Watching several streams for a rise, and the traffic for missing scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.evidence import wire
from headgate.evidence.decide import malformed_windows
from headgate.evidence.decide.missing import read_missing
from headgate.evidence.decide.watch import read_watch
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model.alarms import Stream, Watched
from headgate.evidence.service.bells import Bell, Bells
from headgate.evidence.wire import alarms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.evidence.model import Measured
    from headgate.evidence.model.alarms import MissingReading, MissingRule, ScoreWindow, StreamRule, WatchReading, WatchRule
    from headgate.evidence.ports import Records, Streams
    from headgate.kernel.clock import Clock


class Watching:
    """Answers whether anything has risen, or gone unseen.

    Args:
        streams: What is watched.
        records: Where readings and alarms are kept.
        clock: The time.
    """

    def __init__(self, streams: Streams, records: Records, clock: Clock) -> None:
        self._streams = streams
        self._bells = Bells(records, clock)

    def watch(self, epoch: str, tripwire: str, rule: WatchRule) -> Measured[WatchReading]:
        """Return what the epoch's streams say of a rise, now, or what they said when they raised the alarm.

        Args:
            epoch: The epoch that is watched.
            tripwire: The alarm's name in the plan.
            rule: Its rule, the same in every call.

        Raises:
            RuleChanged: The rule is not the one that the watch began with.
            NotEvidence: The rule, or a window, contradicts itself.
            headgate.kernel.errors.Unavailable: A stream or the store does not answer; nothing was changed.
        """
        if wrong := malformed_windows.in_watch_rule(rule):
            raise NotEvidence(f"The alarm's rule contradicts itself. {wrong}")

        def read(watched: tuple[Watched, ...]) -> tuple[WatchReading, Mapping[str, Any]]:
            return read_watch(watched, rule), alarms.watch_inputs(watched, rule)

        about = ", ".join(dict.fromkeys(part.about for part in rule.parts))
        return self._bells.hear(
            Bell(
                epoch=epoch,
                tripwire=tripwire,
                rule=wire.encode(rule),
                about=about,
                look=lambda: tuple(self._watched(epoch, part, rule) for part in rule.parts),
                read=read,
                raised=lambda reading: reading.raised_at is not None,
                replay=alarms.replay_watch,
            )
        )

    def missing(self, epoch: str, tripwire: str, rule: MissingRule) -> Measured[MissingReading]:
        """Return how completely the epoch's traffic was looked at, now, or when the alarm was raised.

        A share that is too low for the moment is said and not kept: it may recover. Only the alarm stays.

        Raises:
            RuleChanged: The rule is not the one that the watch began with.
            NotEvidence: The rule, or a window, contradicts itself.
            headgate.kernel.errors.Unavailable: The stream or the store does not answer; nothing was changed.
        """
        if wrong := malformed_windows.in_missing_rule(rule):
            raise NotEvidence(f"The rule about missing scores contradicts itself. {wrong}")

        def read(windows: tuple[ScoreWindow, ...]) -> tuple[MissingReading, Mapping[str, Any]]:
            return read_missing(windows, rule), alarms.missing_inputs(windows, rule)

        return self._bells.hear(
            Bell(
                epoch=epoch,
                tripwire=tripwire,
                rule=wire.encode(rule),
                about="missing scores",
                look=lambda: tuple(self._streams.scores(epoch, rule.look_every)),
                read=read,
                raised=lambda reading: reading.raised_at is not None,
                replay=alarms.replay_missing,
            )
        )

    def _watched(self, epoch: str, part: StreamRule, rule: WatchRule) -> Watched:
        match part.stream:
            case Stream.LABELS:
                return Watched(labels=tuple(self._streams.labels(epoch, part.hazard, rule.look_every)))
            case Stream.FLAGGED_USERS:
                return Watched(users=tuple(self._streams.users(epoch, part.hazard, rule.look_every)))
            case Stream.USER_SHARES:
                assert part.window is not None  # a rule without one was refused
                return Watched(uses=tuple(self._streams.uses(epoch, part.hazard, rule.look_every, part.window)))
            case Stream.NEWCOMERS:
                return Watched(arrivals=tuple(self._streams.arrivals(epoch, part.hazard, rule.look_every, part.learn)))
