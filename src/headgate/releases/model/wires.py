"""Tripwires: what stops a stage at once, whatever its gates say.

A rise may be watched on several streams and in several steps. A milder step sounds earlier and oftener; the wire itself is
the last step. Wires of one stage that name the same budget are one alarm: their evidence is added up, and together they raise a
false alarm as seldom as one of them would. So are a hazard that rises and people who come from where nobody came before.
"""

from __future__ import annotations

import math
from datetime import timedelta
from enum import Enum
from typing import Annotated, Any, Literal, Self, TypeAlias, cast

from pydantic import Field, model_validator

from headgate.releases.model.conditions import Condition, Part
from headgate.releases.model.scalars import Chance, Name, Span, read_span
from headgate.releases.model.words import Reaction, Severity


class Stream(Enum):
    """What a rise is looked for in."""

    LABELS = "labels"
    """Labels of drawn exchanges: what reviewers found, weighed by how likely each was to be drawn."""
    FLAGGED_USERS = "flagged_users"
    """Users whom a detector flags: sooner than any reviewer, and only for what detectors see."""
    USER_SHARES = "user_shares"
    """Users, each once, by the share of harm in their first use: one busy person is one person."""


class Earlier(Part):
    """Milder steps before the wire's own, each with its own time between false alarms.

    Attributes:
        watch: The status says so, and nothing else happens.
        hold: The release is held.
        narrow: The release steps down a stage.
    """

    watch: Span | None = None
    hold: Span | None = None
    narrow: Span | None = None

    @property
    def steps(self) -> tuple[tuple[Reaction, Span], ...]:
        """Return the steps that do something, mildest first."""
        both = ((Reaction.HOLD, self.hold), (Reaction.NARROW, self.narrow))
        return tuple((reaction, every) for reaction, every in both if every is not None)


class Rising(Condition):
    """An alarm with a stated time between false alarms.

    Attributes:
        false_alarm_every: How long it runs without a rise before a false alarm, on average, at least.
        look_every: How often it looks.
        earlier: Milder steps that come first.
        budget: Wires of the stage with the same word here share one false alarm.
        then: What happens.
    """

    false_alarm_every: Span
    look_every: Span = read_span("1h")
    earlier: Earlier | None = None
    budget: Name | None = None
    then: Reaction

    @property
    def steps(self) -> tuple[Self, ...]:
        """Return each step as a wire of its own, the mildest first and this one last."""
        milder = () if self.earlier is None else self.earlier.steps
        watch = None if self.earlier is None or self.earlier.watch is None else Earlier(watch=self.earlier.watch)
        each = [(reaction, every) for reaction, every in milder if reaction is not self.then]
        return tuple(
            self.model_copy(update={"then": reaction, "false_alarm_every": every, "earlier": watch})
            for reaction, every in (*each, (self.then, self.false_alarm_every))
        )


class RiseWire(Rising):
    """A hazard's rate has risen.

    Attributes:
        hazard: Which hazard.
        of: What the rise is looked for in.
        from_: The rate that is tolerated: harms per exchange, the share of a window's users who are flagged in it, or the mean,
            over users, of each one's share of harm.
        to: The rate that the wire is sharpest at.
        learn: For flagged users: how long it learns what is usual in each hour of the week; ``from`` alone holds until then,
            and stays the most that is tolerated.
        window: Of users' shares: how long each one is observed, from when they were first seen; 7d when left out.
        false_alarm_every: How long it runs without a rise before a false alarm, on average, at least.
        look_every: How often it looks.
        earlier: Milder steps that come first.
        budget: Wires of the stage with the same word here share one false alarm.
        then: What happens.
    """

    kind: Literal["rise"] = "rise"
    hazard: Name
    of: Stream = Stream.LABELS
    from_: Annotated[Chance, Field(alias="from")]
    to: Chance
    learn: Span | None = None
    window: Span | None = None

    @model_validator(mode="before")
    @classmethod
    def _spelled(cls, value: Any) -> Any:
        """Spell the window of a wire on users' shares out, so that it is part of what the wire asks; other streams have none."""
        if isinstance(value, dict) and cast("dict[str, Any]", value).get("of") in (Stream.USER_SHARES, Stream.USER_SHARES.value):
            return {"window": "7d", **cast("dict[str, Any]", value)}
        return cast("object", value)

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        stream = "" if self.of is Stream.LABELS else f".{self.of.value}"
        return f"{self.kind}.{self.hazard}{stream}.{self.then.value}"


