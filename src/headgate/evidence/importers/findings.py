"""Making findings out of what was counted and what was declared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from headgate.evidence.decide.intervals import interval_of
from headgate.evidence.importers.interface import MOST_FINDINGS, MOST_UNITS, Imported, Reason, Refusal, Unfit
from headgate.evidence.importers.naming import kept, kept_or
from headgate.evidence.model.record import Caveat, Counts, Direction, Finding, Kind, Source, Tally, contradiction

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from headgate.evidence.importers.interface import Declared, Upload
    from headgate.evidence.model.record import Evaluator, Format

_CLOCKS_DISAGREE = timedelta(days=1)
MODEL_IS_A_NAME = Caveat("model_by_name", "The file names the model; that it is the declared version rests on whoever filed it.")
GRADED = Caveat(
    "graded_against_safety",
    "Some scores lie between wrong and right; each of them counts as the outcome that is worse for safety.",
)
NUMBERS = Caveat("numbers_as_outcomes", "The scores are numbers; 0 and 1 are read as wrong and right.")
SCALE_UNKNOWN = Caveat("scale_unknown", "Nothing shows that the scores end at 1, so a 1 is not known to be the best there is.")
NO_COUNTS = Caveat("unquantified", "The source gives a value without the counts behind it; it can pass no gate.")


@dataclass(slots=True)
class Gathered:
    """What has been read of a file so far.

    Attributes:
        file: The file.
        declared: What was declared of it.
        format: Its format.
        tool_version: The version of the tool that wrote it.
        model: The model's name in it.
        produced_at: When it was measured, as far as the file says.
        steps: Names of what was done to elicit.
        caveats: What limits every finding of it.
        evaluator: Who measured, as far as the file says.
    """

    file: Upload
    declared: Declared
    format: Format
    tool_version: object = None
    model: object = None
    produced_at: datetime | None = None
    steps: Sequence[object] = ()
    caveats: Sequence[Caveat] = ()
    evaluator: Evaluator | None = None
    findings: list[Finding] = field(default_factory=list["Finding"])
    left_out: list[Refusal] = field(default_factory=list[Refusal])

    def add(
        self,
        *,
        task: object,
        metric: object,
        part: str,
        counts: Counts | None,
        reported: float | None,
        direction: Direction | None = None,
        attempts: int = 1,
        caveats: Iterable[Caveat] = (),
    ) -> None:
        """Add a finding.

        Args:
            task: What was run; kept if it is a name.
            metric: The number's name; kept if it is one.
            part: Which part of the file it is; kept if it is a name, or else numbered.
            counts: The counts, if the file gives them.
            reported: The value that the file states.
            direction: Which way is safer, by the file; what is declared has precedence.
            attempts: Tries per item of which one success counts the item.
            caveats: What limits this finding.

        Raises:
            Unfit: There are too many findings, a declaration is missing, or the finding contradicts itself.
        """
        if len(self.findings) >= MOST_FINDINGS:
            raise Unfit(Reason.TOO_LARGE, f"A file may give {MOST_FINDINGS:,} findings.")
        number = self._number()
        part = kept_or(part, f"part-{number}")
        if counts is not None and counts.n > MOST_UNITS:
            raise Unfit(Reason.TOO_LARGE, f"A finding may rest on {MOST_UNITS:,} units.", part)
        produced_at = self._produced_at()
        said = [*self.caveats, *caveats]
        if counts is None:
            said.append(NO_COUNTS)
        model = kept(self.model)
        if model is not None:
            said.append(MODEL_IS_A_NAME)
        elicited = self.declared.elicitation
        steps = tuple(step for step in map(kept, self.steps) if step is not None)
        finding = Finding(
            subject=self.declared.subject,
            kind=self.declared.kind,
            domain=self.declared.domain,
            suite=self.declared.suite,
            task=kept_or(task, f"unnamed-{number}"),
            metric=kept_or(metric, f"unnamed-{number}"),
            direction=self._direction(direction),
            counts=counts,
            reported=reported,
            interval=None if counts is None else interval_of(counts),
            elicitation=replace(elicited, steps=(*elicited.steps, *steps), attempts=elicited.attempts * attempts),
            evaluator=self._evaluator(),
            produced_at=produced_at,
            expires_at=produced_at + self.declared.valid_for,
            status=self.declared.status,
            source=Source(self.file.sha256, self.format, part, kept(self.tool_version), model),
            caveats=tuple(dict.fromkeys(said)),
        )
        if (wrong := contradiction(finding)) is not None:
            raise Unfit(Reason.CONTRADICTION, wrong, part)
        self.findings.append(finding)

    def leave_out(self, reason: Reason, says: str, part: str) -> None:
        """Say that a part of the file cannot count."""
        if len(self.left_out) >= MOST_FINDINGS:
            raise Unfit(Reason.TOO_LARGE, f"A file may have {MOST_FINDINGS:,} parts that cannot count.")
        self.left_out.append(Refusal(reason, says, kept_or(part, f"part-{self._number()}")))

    def imported(self) -> Imported:
        """Return what the file gave.

        Raises:
            Unfit: Nothing of it can count.
        """
        if self.findings:
            return Imported(tuple(self.findings), tuple(self.left_out))
        if self.left_out:
            first = self.left_out[0]
            raise Unfit(first.reason, first.says, first.part)
        raise Unfit(Reason.NO_RESULTS, "There is nothing in the file that was measured.")

    def _number(self) -> int:
        """Return which part of the file comes next; what may not be kept of its names is told apart by it."""
        return len(self.findings) + len(self.left_out) + 1

    def _produced_at(self) -> datetime:
        produced_at = self.produced_at or self.declared.produced_at
        if produced_at is None:
            raise Unfit(Reason.NO_DATE, "The file does not say when it was measured, and nobody declared it.")
        if produced_at > self.declared.now + _CLOCKS_DISAGREE:
            raise Unfit(Reason.NO_DATE, "The file says that it was measured in the future.")
        return produced_at

    def _direction(self, found: Direction | None) -> Direction:
        direction = self.declared.direction or found
        if direction is None:
            raise Unfit(Reason.NO_DIRECTION, "Nobody declared which way is safer, and the file does not say.")
        return direction

    def _evaluator(self) -> Evaluator:
        evaluator = self.declared.evaluator or self.evaluator
        if evaluator is None:
            raise Unfit(Reason.DECLARED, "Nobody declared who measured, and the file does not say.")
        return evaluator


def clustered(pairs: Iterable[tuple[int, int]], unit: str) -> Counts:
    """Return counts from clusters, each as (units, units that count).

    Args:
        pairs: One for each cluster, not empty.
        unit: What a unit is.

    Raises:
        Unfit: There are none.
    """
    histogram = Counter(pairs)
    n = sum(size * times for (size, _), times in histogram.items())
    if n == 0:
        raise Unfit(Reason.NO_RESULTS, "Nothing was scored.")
    k = sum(good * times for (_, good), times in histogram.items())
    if all(size == 1 for size, _ in histogram):
        return Counts(k, n, unit)
    tallies = (Tally(size, good, times) for (size, good), times in sorted(histogram.items()) if size)
    return Counts(k, n, unit, tuple(tallies))


def counts_as(score: float, direction: Direction) -> bool:
    """Return whether a score in [0, 1] counts; one between the ends counts against safety."""
    return score > 0 if direction is Direction.LOWER_IS_BETTER else score >= 1


def safer(better_is_higher: object, kind: Kind) -> Direction | None:
    """Return which way is safer by what a file calls better, or ``None`` where the two have nothing to do with each other.

    A tool calls it better when a model solves more. Where a dangerous capability is measured, or an attack, that is worse.

    Args:
        better_is_higher: The file's own word: whether higher is better; anything but a yes or no says nothing.
        kind: What the evidence is about.
    """
    if not isinstance(better_is_higher, bool) or kind in {Kind.CAPABILITY, Kind.REDTEAM}:
        return None
    return Direction.HIGHER_IS_BETTER if better_is_higher else Direction.LOWER_IS_BETTER


def declared_fits(declared: Declared) -> None:
    """Check what was declared.

    Raises:
        Unfit: It contradicts itself or is missing.
    """
    if declared.now.utcoffset() is None or (declared.produced_at is not None and declared.produced_at.utcoffset() is None):
        raise Unfit(Reason.DECLARED, "A declared time has no offset from UTC.")
    if not timedelta() < declared.valid_for <= timedelta(days=3660):
        raise Unfit(Reason.DECLARED, "Evidence counts for a positive time, and for ten years at most.")
    if not declared.subject.model_version or not declared.suite or not declared.domain:
        raise Unfit(Reason.DECLARED, "The version, the suite and the domain must be declared.")
    if declared.elicitation.attempts < 1:
        raise Unfit(Reason.DECLARED, "An item is tried at least once.")
