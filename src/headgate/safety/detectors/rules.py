"""The rule detector: RE2 patterns over normalised passages.

All patterns of a part are matched in one pass over each passage. A rule whose part was not kept is undetermined, unless the
part that was kept matches: "could not tell" is not "found nothing".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.kernel.digest import short
from headgate.safety.detectors.locating import aligned
from headgate.safety.detectors.normalise import normalise
from headgate.safety.detectors.patterns import PatternSet, spans
from headgate.safety.detectors.ruleset import Action, Rule, RuleSet, Where
from headgate.safety.errors import RuleSetInvalid
from headgate.safety.model import Mark, Part, Passage, Reading, Screening, Signal, Texts

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date

    from headgate.safety.detectors.locating import Aligned

_MOST_MARKS = 20
"""Marks of one rule in one passage: a passage that is all marks shows nothing."""


@dataclass(frozen=True, slots=True)
class _Matcher:
    """The patterns of all rules that look at one part, as one automaton.

    Attributes:
        patterns: The automaton.
        owners: For each pattern its rule, and whether it takes a match back.
    """

    patterns: PatternSet
    owners: tuple[tuple[Rule, bool], ...]

    @classmethod
    def of(cls, rules: Sequence[Rule], part: Where) -> _Matcher:
        owners: list[tuple[Rule, bool]] = []
        patterns: list[str] = []
        for rule in rules:
            if rule.where.includes(part):
                patterns += (*rule.patterns, *rule.unless)
                owners += [(rule, False)] * len(rule.patterns) + [(rule, True)] * len(rule.unless)
        return cls(PatternSet(patterns), tuple(owners))

    def matched(self, passages: Sequence[Passage]) -> dict[str, Rule]:
        found: dict[str, Rule] = {}
        for passage in passages:
            hits = [self.owners[place] for place in self.patterns.matching(normalise(passage.text))]
            if not hits:
                continue
            excused = {rule.id for rule, takes_back in hits if takes_back}
            found |= {rule.id: rule for rule, takes_back in hits if not takes_back and rule.id not in excused}
        return found


class RuleDetector:
    """A rule set at work.

    Args:
        rules: What to look for.
        today: Rules that expired before this day stay silent.

    Raises:
        RuleSetInvalid: The rules do not work together.
    """

    def __init__(self, rules: RuleSet, *, today: date) -> None:
        self.name = f"rules@{short(rules.digest).removeprefix('sha256:')}"
        self.digest = rules.digest
        self.rules = tuple(rule for rule in rules.rules if rule.speaks_on(today))
        self.hazards = frozenset(rule.hazard for rule in self.rules)
        self.expired = tuple(rule.id for rule in rules.rules if not rule.speaks_on(today))
        self._prompt = _Matcher.of(self.rules, Where.PROMPT)
        self._completion = _Matcher.of(self.rules, Where.COMPLETION)
        self._try_together()

    def _try_together(self) -> None:
        """Try every example on the rules as compiled together: an automaton that is too large would stay silent.

        Raises:
            RuleSetInvalid: A rule that matches alone does not match among the others.
        """
        for rule in self.rules:
            matcher = self._completion if rule.where is Where.COMPLETION else self._prompt
            if any(rule.id not in matcher.matched([Passage("example", example)]) for example in rule.match):
                raise RuleSetInvalid(
                    f"Rule {rule.id} matches its examples alone and not among the others.",
                    help="The rule set is too large: split it.",
                )

    def score(self, texts: Texts) -> Reading:
        """Return one signal for each rule that matches, and the rules that could not tell."""
        found = self._found(texts)
        missing = [part for part, kept in ((Where.PROMPT, texts.prompt), (Where.COMPLETION, texts.completion)) if kept is None]
        asked = self.rules if missing else ()
        undetermined = tuple(
            rule.id for rule in asked if rule.id not in found and any(rule.where.includes(part) for part in missing)
        )
        return Reading(self._signals(found), undetermined)

    def screen(self, texts: Texts) -> Screening:
        """Return whether a rule whose action is ``block`` matches what is there; parts that are absent block nothing."""
        signals = self._signals(self._found(texts))
        return Screening(any(signal.blocks for signal in signals), signals)

    def _found(self, texts: Texts) -> dict[str, Rule]:
        found = self._prompt.matched(texts.prompt) if texts.prompt is not None else {}
        return found if texts.completion is None else found | self._completion.matched(texts.completion)

    def _signals(self, found: dict[str, Rule]) -> tuple[Signal, ...]:
        return tuple(self._signal(found[rule_id]) for rule_id in sorted(found))

    def locate(self, texts: Texts, rules: Collection[str]) -> tuple[Mark, ...]:
        """Return where these rules match. A rule that is not in force any more, or that a passage takes back, matches nowhere."""
        wanted = [rule for rule in self.rules if rule.id in rules]
        marks: list[Mark] = []
        for part, where, passages in (
            (Part.PROMPT, Where.PROMPT, texts.prompt),
            (Part.COMPLETION, Where.COMPLETION, texts.completion),
        ):
            looking = [rule for rule in wanted if rule.where.includes(where)]
            for place, passage in enumerate(passages or ()):
                seen = aligned(passage.text) if looking else None
                if seen is not None:
                    marks += [mark for rule in looking for mark in _marks(rule, part, place, seen)]
        return tuple(marks)

    def _signal(self, rule: Rule) -> Signal:
        return Signal(rule.hazard, rule.score, rule.why, self.name, rule.id, blocks=rule.action is Action.BLOCK)


def _marks(rule: Rule, part: Part, place: int, seen: Aligned) -> list[Mark]:
    if any(spans(pattern, seen.normal, most=1) for pattern in rule.unless):
        return []
    found = [span for pattern in rule.patterns for span in spans(pattern, seen.normal, most=_MOST_MARKS)]
    return [Mark(part, place, *seen.span(start, end), rule.id) for start, end in sorted(found)[:_MOST_MARKS]]
