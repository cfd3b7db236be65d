"""Tripwires: what stops a stage at once, whatever its gates say.

A rise may be watched on several streams and in several steps. A milder step sounds earlier and oftener; the wire itself is
the last step. Wires of one stage that name the same budget are one alarm: their evidence is added up, and together they raise a
false alarm as seldom as one of them would.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from headgate.releases.model.conditions import Condition, Part
from headgate.releases.model.scalars import Chance, Name, Span, read_span
from headgate.releases.model.words import Reaction, Severity


class Stream(Enum):
    """What a rise is looked for in."""

    LABELS = "labels"
    """Labels of drawn exchanges: what reviewers found, weighed by how likely each was to be drawn."""
    FLAGGED_USERS = "flagged_users"
    """Users whom a detector flags: sooner than any reviewer, and only for what detectors see."""


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


class RiseWire(Condition):
    """A hazard's rate has risen.

    Attributes:
        hazard: Which hazard.
        of: What the rise is looked for in.
        from_: The rate that is tolerated: harms per exchange, or the share of a window's users who are flagged in it.
        to: The rate that the wire is sharpest at.
        learn: For flagged users: how long it learns what is usual in each hour of the week; ``from`` alone holds until then,
            and stays the most that is tolerated.
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
    false_alarm_every: Span
    look_every: Span = read_span("1h")
    earlier: Earlier | None = None
    budget: Name | None = None
    then: Reaction

    @property
    def id(self) -> str:
        """Return its name within the stage."""
        stream = "" if self.of is Stream.LABELS else f".{self.of.value}"
        return f"{self.kind}.{self.hazard}{stream}.{self.then.value}"

    @property
    def steps(self) -> tuple[RiseWire, ...]:
        """Return each step as a wire of its own, the mildest first and this one last."""
        milder = () if self.earlier is None else self.earlier.steps
        watch = None if self.earlier is None or self.earlier.watch is None else Earlier(watch=self.earlier.watch)
        each = [(reaction, every) for reaction, every in milder if reaction is not self.then]
        return tuple(
            self.model_copy(update={"then": reaction, "false_alarm_every": every, "earlier": watch})
            for reaction, every in (*each, (self.then, self.false_alarm_every))
        )


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


Tripwire: TypeAlias = Annotated[RiseWire | MissingWire | IncidentWire | MonitorDownWire, Field(discriminator="kind")]
"""One stop rule."""
OF_EPOCH = frozenset({"rise", "missing", "holdback"})
"""Kinds of tripwire that speak of one stage's epoch: resuming begins it afresh, and so answers them."""


def stepped(wires: tuple[Tripwire, ...]) -> tuple[Tripwire, ...]:
    """Return a stage's tripwires with every step of a rise as a wire of its own."""
    return tuple(step for wire in wires for step in (wire.steps if isinstance(wire, RiseWire) else (wire,)))
