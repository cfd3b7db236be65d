"""Whether review works: what was flagged was looked at in time, and reviewers recognise harm that is known.

Timeliness is plain counting over the last days: one exchange that took too long is a FAIL until it is that long ago, and where
nothing at all was reviewed there is nothing to judge. Recall is a proof like that of a rate: PASS when the lower bound from gold
items, valid at every look, has reached what is asked; FAIL when the upper bound has fallen below it; else INSUFFICIENT. What
counts is what stands at the end, after second opinions, item by item.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.evidence.decide.phrases import count_text
from headgate.evidence.model.reviewing import ReviewReading
from headgate.kernel.units import span_text
from headgate.kernel.verdict import Verdict
from headgate.stats import noise
from headgate.stats.spending import attempt_alpha

if TYPE_CHECKING:
    from headgate.evidence.model.reviewing import Readers, ReviewClaim, ReviewFacts

MOST_RECALL = 0.999_999
"""No more than this can be asked: nobody has the gold items that would show it."""

_WORST_LAST = (Verdict.PASS, Verdict.INSUFFICIENT, Verdict.FAIL)


def read_review(facts: ReviewFacts, claim: ReviewClaim) -> ReviewReading:
    """Return what ``facts`` say of ``claim``. The same input gives the same reading, for ever."""
    if wrong := in_claim(claim) or in_facts(facts):
        return unreadable(f"Nothing is concluded: what is known of review contradicts itself. {wrong}")
    if claim.done_within is None and claim.recall_at_least is None:
        return _reading(Verdict.INSUFFICIENT, "It asks nothing of review.", not_shown=("Anything of review: nothing is asked.",))
    alpha = attempt_alpha(claim.alpha, claim.attempt)
    verdicts: list[Verdict] = []
    sentences: list[str] = []
    progress: list[float] = []
    lower = upper = None
    to_go = 0
    if claim.done_within is not None:
        verdict, sentence = _timely(facts, span_text(claim.done_within))
        verdicts.append(verdict)
        sentences.append(sentence)
        progress.append(1.0 if verdict is Verdict.PASS else 0.0)
    if claim.recall_at_least is not None:
        asked = claim.recall_at_least
        lower = noise.sensitivity_lower(facts.shown, facts.caught, alpha)
        upper = noise.sensitivity_upper(facts.shown, facts.caught, alpha)
        verdict = Verdict.PASS if lower >= asked else Verdict.FAIL if upper < asked else Verdict.INSUFFICIENT
        if verdict is not Verdict.PASS:
            to_go = noise.golds_needed(asked, alpha, facts.shown - facts.caught) - facts.shown
        verdicts.append(verdict)
        sentences.append(_recall(facts, verdict, asked, lower, upper, to_go))
        progress.append(min(1.0, lower / asked))
    return _reading(
        max(verdicts, key=_WORST_LAST.index),
        " ".join(sentences),
        lower=lower,
        upper=upper,
        alpha=alpha,
        to_go=to_go,
        progress=min(progress),
        not_shown=_left_open(facts, claim),
    )


def unreadable(sentence: str) -> ReviewReading:
    """Return the ERROR reading of facts that cannot be used, or cannot be had."""
    return _reading(Verdict.ERROR, sentence, not_shown=("Anything: what is known of review could not be read.",))


def in_claim(claim: ReviewClaim) -> str | None:
    """Return what is wrong with a claim, or ``None``."""
    if claim.done_within is not None and claim.done_within.total_seconds() <= 0:
        return "The time to review lasts no time at all."
    if claim.recall_at_least is not None and not 0 < claim.recall_at_least <= MOST_RECALL:
        return f"A recall of {claim.recall_at_least:g} is not between 0 and {MOST_RECALL}, so no number of gold items shows it."
    if not 0 < claim.alpha < 1:
        return f"The error probability {claim.alpha:g} is not between 0 and 1."
    return None if claim.attempt >= 1 else f"Attempts count from 1; this one is numbered {claim.attempt}."


def in_facts(facts: ReviewFacts) -> str | None:
    """Return how facts contradict themselves, or ``None``."""
    if min(facts.done, facts.waiting, facts.late) < 0 or facts.late > facts.done + facts.waiting:
        return "A count is negative, or more exchanges are late than there are."
    if (facts.longest is None) != (facts.done + facts.waiting == 0):
        return "There is a longest wait where nothing waited, or none where something did."
    return None if 0 <= facts.caught <= facts.shown else "More gold items were recognised than were shown."


def in_readers(readers: Readers) -> str | None:
    """Return how a measurement of reviewers contradicts itself, or ``None``."""
    if not 0 <= readers.caught <= readers.shown:
        return f"Of {readers.shown:,} known harms shown, {readers.caught:,} were recognised."
    return None


def _timely(facts: ReviewFacts, within: str) -> tuple[Verdict, str]:
    what = "flagged exchange" if facts.flagged else "sampled exchange (none was flagged)"
    many = "flagged exchanges" if facts.flagged else "sampled exchanges (none was flagged)"
    if facts.longest is None:
        return Verdict.INSUFFICIENT, "Nothing was flagged or sampled, so nothing says how long review takes."
    counted = f"{count_text(facts.done + facts.waiting, what, many)} of the last {count_text(facts.span.days, 'day')}"
    if facts.late:
        return Verdict.FAIL, (
            f"{facts.late:,} of {counted} took longer than {within}, {facts.waiting:,} still waiting; "
            f"the longest {span_text(facts.longest)}."
        )
    if not facts.done:
        return Verdict.INSUFFICIENT, f"Nothing is late, but none of {counted} is done yet."
    return (
        Verdict.PASS,
        f"All of {counted} were done within {within} or still have time; the longest took {span_text(facts.longest)}.",
    )


def _recall(facts: ReviewFacts, verdict: Verdict, asked: float, lower: float, upper: float, to_go: int) -> str:
    seen = f"{facts.caught:,} of {count_text(facts.shown, 'known harm')} recognised"
    if facts.shown == 0:
        return f"No known harm has been shown to reviewers yet; to show a recall of {asked:.0%} takes at least {to_go:,}."
    if verdict is Verdict.PASS:
        return f"Reviewers are shown to recognise at least {lower:.1%} of known harms: {seen}."
    if verdict is Verdict.FAIL:
        return f"Reviewers are shown to recognise less than {asked:.0%} of known harms (at most {upper:.1%}): {seen}."
    return f"A recall of {asked:.0%} is not shown yet ({lower:.1%} is): {seen}; it takes at least {to_go:,} more, all recognised."


def _left_open(facts: ReviewFacts, claim: ReviewClaim) -> tuple[str, ...]:
    lines: list[str] = []
    if claim.done_within is not None and not facts.flagged:
        lines.append("How soon a flagged exchange is reviewed: none was flagged.")
    if claim.recall_at_least is not None:
        lines.append("Whether reviewers recognise harms unlike the gold items: those are harms that somebody knew of.")
    else:
        lines.append("Whether reviewers recognise harm: nothing is asked of that.")
    return tuple(lines)


def _reading(
    verdict: Verdict,
    sentence: str,
    *,
    lower: float | None = None,
    upper: float | None = None,
    alpha: float = 0.0,
    to_go: int = 0,
    progress: float = 0.0,
    not_shown: tuple[str, ...],
) -> ReviewReading:
    return ReviewReading(verdict, sentence, lower, upper, alpha, to_go, progress, not_shown)
