"""What would be said without one piece of evidence: which gates change, what the stage says then, and what becomes of a decision.

A piece of evidence is a filed record (``ev_…``), or all that one gate was read from, by the gate's name. It is left out of
what was stored, never of what is kept: nothing changes. That leaving evidence out never makes a gate pass is a promise of
whoever reads it, and is checked here again: a gate that breaks it is shown as it was, with a remark.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headgate.kernel.errors import HeadgateError
from headgate.kernel.verdict import Verdict
from headgate.releases.decide.leave_out import following, left_out
from headgate.releases.decide.next_step import next_step
from headgate.releases.decide.states import decide
from headgate.releases.decide.verdicts import judge
from headgate.releases.errors import EvidenceNotUsed

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.kernel.digest import Json
    from headgate.releases.model.reading import Assessment, GateReading
    from headgate.releases.model.record import DecisionRecord
    from headgate.releases.model.release import Release
    from headgate.releases.ports import Readings


@dataclass(frozen=True, slots=True)
class Changed:
    """A gate with and without a piece of evidence.

    Attributes:
        before: What it said.
        after: What it would say.
    """

    before: GateReading
    after: GateReading

    @property
    def flips(self) -> bool:
        """Whether the verdict is another one."""
        return self.before.verdict is not self.after.verdict


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What would be said without one piece of evidence.

    Attributes:
        without: The record, or the gate whose evidence is left out.
        gates: The gates that were read from it.
        stage_before: What the stage's gates say together.
        stage_after: What they would say.
        decision: The decision that was looked at; ``None`` for a release as it stands.
        otherwise: What would have become of that decision; ``None`` when it would be the same.
    """

    without: str
    gates: tuple[Changed, ...]
    stage_before: Verdict
    stage_after: Verdict
    decision: str | None = None
    otherwise: str | None = None

    @property
    def flips(self) -> tuple[Changed, ...]:
        """The gates whose verdict would be another one."""
        return tuple(changed for changed in self.gates if changed.flips)

    def json(self) -> Json:
        """Return the same as JSON."""
        return {
            "without": self.without,
            "decision": self.decision,
            "otherwise": self.otherwise,
            "stage": {"before": self.stage_before.value, "after": self.stage_after.value},
            "gates": [
                {
                    "gate": changed.before.gate_id,
                    "before": changed.before.verdict.value,
                    "after": changed.after.verdict.value,
                    "flips": changed.flips,
                    "sentence": changed.after.sentence,
                    "numbers": dict(changed.after.numbers),
                }
                for changed in self.gates
            ],
        }


class LeaveOut:
    """Leaves evidence out of what was read.

    Args:
        readings: Who knows what each reading rests on.
    """

    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def sources(self, assessment: Assessment) -> tuple[str, ...]:
        """Return everything that can be left out: the records that gates were read from, then the gates."""
        records = [name for reading in assessment.gates for name in self._readings.rests_on(reading.kind, reading.inputs)]
        return (*dict.fromkeys(records), *(reading.gate_id for reading in assessment.gates))

    def of_decision(self, record: DecisionRecord, what: str) -> WhatIf:
        """Return what a past decision would have rested on, and become, without one piece of its evidence.

        Raises:
            EvidenceNotUsed: It rested on nothing of this name.
        """
        then = record.decision
        found, less = self._without(record.before, record.assessment, what, now=then.at)
        return replace(found, decision=then.id, otherwise=_otherwise(record, less))

    def of_release(self, release: Release, assessment: Assessment, what: str, *, now: datetime) -> WhatIf:
        """Return what would be said of a release without one piece of the evidence that it stands on now.

        Raises:
            EvidenceNotUsed: It stands on nothing of this name.
        """
        return self._without(release, assessment, what, now=now)[0]

    def _without(self, release: Release, assessment: Assessment, what: str, *, now: datetime) -> tuple[WhatIf, Assessment]:
        if what not in self.sources(assessment):
            known = ", ".join(self.sources(assessment)) or "nothing"
            raise EvidenceNotUsed(f"No gate was read from {what!r}.", help=f"What was read: {known}.")
        pairs = [(reading, self._gate(reading, what)) for reading in assessment.gates]
        verdicts = {before.gate_id: (after or before).verdict.value for before, after in pairs}
        stages = release.plan.stages[: assessment.stage]
        pairs = [(before, after or _moved(before, following(before, verdicts, stages))) for before, after in pairs]
        less = replace(assessment, gates=tuple(after or before for before, after in pairs))
        stage = stages[-1].name
        waivers = release.waivers
        found = WhatIf(
            without=what,
            gates=tuple(Changed(before, after) for before, after in pairs if after is not None),
            stage_before=judge(assessment.gates, waivers, stage=stage, now=now).verdict,
            stage_after=judge(less.gates, waivers, stage=stage, now=now).verdict,
        )
        return found, less

    def _gate(self, reading: GateReading, what: str) -> GateReading | None:
        """Return what a gate would say; ``None`` when it was not read from ``what``."""
        if reading.gate_id == what:
            return left_out(reading)
        if what not in self._readings.rests_on(reading.kind, reading.inputs):
            return None
        after = self._readings.without(reading.kind, reading.inputs, what)
        if after.verdict is Verdict.PASS and reading.verdict is not Verdict.PASS:  # a reader's defect must not look like safety
            return replace(reading, sentence=f"{reading.sentence} (its reader would pass without {what}, which is not believed)")
        return after


def _moved(before: GateReading, after: GateReading) -> GateReading | None:
    """Return the reading of a gate that rests on other gates, if they have changed it."""
    return None if before.verdict is after.verdict else after


def _otherwise(record: DecisionRecord, less: Assessment) -> str | None:
    then, before = record.decision, record.before
    try:
        if record.actor.id.startswith("system:controller"):
            asked = next_step(before, less, now=then.at)
            if type(asked) is not type(record.command):
                return f"the controller would do {'nothing' if asked is None else type(asked).__name__}"
        moved = decide(before, record.command, by=record.actor, assessment=less, now=then.at, decision_id=then.id)
    except HeadgateError as error:
        return f"it would be refused: {error.message}"
    again = moved.decision
    if (again.kind, again.after, again.stage_after) != (then.kind, then.after, then.stage_after):
        return f"it would end at {again.after.value}, stage {again.stage_after}"
    return None
