"""What may be said of a plan before anything runs: every code, how much it weighs, and one sentence on each.

An error forbids carrying the plan out. A warning is something that a careful planner would change. A note is something to
know. Codes never change their meaning; ``docs/generated`` prints this table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Path: TypeAlias = tuple[str | int, ...]
"""A place in a plan: keys and positions, outermost first."""


class Level(Enum):
    """How much a finding weighs, from most to least."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Lint:
    """One thing that lint looks for.

    Attributes:
        level: How much it weighs.
        sentence: What it says, for the generated document.
    """

    level: Level
    sentence: str


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of one line.

    Attributes:
        line: Counted from 1.
        column: Counted from 1, in characters.
        width: How many characters, at least 1.
    """

    line: int
    column: int
    width: int = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark on a plan.

    Attributes:
        code: Which remark; a key of ``LINTS``.
        severity: How much it weighs.
        path: What it is about.
        message: What is the matter, in one sentence.
        fix: What would mend it.
        place: Where in the text, once that is known.
    """

    code: str
    severity: Level
    path: Path
    message: str
    fix: str
    place: Place | None = None

    @property
    def line(self) -> int | None:
        """Return the line, counted from 1."""
        return None if self.place is None else self.place.line

    @property
    def column(self) -> int | None:
        """Return the column, counted from 1."""
        return None if self.place is None else self.place.column

    def at(self, place: Place) -> Finding:
        """Return the same remark with its place."""
        return replace(self, place=place)


@dataclass(frozen=True, slots=True)
class Findings:
    """All remarks on one plan, in the order of its text.

    Attributes:
        name: What the text is called, usually its file.
        items: The remarks.
    """

    name: str
    items: tuple[Finding, ...]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def of(self, level: Level) -> tuple[Finding, ...]:
        """Return the remarks of one weight."""
        return tuple(finding for finding in self.items if finding.severity is level)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Return the remarks that forbid carrying the plan out."""
        return self.of(Level.ERROR)


def finding(code: str, path: Path, message: str, fix: str, place: Place | None = None) -> Finding:
    """Return a remark with the weight that the table gives it.

    Raises:
        KeyError: The table has no such code.
    """
    return Finding(code, LINTS[code].level, path, message, fix, place)


def path_text(path: Path) -> str:
    """Return a path as people write it: ``stages[1].leave[0].rate.below``; the whole plan is ``plan``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.lstrip(".") or "plan"


def _error(sentence: str) -> Lint:
    return Lint(Level.ERROR, sentence)


def _warning(sentence: str) -> Lint:
    return Lint(Level.WARNING, sentence)


def _note(sentence: str) -> Lint:
    return Lint(Level.NOTE, sentence)


