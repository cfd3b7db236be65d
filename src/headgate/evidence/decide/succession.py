"""Which record may take another's place.

Only a later one that could have said the same thing: of the same kind, suite and metric, on the same version, measured later,
with counts where the other has them, final where the other is. A better result on something else, or an earlier one, is no
answer to a bad one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.evidence.model.filing import Filed


def why_not_successor(filed: Filed, later: Filed) -> str | None:
    """Return why ``later`` may not take the place of ``filed``, or ``None``."""
    old, new = filed.record.finding, later.record.finding
    measures = f"{new.kind.value} {new.suite} {new.metric}, not {old.kind.value} {old.suite} {old.metric}"
    refusals = (
        (later.superseded is not None, "The successor's own place was taken."),
        (old.subject.model_version != new.subject.model_version, "The successor speaks of another version."),
        ((old.kind, old.suite, old.metric) != (new.kind, new.suite, new.metric), f"The successor measures {measures}."),
        (new.produced_at <= old.produced_at, "The successor was measured no later than the record it would replace."),
        (old.counts is not None and new.counts is None, "The successor has no counts, and what it would replace has."),
        (filed.final and not later.final, "The successor is preliminary, and what it would replace is final."),
    )
    return next((why for refused, why in refusals if refused), None)
