"""What a holdback that runs shows: whether those with new access do more harm than those who are held back, on the same days.

Units were drawn by lot, so if access raised nothing, a unit that shows harm on some day is on the new side with the chance that
the new side's share of that day gives it. There are two such shares, of the units that were served and of what they exchanged:
the first is what the lot was about, the second allows for people who, with more access, simply do more. The larger of the two
is taken. So neither more people nor more use is called a rise, and one busy unit on either side cannot feign one.

Each hazard has its part of alpha, because any of them may sound.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headgate.evidence.decide.phrases import count_text
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model.holdback import ComparedHazard, ComparisonReading
from headgate.kernel.units import span_text
from headgate.stats import holdback

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.evidence.model.holdback import Compared, HoldbackDay, HoldbackRule

_ALWAYS = (
    "Whether one organisation tells another how to use what that one lacks: it would make both sides more alike.",
    "Harm that comes only after the comparison ends, from people who wait for it.",
    "Harm that reviewers do not recognise, or that does not pass through this gateway.",
)


def read_comparison(compared: Sequence[Compared], rule: HoldbackRule) -> ComparisonReading:
    """Return what both sides show, hazard by hazard.

    Raises:
        NotEvidence: The rule or a day contradicts itself.
    """
    if wrong := _wrong_in(rule) or _wrong_among(compared, rule):
        raise NotEvidence(f"Nothing is compared: {wrong}")
    threshold = math.log(len(rule.hazards) / rule.alpha)
    hazards = tuple(_hazard(each, threshold) for each in compared)
    days = {day.day: day for each in compared for day in each.days}
    new, old = (max((getattr(day, side) for day in days.values()), default=0) for side in ("new_units", "old_units"))
    return ComparisonReading(
        hazards=hazards,
        days=len(days),
        new_units=new,
        old_units=old,
        threshold_log_e=threshold,
        risen=any(each.risen for each in hazards),
        sentence=_sentence(hazards, len(days)),
        not_shown=_not_shown(hazards, rule),
    )


def share_of(day: HoldbackDay) -> float:
    """Return the new side's share of a day's exposure: of units or of exchanges, whichever is larger; 0 where none was exposed.

    Where one side was not exposed the share is 0 or 1, and the day tells nothing.
    """
    units, exchanges = day.new_units + day.old_units, day.new_exchanges + day.old_exchanges
    if not day.new_units or not exchanges:
        return 0.0
    return max(day.new_units / units, day.new_exchanges / exchanges)


def _hazard(compared: Compared, threshold: float) -> ComparedHazard:
    days = compared.days
    shares = [share_of(day) for day in days]
    log_e = holdback.log_e_over([day.new_harms for day in days], [day.old_harms for day in days], shares)
    exposed = sum(day.new_exchanges + day.old_exchanges for day in days)
    weighed = sum(share * (day.new_exchanges + day.old_exchanges) for share, day in zip(shares, days, strict=True))
    return ComparedHazard(
        hazard=compared.hazard,
        new_harms=sum(day.new_harms for day in days),
        old_harms=sum(day.old_harms for day in days),
        share=weighed / exposed if exposed else None,
        log_e=log_e,
        risen=log_e >= threshold,
    )


def _sentence(hazards: Sequence[ComparedHazard], days: int) -> str:
    if not any(each.share for each in hazards):
        return "Nobody has been compared yet."
    over = f"over {count_text(days, 'day')}"
    told = "; ".join(_said(each) for each in hazards if each.risen or each.new_harms or each.old_harms)
    risen = [each.hazard for each in hazards if each.risen]
    if risen:
        return f"New access raised {' and '.join(risen)}, {over}: {told}."
    return f"No rise over the held back is shown, {over}: {told or 'no harm is confirmed on either side'}."


def _said(each: ComparedHazard) -> str:
    share = 0.0 if each.share is None else each.share
    return (
        f"{each.hazard} by {count_text(each.new_harms, 'unit')} with the new access, at {share:.0%} of the exposure,"
        f" and by {each.old_harms:,} held back"
    )


def _not_shown(hazards: Sequence[ComparedHazard], rule: HoldbackRule) -> tuple[str, ...]:
    quiet = [each.hazard for each in hazards if not each.risen]
    lines = (
        [f"That {' and '.join(quiet)} did not rise: a rise that is not shown may be there, and too small, or too rare."]
        if quiet
        else []
    )
    if any(each.risen for each in hazards):
        lines.append("How much it rose: only that it did.")
    lines.append(f"What anybody does after their first {span_text(rule.window)}: everybody is compared for so long.")
    return (*lines, *_ALWAYS)


def _wrong_in(rule: HoldbackRule) -> str | None:
    if not rule.hazards or len(set(rule.hazards)) < len(rule.hazards):
        return "The hazards are none, or one of them stands twice."
    if not 0 < rule.share < 1 or not 0 < rule.alpha < 1 or rule.window.total_seconds() <= 0:
        return "The share and alpha lie between 0 and 1, and the window is longer than nothing."
    return None


def _wrong_among(compared: Sequence[Compared], rule: HoldbackRule) -> str | None:
    if tuple(each.hazard for each in compared) != rule.hazards:
        return "The hazards compared are not those of the rule."
    for each in compared:
        names = [day.day for day in each.days]
        if names != sorted(set(names)):
            return f"The days of {each.hazard} are not in order, each once."
        if any(not _plausible(day) for day in each.days):
            return f"A day of {each.hazard} has units that exchanged nothing, or more harmful ones than were served."
    return None


def _plausible(day: HoldbackDay) -> bool:
    sides = (
        (day.new_units, day.new_exchanges, day.new_harms),
        (day.old_units, day.old_exchanges, day.old_harms),
    )
    return all(0 <= harms <= units <= exchanges and bool(units) == bool(exchanges) for units, exchanges, harms in sides)