READING: dict[str, Lint] = {
    "plan.too_large": _error("A plan's text is at most a million bytes."),
    "plan.not_utf8": _error("A plan is UTF-8 text."),
    "plan.yaml": _error("A plan is well-formed YAML."),
    "plan.tab": _error("YAML indents with spaces; a tab has no width."),
    "plan.empty": _error("A file without a plan in it is not a plan."),
    "plan.many_documents": _error("One file holds one plan."),
    "plan.too_deep": _error("No plan nests this deep."),
    "plan.alias": _error("Anchors, aliases and merge keys are not read: what a stage says stands in that stage."),
    "plan.tag": _error("YAML tags are not read."),
    "plan.key": _error("A key is a plain word."),
    "plan.duplicate_key": _error("A key stands once; of two, a reader would not know which one holds."),
    "plan.unknown_key": _error("A key that no reader knows would be a promise that nobody keeps."),
    "plan.missing_key": _error("A key that has no safe default is missing."),
    "plan.empty_value": _error("A key stands there with nothing after it."),
    "plan.wrong_type": _error("A text, a number, a list or a mapping stands where another of them belongs."),
    "plan.unknown_word": _error("A word from a closed list is expected."),
    "plan.count": _error("A count is a whole number, not negative: 40, 50k or 1.5M."),
    "plan.span": _error("A span of time is a number and a unit, at least a second: 15m, 6h or 14d."),
    "plan.rate": _error("A rate is a count per span: 30/min or 200k/day."),
    "plan.share": _error("A share lies above 0 and at most at 1: 1.0e-3."),
    "plan.use": _error("An expected use is requests per seat per day, above 0."),
    "plan.url": _error("An address is http or https, without a credential in it."),
    "plan.digest": _error("A digest is sha256: and 64 hex digits."),
    "plan.name": _error("A name keeps to the characters that addresses, tables and shells take without quoting."),
    "plan.text": _error("A text for people has one to 500 characters."),
    "plan.empty_list": _error("A list that must name something is empty."),
    "plan.gate_shape": _error("A gate or a tripwire is one key with its settings: - soak: {active_days: 7}."),
    "plan.unknown_gate": _error("There is no gate of this kind."),
    "plan.unknown_tripwire": _error("There is no tripwire of this kind."),
    "plan.norway": _warning("A bare yes, no, on or off is read as text here, and as a truth value by other readers of YAML."),
    "plan.too_many_findings": _note("Only the first hundred findings are shown."),
}

