"""Who sits at the terminal, and the access that they act on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import typer

from headgate.kernel.units import parse_span

if TYPE_CHECKING:
    from headgate.access.service import Access
    from headgate.kernel.actor import Actor


@dataclass(frozen=True, slots=True)
class Session:
    """What a verb needs.

    Attributes:
        access: The use cases.
        by: Who acts.
        origin: Where browsers reach this installation.
    """

    access: Access
    by: Actor
    origin: str


def span(text: str | None) -> timedelta | None:
    """Read a span such as ``90d``.

    Raises:
        typer.BadParameter: It is not one.
    """
    if text is None:
        return None
    try:
        return timedelta(0) if text.strip() == "0" else parse_span(text)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None


def instant(text: str, *, now: datetime) -> datetime:
    """Read a date, an instant, or a span counted from now.

    Raises:
        typer.BadParameter: It is none of them.
    """
    try:
        return now + parse_span(text)
    except ValueError:
        pass
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"not a date, an instant or a span: {text!r} (2027-03-01, 2027-03-01T12:00Z, 90d)") from None
    return read if read.tzinfo is not None else read.replace(tzinfo=now.tzinfo)
