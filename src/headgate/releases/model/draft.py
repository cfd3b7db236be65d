"""A draft: the text of a plan that somebody looks at before they carry it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

KEPT = timedelta(days=30)
"""How long a draft is kept after it was handed in last."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A text that may be a plan. It is named by its content, so that the name says what was looked at.

    Attributes:
        digest: Of the text, 64 hex digits.
        source: The text as it was handed in, whatever it holds.
        name: What it is called, usually its file.
        by: Who handed it in.
        at: When.
    """

    digest: str
    source: bytes = field(repr=False)
    name: str
    by: str
    at: datetime