DECIDING: dict[str, Lint] = {
    "plan.no_stages": _error("A plan without stages opens nothing."),
    "plan.duplicate_stage": _error("Two stages have one name."),
    "plan.duplicate_condition": _error("Two gates or tripwires of a stage cannot be told apart."),
    "plan.repeated_word": _warning("A list names the same thing twice."),
    "plan.unknown_hazard": _error("A gate or a tripwire names a hazard that the plan does not declare."),
    "plan.no_hazards": _warning("A plan without hazards has nothing to show."),
    "plan.hazard_without_limit": _error("A hazard states no limit."),
    "plan.uncontrolled_hazard": _warning("A hazard is declared, and no gate or tripwire reads it."),
    "plan.single_control": _warning("Only one thing stands between a hazard and the next stage."),
    "plan.critical_without_tripwire": _error("A critical hazard has no tripwire on a stage that serves people."),
    "plan.expected_above_limit": _error("The planner expects more harm than the plan tolerates."),
    "plan.cohort_reused": _note("A cohort moves up: its seats are governed by the later stage once that one opens."),
    "plan.role_cannot_approve": _error("A role is asked to sign that may not."),
    "plan.quorum_below_roles": _warning("Fewer people sign than roles are named, so a named role may be left out."),
    "plan.end_state": _error("The end state and the stages contradict each other."),
    "plan.end_state_not_reached": _warning("No stage reaches the end state."),
    "plan.surface_not_served": _warning("This build does not serve the surface; requests to it stay refused."),
    "plan.nothing_served": _warning("This build serves none of the stage's surfaces, so nobody can use the stage."),
    "plan.api_not_spoken": _error("The model server does not speak the interface of the surface, and nothing is translated."),
    "plan.repeated_replica": _error("Two replicas have one address, so one server would be taken for two."),
    "plan.unscreened_stream": _warning("Answers are streamed, and nothing can stop one that turns out to be harmful."),
    "plan.unscannable": _error("Answers are to be screened before or while they are shown, and no screen can read them."),
    "plan.capability_needs": _warning("A capability is of no use without another."),
    "plan.no_seats": _error("A stage that people use says how many seats it has."),
    "plan.no_limits": _error("A stage that people use limits their requests or their tokens."),
    "plan.wider_limit_below": _error("A wider holder may use less than one of those in it, whose own limit is a false promise."),
    "plan.idle_limit": _warning("An end user's limit is no lower than that of a holder around it, so it never takes effect."),
    "plan.unwatched": _warning("Nobody watches a stage that people use."),
    "plan.no_question_no_gate": _error("A stage asks nothing and shows nothing."),
    "plan.dead_end": _error("A stage has no gates, so the stages after it can never open."),
    "plan.never_completes": _note("The last stage has no gates, so the release stays live and never completes."),
    "plan.no_approval": _error("Nothing widens without named approvals."),
    "plan.no_calendar_span": _warning("A stage without a soak gate may end before one week's habits were seen."),
    "plan.short_soak": _note("A soak of less than seven active days misses a weekly habit."),
    "plan.no_incidents_gate": _warning("A stage may be left while incidents are open."),
    "plan.widens_nothing": _warning("A stage opens nothing that the one before it did not."),
    "plan.narrows_nothing": _warning("The first stage is as wide as the last, so the ladder holds nothing back."),
    "plan.steps_back": _note("A stage takes away something that the one before it gave."),
    "plan.two_axes": _warning("A stage widens who, what and where at once, so a rise could not be laid at one door."),
    "plan.exposure_jump": _warning("A stage multiplies exposure by more than ten."),
    "plan.user_limit_unprovable": _warning("So few people cannot show a limit on users."),
    "plan.users_without_limit": _error("A gate on users reads a hazard that states no limit for users."),
    "plan.no_worst_share": _error("A gate on users reads a hazard that does not say how far enforcement lets one user go."),
    "plan.below_worst_share": _error("A gate on users asks for no less than what enforcement is said to ensure anyway."),
    "plan.idle_window": _warning("A gate on traffic has a window, which only a gate on users reads."),
    "plan.no_expected_use": _note("Without an expected use, lint cannot reckon whether a gate can be decided."),
    "plan.undecidable_rate": _error("A rate gate cannot pass within the stage, whatever is seen."),
    "plan.slow_rate": _warning("A rate gate passes in time only if the harm is rarer than the planner expects."),
    "plan.undecidable_discovery": _error("A discovery gate cannot pass, whatever is seen."),
    "plan.idle_discovery": _warning("A discovery gate tolerates as many as the next stage has seats, so it asks nothing."),
    "plan.unknown_stratum": _error("A coverage gate tells people apart by something that nobody knows, or did not ask for."),
    "plan.coverage_stage": _error("A coverage gate names a stage that does not come later."),
    "plan.no_expected_shares": _error("A coverage gate does not say what the next stage's shares will be."),
    "plan.undecidable_coverage": _error("A coverage gate cannot pass, whatever is seen."),
    "plan.undecidable_soak": _error("A soak gate cannot collect its active days in time."),
    "plan.undecidable_exposure": _error("An exposure gate asks for more than the stage's seats can give."),
    "plan.short_dwell": _warning("A stage may end before its tripwire could have noticed a rise."),
    "plan.review_capacity": _warning("More is drawn for review than the reviewers can be loaded with: 85 % of what they manage."),
    "plan.review_asks_nothing": _error("A review gate asks neither how soon nor how well."),
    "plan.recall_unprovable": _error("No number of known harms shows that reviewers recognise all of them."),
    "plan.slow_recall": _warning("A stage shows its reviewers too few known harms to measure them."),
    "plan.alpha_range": _error("An error probability above 0.1 shows nothing."),
    "plan.alpha_overspent": _error("The stages together may err more often than the plan allows."),
    "plan.loose_gate": _error("The last gate on a hazard is looser than the hazard's own limit."),
    "plan.gates_loosen": _warning("A later stage asks less of a hazard than an earlier one did."),
    "plan.rise_order": _error("A rise goes from a lower rate to a higher one."),
    "plan.rise_pace": _error("A tripwire looks more often than it may raise a false alarm."),
    "plan.earlier_order": _error("An earlier step of a rise is milder, and sounds oftener, than the steps after it."),
    "plan.learn_of": _error("Only flagged users have a usual week to be learned."),
    "plan.window_of": _error("Only users' shares are taken over a window of use."),
    "plan.shift_knows_nobody": _error("Before the first stage nobody came, so everybody is of an unknown stratum."),
    "plan.short_learning": _warning("Too few weeks are learned from to tell one hour of the week from another."),
    "plan.budget_differs": _error("Tripwires that share a budget look, react and err in different ways."),
    "plan.budget_alone": _warning("A budget is named that no other tripwire shares."),
    "plan.false_alarms_add_up": _warning("Alarms that each have a false alarm of their own sound falsely too often together."),
    "plan.missing_order": _error("The usual share of missing scores is not below what is tolerated."),
    "plan.narrow_after": _error("A tripwire steps down later than it first acts."),
    "plan.holdback_first": _error("The first stage widens nobody's access, so nobody can be held back from it."),
    "plan.holdback_unserved": _error("Nobody can be held back from what is not used through the gateway."),
    "plan.holdback_shuts_out": _error("Who is held back could do nothing, and who does nothing cannot be compared."),
    "plan.holdback_of_nothing": _error("Who is held back keeps all that the others get, so there is nothing to compare."),
    "plan.holdback_share": _error("More people are held back than are let in."),
    "plan.holdback_window": _error("A holdback is shorter than a day."),
    "plan.short_holdback": _warning("A holdback of less than a week misses a weekly habit."),
    "plan.holdback_outlasts": _warning("A stage may be left before anybody was compared for a whole window."),
    "plan.holdback_undecided": _warning("A holdback would not show even a tenfold rise: too few people, labels or harms."),
    "plan.no_version": _note("Without the weights' digest, only the address says which model answers."),
    "plan.weights_reversible": _error("Weights that were handed out cannot be taken back; the stage must say irreversible."),
    "plan.irreversible_first": _error("An irreversible stage comes after a stage on an API."),
    "plan.irreversible_quorum": _error("An irreversible stage takes three people or more."),
    "plan.irreversible_cool_off": _error("An irreversible stage waits 72 hours or more after the last signature."),
    "plan.irreversible_waivable": _error("The approval of an irreversible stage is never waived."),
    "plan.irreversible_leave": _error("An irreversible stage is never left, so it has no gates."),
    "plan.irreversible_not_last": _error("Nothing comes after an irreversible stage but another one."),
    "plan.need_unshown": _warning("No gate of the stage before reads what an irreversible stage needs, so it never opens."),
    "plan.irreversible_needs": _error("An irreversible stage names everything that must have been shown before it."),
    "plan.open_source": _warning("Handing out weights is not open source."),
    "plan.unknown_evaluation": _error("A gate names a suite of evaluations that the plan is silent about."),
    "plan.unread_evaluation": _warning("A suite is held to something, and no gate reads it."),
    "plan.no_threshold": _error("A gate names a way of exposure for which its suite has no threshold, so nothing passes."),
    "plan.margin_without_room": _error("A margin is as large as its threshold, so nothing passes."),
    "plan.open_weights_threshold": _error("What is given away is held to no less than what is served."),
    "plan.thresholds_out_of_order": _error("Thresholds grow laxer as the model gets further out of hand."),
    "plan.safeguards_given_away": _error("Safeguards are to be relied on where others have the weights."),
    "plan.scenario_too_mild": _error("A stage that hands out weights is opened on the threshold of a served model."),
    "plan.forecast_takes_tries": _note(
        "A forecast is drawn from prompts that were tried several times, so results without count for nothing."
    ),
    "plan.forecast_too_near": _warning("A forecast looks ahead to fewer queries than the next stage is expected to send."),
    "plan.evaluation_items": _note("So many items, all of them harmless, are the least that passes an evaluation gate."),
    "plan.evaluation_alone": _warning("A hazard is held back by an evaluation and by no rate in use."),
    "plan.audit_asks_nothing": _error("An audit gate takes an opinion that says nothing, or the opposite."),
    "plan.no_red_team": _warning("A plan that measures a model, whose harm could be critical, does not ask who attacked it."),
}

LINTS: dict[str, Lint] = READING | DECIDING
"""Every code, with its weight and its sentence."""
