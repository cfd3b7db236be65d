"""Labelled traffic, as claims and alarms read it: who was drawn with which probability, and which harms stand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

D_MAX = timedelta(days=14)
"""How long a sampled exchange may stay unresolved before it counts as harm."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of consecutive draws under one floor probability."""

    requests: int
    pi0: float


@dataclass(frozen=True, slots=True)
class Harm:
    """A harm that stands, with the probabilities it was drawn under."""

    pi: float
    pi0: float


@dataclass(frozen=True, slots=True)
class LabelledTraffic:
    """All that a claim about realised traffic needs to know of one epoch and hazard.

    Attributes:
        epoch: Which epoch.
        hazard: Which hazard.
        segments: The draws up to the frontier, as runs of equal ``pi0``.
        harms: The harms among them: confirmed, unreviewable, or unresolved for longer than ``D_MAX``.
        labels: How many sampled draws up to the frontier are resolved (all of them, by its definition).
        pending: Sampled draws anywhere in the epoch that still wait and are not yet overdue.
        frontier: How many draws come before the first one that still waits, for its coin or for its label.
        drawn: How many draws there are.
        uniform: Whether the epoch's design draws every exchange with the floor alone, so that no score steers the sample. It is
            the design and not the data that says so: a method chosen by the data could be wrong twice as often.
    """

    epoch: str
    hazard: str
    segments: tuple[Segment, ...]
    harms: tuple[Harm, ...]
    labels: int
    pending: int
    frontier: int
    drawn: int
    uniform: bool


@dataclass(frozen=True, slots=True)
class LookData:
    """The draws of one closed window of time, for a rise alarm that replays the windows in order.

    Draws count in the window in which they were *recorded*, whether or not their labels are in; a harm counts in its draw's
    window from the moment it stands; whatever still waits, or could not be reviewed, counts as no harm here. Windows and
    draws are fixed before any label is, so with every label known the product over a window of ``1 + lambda (Z - r0)`` has
    conditional mean at most one under a rate of at most ``r0``; a missing label only ever lowers it. So the alarm computed
    from what is known now never runs ahead of the one computed from everything: label delay, informative or not, can delay an
    alarm and cannot cause one. A late harm changes an earlier window: replay from the first window, which costs one row per
    window and per harm.

    Attributes:
        requests: Draws in the window.
        segments: The same draws as runs of equal ``pi0``.
        harms: The harms among them that stand.
        upto_label_seq: The newest label that was taken into account.
        upto_position: The window's last draw.
        closed_at: The window's end.
    """

    requests: int
    segments: tuple[Segment, ...]
    harms: tuple[Harm, ...]
    upto_label_seq: int
    upto_position: int
    closed_at: datetime
