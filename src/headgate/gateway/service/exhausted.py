"""What a caller is told whose request meets a limit: whose limit it is, what would help, and no number that is not theirs.

How much a whole cohort may use and has used says how busy strangers are, so of that limit only the fact is told.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from headgate.gateway import errors
from headgate.gateway.model import Holder, Refusal, Unit
from headgate.kernel.errors import Limited

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.gateway.model import Admitted, Meter, StageRule, Standing

_WHOSE = {
    Holder.END_USER: "this end user's",
    Holder.GRANT: "this grant's",
    Holder.ACCOUNT: "your account's",
    Holder.ORGANISATION: "your organisation's",
    Holder.COHORT: "this stage's common",
}
_NAMELESS = " Requests that name no end user share one limit: name each in safety_identifier, user or metadata.user_id."


def exhausted(meter: Meter, left: int, reset_s: float | None, *, need: int, standings: Iterable[Standing] = ()) -> Refusal:
    """Return the refusal of a request for which a limit leaves too little.

    Args:
        meter: The limit.
        left: What is left of it.
        reset_s: Seconds until its window ends; ``None`` where it has none.
        need: What the request needs.
        standings: How the limits stand, as far as that is known.
    """
    return Refusal(_error(meter, max(0, left), reset_s, need=need), standings=tuple(standings), meter=meter)


def with_holdback(refusal: Refusal, admitted: Admitted) -> Refusal:
    """Return the refusal with why others have more, where the caller is held back and met a limit that is narrower for that."""
    error, meter = refusal.error, refusal.meter
    if admitted.held_back is None or meter is None or not isinstance(error, Limited):
        return refusal
    others, until = admitted.held_back
    ours, theirs = _most(admitted.rule, meter), _most(others, meter)
    if ours is not None and theirs is not None and theirs <= ours:
        return refusal
    told = type(error)(
        f"{error.message} Until {until:%Y-%m-%d %H:%M} UTC this account keeps the limits of the stage before, and others have"
        " more: it was drawn by lot, so that what the new access does can be told from everything else.",
        retry_after_s=error.retry_after_s,
        rule=f"stage {others.stage}, holdback, {error.rule}",
        help=error.help,
        link=error.link,
    )
    return replace(refusal, error=told)


def _most(rule: StageRule, meter: Meter) -> int | None:
    """Return the least of a rule's limits that count what this one counts, over as long; ``None`` where it has none."""
    counts = (meter.holder, meter.unit, meter.window_s)
    return min((each.limit for each in rule.ceilings if (each.holder, each.unit, each.window_s) == counts), default=None)


def _error(meter: Meter, left: int, reset_s: float | None, *, need: int) -> Limited:
    limit, holder = meter.limit, meter.holder
    rule = f"how_much.{meter.unit.value}" if holder is Holder.GRANT else f"how_much.{holder.value}.{meter.unit.value}"
    whose, own = _WHOSE[holder], holder is not Holder.COHORT
    more = _NAMELESS if holder is Holder.END_USER else ""
    wanting = f"This request may need {need:,} tokens; " + (
        f"{left:,} of {whose} {limit:,} are left" if own else f"fewer of {whose} tokens are left"
    )
    match meter.unit:
        case Unit.REQUESTS:
            said = f"All {limit:,} of {whose} requests in this window are used." if own else f"All of {whose} requests are used."
            return errors.RequestsExhausted(said, retry_after_s=reset_s, rule=rule, help=f"Wait for the next window.{more}")
        case Unit.TOKENS:
            cure = f"Ask for a shorter answer, or wait for the next window.{more}"
            wait_s = None if need > limit else reset_s
            return errors.TokensExhausted(f"{wanting} in this window.", retry_after_s=wait_s, rule=rule, help=cure)
        case Unit.TOTAL_TOKENS:
            cure = f"Ask for a shorter answer, or for a larger allowance.{more}"
            return errors.TotalTokensExhausted(f"{wanting}.", retry_after_s=None, rule=rule, help=cure)
        case Unit.CONCURRENCY:
            said = (
                f"{limit:,} of {whose} exchanges may be open at a time, and are." if own else f"All of {whose} places are taken."
            )
            return errors.TooManyAtOnce(said, retry_after_s=1.0, rule=rule, help=f"Wait for one of them to end.{more}")
        case _:
            assert_never(meter.unit)
