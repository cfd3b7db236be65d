"""How a page writes a time, a span, a number: one way each, everywhere.

A time carries its zone and stands in a ``<time>`` element, so that a browser may add the reader's own; a number carries its unit
or its count. What is not known is written as a dash with a word for those who hear the page.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from math import floor, log10
from typing import TYPE_CHECKING

from markupsafe import Markup

from headgate.kernel.units import span_text

if TYPE_CHECKING:
    from datetime import datetime

UNKNOWN = Markup(
    '<span class="unknown" title="not known"><span aria-hidden="true">&ndash;</span><span class="heard">not known</span></span>'
)
_THOUSAND = 1000
_HUNDRED_THOUSAND = 100_000


def when(at: datetime | None) -> Markup:
    """Return an instant, to the minute, in UTC."""
    if at is None:
        return UNKNOWN
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat(timespec="seconds"), utc.strftime("%Y-%m-%d %H:%M UTC"))


def day(at: datetime | None) -> Markup:
    """Return the day of an instant, in UTC."""
    if at is None:
        return UNKNOWN
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(utc.date().isoformat(), utc.strftime("%Y-%m-%d"))


def span(lasts: timedelta | float | None) -> str | Markup:
    """Return how long something lasts: ``2d04h``. A number is in seconds."""
    if lasts is None:
        return UNKNOWN
    return span_text(lasts if isinstance(lasts, timedelta) else timedelta(seconds=lasts))


def count(number: float | None) -> str | Markup:
    """Return a count with its thousands set apart: ``61,204``; from a hundred thousand on, to three digits: ``1.24 M``."""
    if number is None:
        return UNKNOWN
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (_THOUSAND, "k")):
        if abs(number) >= max(size, _HUNDRED_THOUSAND):
            return f"{number / size:.3g} {unit}"
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.3g}"


def share(number: float | None) -> str | Markup:
    """Return a rate or a share in per cent, to two digits that count: ``0.18 %``, ``12 %``, ``0.0042 %``."""
    if number is None:
        return UNKNOWN
    percent = 100 * number
    if percent == 0:
        return "0 %"
    digits = max(0, 1 - floor(log10(abs(percent))))
    return f"{percent:.{digits}f} %"


def words(name: str) -> str:
    """Return a name of the code or of a plan for people: ``cyber_misuse`` is read as ``cyber misuse``."""
    return name.replace("_", " ")
