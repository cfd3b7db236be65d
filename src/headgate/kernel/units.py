"""Quantities as people write them in a plan: ``200k``, ``14d``, ``30/min``, ``1.0e-3``.

A count takes the suffixes k, M and G (powers of ten); a span takes s, m, h, d and w; a rate is a count per span, with
``min``, ``hour``, ``day`` and ``week`` as words for the common ones.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import timedelta

_SCALES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_SPANS = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
    "w": 604800,
    "week": 604800,
}
_COUNT = re.compile(r"(\d+(?:\.\d+)?)([kMG]?)")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)?([a-z]+)")


@dataclass(frozen=True, slots=True)
class Rate:
    """A count per span.

    Attributes:
        count: How many.
        per_s: The span in seconds.
    """

    count: int
    per_s: int

    def __str__(self) -> str:
        unit = {60: "min", 3600: "hour", 86400: "day", 604800: "week", 1: "s"}.get(self.per_s, f"{self.per_s}s")
        return f"{self.count:,}/{unit}"

    def per_day(self) -> float:
        """Return the same rate as a count a day."""
        return self.count * 86400 / self.per_s


def parse_count(text: str | int) -> int:
    """Read a count such as ``40``, ``50k`` or ``1.5M``.

    Raises:
        ValueError: It is not one, is negative, or is not whole.
    """
    if isinstance(text, bool):
        raise ValueError("not a count: a truth value")  # noqa: TRY004 - callers catch one error for every bad spelling
    if isinstance(text, int):
        if text < 0:
            raise ValueError(f"not a count: {text} is negative")
        return text
    match = _COUNT.fullmatch(text.strip().replace("_", "").replace(",", ""))
    if match is None:
        raise ValueError(f"not a count: {text!r} (write 40, 50k or 1.5M)")
    value = float(match[1]) * _SCALES[match[2]]
    if not value.is_integer():
        raise ValueError(f"not a whole count: {text!r}")
    return int(value)


def parse_span(text: str) -> timedelta:
    """Read a span such as ``15m``, ``6h``, ``14d`` or ``2w``.

    Raises:
        ValueError: It is not one, or is longer than can be kept.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None or match[1] is None or match[2] not in _SPANS:
        raise ValueError(f"not a span of time: {text!r} (write 30s, 15m, 6h, 14d or 2w)")
    seconds = float(match[1]) * _SPANS[match[2]]
    if not math.isfinite(seconds) or seconds > 100 * 366 * 86400:
        raise ValueError(f"not a span of time: {text!r} is longer than a century")
    return timedelta(seconds=seconds)


def parse_rate(text: str) -> Rate:
    """Read a rate such as ``30/min``, ``200k/day`` or ``10/15m``.

    Raises:
        ValueError: It is not one.
    """
    count, slash, span = text.partition("/")
    match = _SPAN.fullmatch(span.strip())
    if not slash or match is None or match[2] not in _SPANS:
        raise ValueError(f"not a rate: {text!r} (write 30/min, 200k/day or 10/15m)")
    per_s = float(match[1] or 1) * _SPANS[match[2]]
    if not per_s.is_integer() or per_s < 1:
        raise ValueError(f"not a rate: {text!r} (the span must be whole seconds)")
    return Rate(parse_count(count), int(per_s))


def span_text(span: timedelta) -> str:
    """Return a span for people: ``2d04h``, ``3h12m``, ``45s``."""
    seconds = int(span.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, secs = divmod(rest, 60)
    if days:
        return f"{sign}{days}d{hours:02d}h"
    if hours:
        return f"{sign}{hours}h{minutes:02d}m"
    if minutes:
        return f"{sign}{minutes}m{secs:02d}s"
    return f"{sign}{secs}s"
