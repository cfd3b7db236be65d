"""Limits: how much a holder may use, and how that stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from headgate.kernel.words import Word

if TYPE_CHECKING:
    from headgate.kernel.units import Rate


class Holder(Word):
    """Whose a limit is, narrowest first."""

    END_USER = "end_user"
    """A person behind a grant, as the grant's own application names them; those whom nobody names are one person together."""
    GRANT = "grant"
    ACCOUNT = "account"
    ORGANISATION = "organisation"
    """An account that belongs to none stands for itself."""
    COHORT = "cohort"


class Unit(Word):
    """What a meter counts."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    TOTAL_TOKENS = "total_tokens"
    CONCURRENCY = "concurrency"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one holder may use; ``None`` is no limit of that kind.

    Attributes:
        requests: Requests admitted per window; windows are aligned to the clock.
        tokens: Tokens (prompt and completion) per window.
        total_tokens: Tokens over the holder's life under the release.
        concurrency: Exchanges in flight at one time, over all workers.
    """

    requests: Rate | None = None
    tokens: Rate | None = None
    total_tokens: int | None = None
    concurrency: int | None = None


class Ceiling(NamedTuple):
    """One limit of one kind of holder, as decisions read it.

    Attributes:
        holder: Whose.
        unit: What is counted.
        limit: The most that may be in use.
        window_s: Length of its window in seconds; 0 for one that never starts afresh.
        name: What its count is called beside its holder: ``:tokens:86400``.
    """

    holder: Holder
    unit: Unit
    limit: int
    window_s: int
    name: str


class Meter(NamedTuple):
    """One limit of one holder.

    Attributes:
        scope: Who and what it counts for, unique: ``grant:grt_…:tokens:86400``.
        unit: What it counts.
        limit: The most that may be in use.
        window_s: Length of its window in seconds; 0 for a meter that never starts afresh.
        holder: Whose limit it is.
    """

    scope: str
    unit: Unit
    limit: int
    window_s: int
    holder: Holder = Holder.GRANT


class Standing(NamedTuple):
    """How one limit stands for a caller's information.

    Attributes:
        unit: What it counts.
        limit: The most that may be used in a window.
        remaining: What all workers together could still admit at some instant of the request that is told so, or less.
        reset_s: Seconds until the window ends.
    """

    unit: Unit
    limit: int
    remaining: int
    reset_s: float
