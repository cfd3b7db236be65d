"""The values of alarms on several streams: what each watches, window by window, and what they say together.

A window has its number, counted from the beginning of the epoch, so that streams that look at different things take their
looks at the same instants. Nobody is named here: users are counted before they get this far.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta  # noqa: TC003 - the codec in ``wire`` resolves these annotations
from enum import Enum

from headgate.evidence.model import Look  # noqa: TC001 - as above
from headgate.evidence.model.users import CleanUsers, HarmfulUser  # noqa: TC001 - as above


class Stream(Enum):
    """What a rise is looked for in."""

    LABELS = "labels"
    """Labels of drawn requests."""
    FLAGGED_USERS = "flagged_users"
    """Distinct users whom a detector flags."""
    USER_SHARES = "user_shares"
    """Users, each by the share of harm in a window of their use."""
    NEWCOMERS = "newcomers"
    """Users who come for the first time, told apart by what they are."""


@dataclass(frozen=True, slots=True)
class LabelWindow:
    """The labels of one closed window.

    Attributes:
        window: Its number in the epoch, from 0.
        look: What was drawn in it and found harmful.
    """

    window: int
    look: Look


@dataclass(frozen=True, slots=True)
class UserWindow:
    """The users of one closed window.

    Attributes:
        window: Its number in the epoch, from 0.
        hour: The hour of the week, in UTC, in which it began; Monday 00:00 is 0.
        users: Distinct users with traffic in it.
        flagged: How many of them a detector flagged for the hazard, each counted once in a week at most: a user who stays is
            one event, not one in each window.
    """

    window: int
    hour: int
    users: int
    flagged: int


@dataclass(frozen=True, slots=True)
class UseWindow:
    """The users whose time of observation was over in one closed window.

    Attributes:
        window: Its number in the epoch, from 0.
        clean: Those in whose use no harm stands, by their floor.
        harmful: The others. What nobody could tell is no harm here: it can only delay an alarm.
    """

    window: int
    clean: tuple[CleanUsers, ...]
    harmful: tuple[HarmfulUser, ...]

    @property
    def users(self) -> int:
        """Return how many they are."""
        return sum(group.users for group in self.clean) + len(self.harmful)


@dataclass(frozen=True, slots=True)
class ArrivalWindow:
    """The users who came in one closed window, for the first time in the epoch.

    Attributes:
        window: Its number in the epoch, from 0.
        came: How many.
        unknown: How many of them belong to a stratum of which nobody was met before: not on the release's earlier stages, and
            not while the alarm learned.
    """

    window: int
    came: int
    unknown: int


@dataclass(frozen=True, slots=True)
class ScoreWindow:
    """How completely one closed window was looked at.

    Attributes:
        window: Its number in the epoch, from 0.
        requests: Requests in it.
        unscored: How many of them no detector could score.
    """

    window: int
    requests: int
    unscored: int


@dataclass(frozen=True, slots=True)
class StreamRule:
    """What one stream watches for.

    Attributes:
        stream: What is looked at.
        hazard: The kind of harm; of newcomers, by what they are told apart, such as ``language``.
        from_rate: What is no cause for alarm: harms per request, the share of a window's users who are flagged in it, the mean
            over users of each one's share of harm, or the share of newcomers of unknown strata.
        to_rate: What it is sharpest at, above ``from_rate``.
        learn: For flagged users: the span at the epoch's beginning from which each hour's usual share is learned, as an upper
            bound. Learned bounds only ever lower what is tolerated. For newcomers: the span in which strata become known.
        window: For shares: how long each user is observed, from when they were first seen.
    """

    stream: Stream
    hazard: str
    from_rate: float
    to_rate: float
    learn: timedelta | None
    window: timedelta | None = None

    @property
    def about(self) -> str:
        """Return what it is about, in words."""
        return f"the share of people of unknown {self.hazard}" if self.stream is Stream.NEWCOMERS else self.hazard


@dataclass(frozen=True, slots=True)
class WatchRule:
    """When an alarm on one or several streams is to be raised.

    Attributes:
        parts: The streams; each has the same share of the one false alarm.
        false_alarm_every: Mean time between false alarms of all of them together: at least this.
        look_every: The length of a window.
        watch_every: A mean time between false alarms at which it is only said that something may be coming.
    """

    parts: tuple[StreamRule, ...]
    false_alarm_every: timedelta
    look_every: timedelta
    watch_every: timedelta | None


@dataclass(frozen=True, slots=True)
class Watched:
    """The windows of one stream; those of the other kinds are empty, or absent."""

    labels: tuple[LabelWindow, ...] = ()
    users: tuple[UserWindow, ...] = ()
    uses: tuple[UseWindow, ...] | None = None
    arrivals: tuple[ArrivalWindow, ...] | None = None


@dataclass(frozen=True, slots=True)
class WatchReading:
    """What the streams say together.

    Attributes:
        windows: Windows with anything to look at.
        events: Harms found, users flagged or found harmful, and newcomers of unknown strata.
        log_m: The log of the shared detector now; ``None`` before the first look.
        threshold_log_m: What it must reach.
        raised_at: The window at which the alarm was raised, counted from 1; ``None`` when at none.
        watched: Whether the detector now stands above what ``watch_every`` asks for.
        sentence: The reading in one sentence.
    """

    windows: int
    events: int
    log_m: float | None
    threshold_log_m: float
    raised_at: int | None
    watched: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class MissingRule:
    """How much traffic may go without a score.

    Attributes:
        at_most: The share of requests over ``over``.
        over: How far back that share is taken.
        usual: The mean share that is no cause for alarm, below ``at_most``.
        false_alarm_every: Mean time between false alarms while the share keeps to ``usual``: at least this.
        look_every: The length of a window.
    """

    at_most: float
    over: timedelta
    usual: float
    false_alarm_every: timedelta
    look_every: timedelta


@dataclass(frozen=True, slots=True)
class MissingReading:
    """How completely the traffic was looked at.

    Attributes:
        requests: Requests in the last ``over``.
        unscored: Those among them without a score.
        spoilt: Whether their share exceeds what is tolerated, now.
        log_m: The log of the detector now; ``None`` before the first look.
        threshold_log_m: What it must reach.
        raised_at: The window at which the alarm was raised, counted from 1; ``None`` when at none.
        sentence: The reading in one sentence.
    """

    requests: int
    unscored: int
    spoilt: bool
    log_m: float | None
    threshold_log_m: float
    raised_at: int | None
    sentence: str

    @property
    def tripped(self) -> bool:
        """Whether anything is the matter."""
        return self.spoilt or self.raised_at is not None