class ShiftWire(Rising):
    """People come from where nobody came before: what was shown of others says little of them.

    Known are the strata of everybody who came to the release before the stage opened, and of those who come while it learns.
    People are told apart by what they declare. In each respect it is a stream of its own; all of them share the false alarm.

    Attributes:
        of: What people are told apart by.
        above: The share of newcomers of unknown strata that is tolerated.
        to: The share that the wire is sharpest at; the geometric mean of ``above`` and one when left out.
        learn: How long strata become known after the stage has opened; not at all when left out.
        false_alarm_every: How long it runs without a shift before a false alarm, on average, at least.
        look_every: How often it looks.
        earlier: Milder steps that come first.
        budget: Wires of the stage with the same word here share one false alarm.
        then: What happens.
    """

    kind: Literal["shift"] = "shift"
    of: Annotated[tuple[Name, ...], Field(min_length=1)]
    above: Chance
    to: Chance | None = None
    learn: Span | None = None

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return f"{self.kind}.{'.'.join(self.of)}.{self.then.value}"

    @property
    def sharpest_at(self) -> float:
        """Return the share that it is sharpest at."""
        return math.sqrt(self.above) if self.to is None else self.to

    @property
    def learns(self) -> timedelta:
        """Return how long strata become known."""
        return timedelta(0) if self.learn is None else self.learn


class MissingWire(Condition):
    """Too many exchanges were served without being scored: what is not looked at cannot be found.

    Attributes:
        at_most: The share that may go without a score.
        over: Over how long that share is taken.
        usual: The share that is usual; a rise above it sounds before ``over`` is spoilt.
        false_alarm_every: How long the latter runs before a false alarm, on average, at least.
        look_every: How often it looks.
        then: What happens.
    """

    kind: Literal["missing"] = "missing"
    at_most: Chance = 5e-3
    over: Span = read_span("24h")
    usual: Chance = 1e-3
    false_alarm_every: Span = read_span("90d")
    look_every: Span = read_span("1h")
    then: Reaction = Reaction.HOLD

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return self.kind


class IncidentWire(Condition):
    """An incident of this severity or a worse one is opened.

    Attributes:
        severity: The least severity that trips it.
        then: What happens.
    """

    kind: Literal["incident"] = "incident"
    severity: Severity
    then: Reaction

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return f"{self.kind}.{self.severity.value}"


class MonitorDownWire(Condition):
    """A monitor has been silent.

    Attributes:
        for_: How long.
        then: What happens at once.
        narrow_after: How long the silence lasts before the release steps down a stage.
    """

    kind: Literal["monitor_down"] = "monitor_down"
    for_: Annotated[Span, Field(alias="for")]
    then: Reaction
    narrow_after: Span | None = None

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        return self.kind


Tripwire: TypeAlias = Annotated[RiseWire | ShiftWire | MissingWire | IncidentWire | MonitorDownWire, Field(discriminator="kind")]
"""One stop rule."""
OF_EPOCH = frozenset({"rise", "shift", "missing", "holdback"})
"""Kinds of tripwire that speak of one stage's epoch: resuming begins it afresh, and so answers them."""


def paid_from(wires: tuple[Tripwire, ...], budget: str | None) -> int:
    """Return how many streams share a false alarm; none where there is no budget."""
    alarms = (wire for wire in wires if isinstance(wire, RiseWire | ShiftWire))
    sharing = [wire for wire in alarms if budget is not None and wire.budget == budget]
    return sum(len(wire.of) if isinstance(wire, ShiftWire) else 1 for wire in sharing)


def stepped(wires: tuple[Tripwire, ...]) -> tuple[Tripwire, ...]:
    """Return a stage's tripwires with every step of an alarm as a wire of its own."""
    steps = (wire.steps if isinstance(wire, RiseWire | ShiftWire) else (wire,) for wire in wires)
    return tuple(step for each in steps for step in each)
