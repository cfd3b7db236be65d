"""What a changed number, span, rate or list does to how far a model is open.

Where a bound is left out there is no bound, so leaving it out is the wider thing; where two readings are possible, the
wider one is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias, cast

from headgate.kernel.units import Rate
from headgate.releases.model.findings import Path

if TYPE_CHECKING:
    from datetime import timedelta


class Effect(Enum):
    """What a change does to how far the model is open."""

    WIDENING = "widening"
    NARROWING = "narrowing"
    NEUTRAL = "neutral"


class Axis(Enum):
    """Which side of the release a change is on."""

    AUDIENCE = "audience"
    SURFACE = "surface"
    CAPABILITY = "capability"
    AMOUNT = "amount"
    OVERSIGHT = "oversight"
    PLAN = "plan"


Found: TypeAlias = Iterator[tuple[Path, Effect, Axis, str]]
"""Differences: the path, the effect, the side, and a sentence."""
WIDER, NARROWER, NEUTRAL = Effect.WIDENING, Effect.NARROWING, Effect.NEUTRAL


def bound(
    path: Path,
    axis: Axis,
    what: str,
    old: float | None,
    new: float | None,
    *,
    more: Effect = WIDER,
    none: Effect | None = None,
) -> Found:
    """Yield the change of a number; ``None`` is no bound at all, which counts as more unless ``none`` says otherwise."""
    if old == new:
        return
    less = NARROWER if more is WIDER else WIDER
    if new is None:
        effect = more if none is None else none
    elif old is None:
        effect = less if none is None else (NARROWER if none is WIDER else WIDER)
    else:
        effect = more if new > old else less
    yield path, effect, axis, f"{what}: {said_of(new)} instead of {said_of(old)}"


def span(path: Path, what: str, old: timedelta | None, new: timedelta | None, *, longer: Effect = WIDER) -> Found:
    """Yield the change of a span of time."""
    if old == new:
        return
    shorter = {WIDER: NARROWER, NARROWER: WIDER, NEUTRAL: NEUTRAL}[longer]
    if old is None or new is None:
        # without a wait there is no wait, and without a silence that steps down nothing steps down
        given, dropped = (NEUTRAL, NEUTRAL) if longer is NEUTRAL else (NARROWER, WIDER)
        effect = given if old is None else dropped
    else:
        effect = longer if new > old else shorter
    yield path, effect, Axis.OVERSIGHT, f"{what}: {said_of(new)} instead of {said_of(old)}"


def pace(path: Path, axis: Axis, what: str, old: Rate | None, new: Rate | None) -> Found:
    """Yield the change of a rate; ``None`` is no bound at all."""
    if old == new:
        return
    if new is None or old is None:
        effect = WIDER if new is None else NARROWER
    else:
        # more in a day, or more at once: either is wider
        effect = WIDER if new.per_day() > old.per_day() or new.count > old.count else NARROWER
    yield path, effect, axis, f"{what}: {said_of(new)} instead of {said_of(old)}"


def words(
    key: str,
    old: Sequence[Enum],
    new: Sequence[Enum],
    axis: Axis,
    said: str,
    *,
    inside: Path = (),
    fewer_is: Effect = NARROWER,
    more_is: Effect | None = None,
) -> Found:
    """Yield what a list gained and lost: fewer words are narrower and more are wider, unless said otherwise."""
    more_is = more_is or (WIDER if fewer_is is NARROWER else NARROWER)
    path = (*inside, key)
    for word in dict.fromkeys(old):
        if word not in new:
            yield (
                path,
                fewer_is,
                axis,
                f"`{word.value}` no longer {said}" if not said.startswith("is ") else f"`{word.value}` is no longer {said[3:]}",
            )
    for word in dict.fromkeys(new):
        if word not in old:
            yield path, more_is, axis, f"`{word.value}` {said}"
    if old != new and set(old) == set(new):
        # twice the same right is one right, but twice the same role is two signatures
        same = len(new) == len(old) or fewer_is is NARROWER
        effect = NEUTRAL if same else fewer_is if len(new) < len(old) else more_is
        yield path, effect, axis, f"`{key}` is listed anew"


def said_of(value: object) -> str:
    """Return a value as people write it in a plan."""
    match value:
        case None:
            return "none"
        case Enum():
            return str(value.value)
        case Rate() | bool():
            return str(value)
        case int() | float():
            return f"{value:,}" if isinstance(value, int) else f"{value:g}"
        case _:
            return _span_said(cast("timedelta", value))


def _span_said(length: timedelta) -> str:
    """Return a span as a plan writes it: ``365d``, ``72h``, ``15m``."""
    seconds = int(length.total_seconds())
    unit, size = next(((unit, size) for unit, size in (("d", 86400), ("h", 3600), ("m", 60)) if seconds % size == 0), ("s", 1))
    return f"{seconds // size}{unit}"
