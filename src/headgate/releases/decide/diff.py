"""What a new plan opens and what it shuts, compared with an old one, piece by piece.

Whatever could let more people do more, watched by fewer eyes or shown by less evidence, is a widening; where two readings
are possible, the wider one is taken. Every difference in meaning is listed, so an empty list says that two plans are one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from headgate.releases.decide.diff_evidence import filed_gate, tolerance
from headgate.releases.decide.diff_holdback import held_back
from headgate.releases.decide.diff_people import people
from headgate.releases.decide.diff_wires import reacts, tripwire
from headgate.releases.decide.difference import NARROWER, NEUTRAL, WIDER, Axis, Effect, Found, bound, pace, said_of, span, words
from headgate.releases.model.plan import (
    Admission,
    Allowance,
    Api,
    ApprovalGate,
    AuditGate,
    Condition,
    CoverageGate,
    DiscoveryGate,
    EndState,
    EntryApproval,
    EvaluationGate,
    ExposureGate,
    Hazard,
    HowMuch,
    IncidentsGate,
    IncidentWire,
    IssuesGate,
    MissingWire,
    MonitorDownWire,
    OutputScreen,
    Plan,
    RateGate,
    ReviewGate,
    RiseWire,
    Severity,
    ShiftWire,
    SoakGate,
    Stage,
    Upstream,
    Watch,
    What,
    Who,
)
from headgate.releases.model.scalars import Everything

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from headgate.kernel.units import Rate
    from headgate.releases.model.findings import Path

HOLDERS = {
    "end_user": "each end user of a seat",
    "account": "each account",
    "organisation": "each organisation",
    "cohort": "the whole cohort",
}
"""Who else may be limited beside each seat, narrowest first, and what differences call them."""
_NONE = Allowance()
_SCREENED = {
    OutputScreen.NONE: "never",
    OutputScreen.AFTER: "once they were shown",
    OutputScreen.TRAIL: "while they are shown",
    OutputScreen.HOLD_BACK: "before they are shown",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        path: Where, in the new plan where it still stands there.
        stage: The stage it belongs to; ``None`` for the plan as a whole.
        effect: What it does.
        axis: On which side.
        sentence: What it is, for people.
    """

    path: Path
    stage: str | None
    effect: Effect
    axis: Axis
    sentence: str


def diff(old: Plan, new: Plan) -> list[Change]:
    """Return every difference, first the plan's own, then stage by stage in the new plan's order."""
    changes = [Change(path, None, effect, axis, sentence) for path, effect, axis, sentence in _plan(old, new)]
    order = {stage.name: at for at, stage in enumerate(new.stages)}
    before = {stage.name: stage for stage in old.stages}
    for at, stage in enumerate(old.stages):
        if stage.name not in order:
            last = at == len(old.stages) - 1
            said = "the ladder ends before this stage" if last else "the stage is skipped: what it had to show is no longer asked"
            changes.append(Change(("stages",), stage.name, NARROWER if last else WIDER, Axis.PLAN, said))
    kept_old = [stage.name for stage in old.stages if stage.name in order]
    kept_new = [stage.name for stage in new.stages if stage.name in before]
    for at, stage in enumerate(new.stages):
        here: Path = ("stages", at)
        if stage.name not in before:
            said = f"a new stage lets {_seats(stage.who.seats)} of `{stage.who.cohort}` in"
            changes.append(Change(here, stage.name, WIDER, Axis.AUDIENCE, said))
            continue
        if kept_old.index(stage.name) != kept_new.index(stage.name):
            said = "the stage has another place on the ladder"
            changes.append(Change(here, stage.name, WIDER, Axis.PLAN, said))
        found = compare_stages(before[stage.name], stage)
        changes.extend(Change((*here, *path), stage.name, effect, axis, sentence) for path, effect, axis, sentence in found)
    return changes


def compare_stages(old: Stage, new: Stage) -> Found:
    """Yield every difference between two forms of one stage: path below the stage, effect, axis, sentence."""
    yield from access(old, new)
    yield from _watch(old.watch, new.watch)
    yield from held_back(old.holdback, new.holdback)
    if old.asks != new.asks:
        yield ("asks",), NEUTRAL, Axis.PLAN, "the stage asks other questions"
    yield from _conditions("leave", old.leave, new.leave)
    yield from _conditions("stop", old.stop, new.stop)
    if old.irreversible != new.irreversible:
        effect = NARROWER if new.irreversible else WIDER
        said = "the stage is now declared irreversible" if new.irreversible else "the stage is no longer declared irreversible"
        yield ("irreversible",), effect, Axis.PLAN, said
    yield from words("needs_before", old.needs_before, new.needs_before, Axis.OVERSIGHT, "must be shown before", fewer_is=WIDER)
    yield from _entry(old.approval, new.approval)


def access(old: Stage, new: Stage) -> Found:
    """Yield the differences in who may do what, and how much: what lint compares between neighbours."""
    yield from _who(old.who, new.who)
    yield from _what(old.what, new.what)
    yield from _how_much(old.how_much, new.how_much)


def _plan(old: Plan, new: Plan) -> Found:
    for field in ("name", "owner", "staging_is_for", "longest_stay", "public"):
        if getattr(old, field) != getattr(new, field):
            yield (field,), NEUTRAL, Axis.PLAN, f"`{field}` is written anew"
    if old.version_digest != new.version_digest:
        yield ("model", "version"), NEUTRAL, Axis.PLAN, "this is another version: its evidence starts from nothing"
    if _place(old) != _place(new) and old.version_digest == new.version_digest:
        yield ("model",), NEUTRAL, Axis.PLAN, "the same version is served under another name or from another place"
    yield from _servers(old.model.upstream, new.model.upstream)
    if old.end_state is not new.end_state:
        order = list(EndState)
        effect = WIDER if order.index(new.end_state) > order.index(old.end_state) else NARROWER
        yield ("end_state",), effect, Axis.PLAN, f"the ladder ends at {new.end_state.value} instead of {old.end_state.value}"
    yield from bound(("alpha",), Axis.OVERSIGHT, "the chance of a false promotion over the ladder", old.alpha, new.alpha)
    for name in [*old.hazards, *(name for name in new.hazards if name not in old.hazards)]:
        yield from _hazard(name, old.hazards.get(name), new.hazards.get(name))
    for name in dict.fromkeys((*old.evaluations, *new.evaluations)):
        yield from tolerance(name, old.evaluations.get(name), new.evaluations.get(name))


def _place(plan: Plan) -> tuple[object, ...]:
    upstream = plan.model.upstream
    return plan.model.name, upstream.url, upstream.model, upstream.api_key_env, upstream.timeout_s


def _servers(old: Upstream, new: Upstream) -> Found:
    if old.api is not new.api:
        # another interface is other surfaces that work, so only giving one of two up is surely no widening
        effect = NARROWER if old.api is Api.BOTH else WIDER
        yield ("model", "upstream", "api"), effect, Axis.SURFACE, f"the server speaks {new.api.value} instead of {old.api.value}"
    if old.replicas != new.replicas:
        before, now = len(old.replicas) + 1, len(new.replicas) + 1
        said = f"{now} servers answer instead of {before}" if now != before else "other replicas answer, or take on more or less"
        yield ("model", "upstream", "replicas"), NEUTRAL, Axis.PLAN, said


def _hazard(name: str, old: Hazard | None, new: Hazard | None) -> Found:
    path: Path = ("hazards", name)
    if old is None or new is None:
        effect, said = (NARROWER, "is declared") if old is None else (WIDER, "is no longer declared")
        yield path, effect, Axis.OVERSIGHT, f"the hazard `{name}` {said}"
        return
    if old.severity is not new.severity:
        order = list(Severity)
        effect = WIDER if order.index(new.severity) > order.index(old.severity) else NARROWER
        yield (*path, "severity"), effect, Axis.OVERSIGHT, f"`{name}` is {new.severity.value} instead of {old.severity.value}"
    for unit in ("traffic", "users"):
        said = f"the limit of `{name}` on {unit}"
        yield from bound((*path, "limit", unit), Axis.OVERSIGHT, said, getattr(old.limit, unit), getattr(new.limit, unit))
    # what is assumed of enforcement, not what it does: assuming that it stops users earlier asks less of a gate on users
    worst = f"the worst share of `{name}`"
    yield from bound((*path, "worst_share"), Axis.OVERSIGHT, worst, old.worst_share, new.worst_share, more=NARROWER)
    if old.expected != new.expected:
        yield (*path, "expected"), NEUTRAL, Axis.PLAN, f"another rate of `{name}` is expected"


def _who(old: Who, new: Who) -> Found:
    if old.cohort != new.cohort:
        yield ("who", "cohort"), WIDER, Axis.AUDIENCE, f"lets `{new.cohort}` in instead of `{old.cohort}`"
    yield from bound(("who", "seats"), Axis.AUDIENCE, "seats", old.seats, new.seats)
    if old.admission is not new.admission:
        order = list(Admission)
        effect = WIDER if order.index(new.admission) > order.index(old.admission) else NARROWER
        yield (
            ("who", "admission"),
            effect,
            Axis.AUDIENCE,
            f"a seat comes by {new.admission.value} instead of {old.admission.value}",
        )
    if old.terms != new.terms:
        effect, said = (WIDER, "no terms need accepting") if new.terms is None else (NEUTRAL, f"the terms are {new.terms}")
        if old.terms is None:
            effect, said = NARROWER, f"the terms {new.terms} must be accepted"
        yield ("who", "terms"), effect, Axis.AUDIENCE, said


def _what(old: What, new: What) -> Found:
    yield from words("surfaces", old.surfaces, new.surfaces, Axis.SURFACE, "is open", inside=("what",))
    yield from words("capabilities", old.capabilities, new.capabilities, Axis.CAPABILITY, "is allowed", inside=("what",))
    yield from bound(
        ("what", "max_output_tokens"), Axis.CAPABILITY, "tokens in one answer", old.max_output_tokens, new.max_output_tokens
    )
    yield from bound(("what", "max_turns"), Axis.CAPABILITY, "turns in one conversation", old.max_turns, new.max_turns)
    if old.on_extra is not new.on_extra:
        said = f"a request for more is answered by {new.on_extra.value} instead of {old.on_extra.value}"
        yield ("what", "on_extra"), NEUTRAL, Axis.CAPABILITY, said


def _how_much(old: HowMuch, new: HowMuch) -> Found:
    yield from _allowance(("how_much",), "each seat", old, new)
    for holder, said in HOLDERS.items():
        before, now = getattr(old, holder), getattr(new, holder)
        found = list(_allowance(("how_much", holder), said, before or _NONE, now or _NONE))
        if not found and before != now:
            found = [(("how_much", holder), NEUTRAL, Axis.AMOUNT, f"`{holder}` is written anew, and still limits nothing")]
        yield from found
    if old.expected_use != new.expected_use:
        yield ("how_much", "expected_use"), NEUTRAL, Axis.PLAN, "another use is expected"


def _allowance(path: Path, whose: str, old: Allowance, new: Allowance) -> Found:
    yield from pace((*path, "requests"), Axis.AMOUNT, f"requests of {whose}", old.requests, new.requests)
    yield from pace((*path, "tokens"), Axis.AMOUNT, f"tokens of {whose}", old.tokens, new.tokens)
    yield from bound((*path, "total_tokens"), Axis.AMOUNT, f"tokens over the life of {whose}", old.total_tokens, new.total_tokens)
    yield from bound((*path, "concurrency"), Axis.AMOUNT, f"requests of {whose} at one time", old.concurrency, new.concurrency)


def _watch(old: Watch | None, new: Watch | None) -> Found:
    if old is None or new is None:
        if old is not new:
            effect, said = (NARROWER, "somebody watches now") if old is None else (WIDER, "nobody watches any more")
            yield ("watch",), effect, Axis.OVERSIGHT, said
        return
    if old.flagged is not new.flagged:
        effect, said = (WIDER, "no longer reviewed") if new.flagged.value == "none" else (NARROWER, "all reviewed")
        yield ("watch", "flagged"), effect, Axis.OVERSIGHT, f"flagged exchanges are {said}"
    if old.sample != new.sample:
        yield (
            ("watch", "sample"),
            _sampled(old.sample, new.sample),
            Axis.OVERSIGHT,
            f"the sample is {said_of(new.sample)} instead of {said_of(old.sample)}",
        )
    yield from bound(("watch", "reviewers"), Axis.OVERSIGHT, "reviewers", old.reviewers, new.reviewers, more=NARROWER)
    if old.input_screen != new.input_screen:
        effect, said = (NARROWER, "are screened") if new.input_screen else (WIDER, "are no longer screened")
        yield ("watch", "input_screen"), effect, Axis.OVERSIGHT, f"requests {said} before they are forwarded"
    if old.output_screen is not new.output_screen:
        order = list(OutputScreen)  # from never to before anybody sees it
        effect = NARROWER if order.index(new.output_screen) > order.index(old.output_screen) else WIDER
        said = f"answers are screened {_SCREENED[new.output_screen]} instead of {_SCREENED[old.output_screen]}"
        yield ("watch", "output_screen"), effect, Axis.OVERSIGHT, said
    if old.by_score != new.by_score:
        said = "raises the chance to be drawn where a detector scores high" if new.by_score else "no longer steers what is drawn"
        yield ("watch", "by_score"), NEUTRAL, Axis.OVERSIGHT, f"the score {said}"
    if old.minutes_per_item != new.minutes_per_item:
        said = f"`minutes_per_item` is {said_of(new.minutes_per_item)}"
        yield ("watch", "minutes_per_item"), NEUTRAL, Axis.OVERSIGHT, said


def _sampled(old: Rate | Everything, new: Rate | Everything) -> Effect:
    if isinstance(new, Everything):
        return NARROWER
    return WIDER if isinstance(old, Everything) or new.per_day() <= old.per_day() else NARROWER


def _entry(old: EntryApproval | None, new: EntryApproval | None) -> Found:
    if old is None or new is None:
        if old is not new:
            effect, said = (NARROWER, "takes signatures of its own") if old is None else (WIDER, "takes no signatures of its own")
            yield ("approval",), effect, Axis.OVERSIGHT, f"opening the stage {said}"
        return
    yield from bound(
        ("approval", "quorum"), Axis.OVERSIGHT, "signatures to open the stage", old.quorum, new.quorum, more=NARROWER
    )
    yield from words(
        "roles", old.roles, new.roles, Axis.OVERSIGHT, "signs", inside=("approval",), fewer_is=WIDER, more_is=_choice(new)
    )
    yield from span(("approval", "cool_off"), "the wait after the last signature", old.cool_off, new.cool_off, longer=NARROWER)
    if old.waivable is not new.waivable:
        effect, said = (NARROWER, "never be waived") if new.waivable.value == "never" else (WIDER, "be waived by two people")
        yield ("approval", "waivable"), effect, Axis.OVERSIGHT, f"the approval may {said}"


def _conditions(key: str, old: Sequence[Condition], new: Sequence[Condition]) -> Found:
    noun = "gate" if key == "leave" else "tripwire"
    pairs, gone, fresh = _paired(old, new)
    for condition in gone:
        yield (key,), WIDER, Axis.OVERSIGHT, f"the {noun} `{_id(condition)}` is gone"
    for at, condition in fresh:
        yield (key, at), NARROWER, Axis.OVERSIGHT, f"the {noun} `{_id(condition)}` is new"
    for at, before, after in pairs:
        for path, effect, axis, sentence in _condition(before, after):
            yield (key, at, _kind(after), *path), effect, axis, f"`{_id(after)}`: {sentence}"


def _paired(
    old: Sequence[Condition], new: Sequence[Condition]
) -> tuple[list[tuple[int, Condition, Condition]], list[Condition], list[tuple[int, Condition]]]:
    """Match conditions by their name, then what is left by what they read: a wire that acts harder is the same wire."""
    left, rest = list(old), list(enumerate(new))
    pairs: list[tuple[int, Condition, Condition]] = []
    names: tuple[Callable[[Condition], object], ...] = (_id, lambda one: (_kind(one), getattr(one, "hazard", None)))
    for name in names:
        for at, after in list(rest):
            before = next((one for one in left if name(one) == name(after)), None)
            if before is not None:
                pairs.append((at, before, after))
                left.remove(before)
                rest.remove((at, after))
    return pairs, left, rest


def _condition(old: Condition, new: Condition) -> Found:  # noqa: C901, PLR0912 - one arm for each kind of condition
    over = Axis.OVERSIGHT
    match old, new:
        case ExposureGate(), ExposureGate():
            for field in ("accounts", "organisations", "exchanges"):
                yield from bound((field,), over, field, getattr(old, field), getattr(new, field), more=NARROWER, none=WIDER)
        case SoakGate(), SoakGate():
            yield from bound(("active_days",), over, "active days", old.active_days, new.active_days, more=NARROWER)
            yield from span(("at_most",), "the longest stay", old.at_most, new.at_most, longer=NEUTRAL)
        case RateGate(), RateGate():
            if old.of != new.of:
                yield ("of",), WIDER, over, f"what was asked of {old.of} is asked of {new.of}, which shows something else"
            else:
                yield from span(("window",), "how long a user is observed", old.window, new.window, longer=NARROWER)
            yield from bound(("below",), over, "the bound", old.below, new.below)
            yield from bound(("alpha",), over, "the chance of passing falsely", old.alpha, new.alpha)
            if old.misses_measured != new.misses_measured:
                effect, said = (NARROWER, "must be") if new.misses_measured else (WIDER, "need no longer be")
                yield ("misses_measured",), effect, over, f"what reviewers miss {said} measured by gold items"
            if old.on_fail is not new.on_fail:
                yield (
                    ("on_fail",),
                    reacts(old.on_fail, new.on_fail),
                    over,
                    f"a shown harm does {said_of(new.on_fail)} instead of {said_of(old.on_fail)}",
                )
        case ReviewGate(), ReviewGate():
            yield from span(("flagged_done_within",), "the time to review", old.flagged_done_within, new.flagged_done_within)
            recall = (old.canary_recall_at_least, new.canary_recall_at_least)
            yield from bound(("canary_recall_at_least",), over, "the recall", *recall, more=NARROWER, none=WIDER)
            yield from bound(("alpha",), over, "the chance of passing falsely", old.alpha, new.alpha)
        case (EvaluationGate(), EvaluationGate()) | (IssuesGate(), IssuesGate()) | (AuditGate(), AuditGate()):
            yield from filed_gate(old, new)
        case (DiscoveryGate(), DiscoveryGate()) | (CoverageGate(), CoverageGate()):
            yield from people(old, new)
        case IncidentsGate(), IncidentsGate():
            for severity in Severity:
                path = ("open_at_most", severity.value)
                said = f"open {severity.value} incidents"
                yield from bound(path, over, said, old.open_at_most.of(severity), new.open_at_most.of(severity))
        case ApprovalGate(), ApprovalGate():
            yield from words("roles", old.roles, new.roles, over, "signs", fewer_is=WIDER, more_is=_choice(new))
            if old.quorum != new.quorum:
                effect = WIDER if new.signatures <= old.signatures else NARROWER
                yield ("quorum",), effect, over, f"{new.signatures} signatures instead of {old.signatures}"
            for field, kept, lost in (
                ("distinct", "by different people", "by one person if need be"),
                ("not_author", "not by the author", "by the author too"),
            ):
                if getattr(old, field) != getattr(new, field):
                    asked = bool(getattr(new, field))
                    yield (field,), NARROWER if asked else WIDER, over, f"signed {kept if asked else lost}"
        case RiseWire() | ShiftWire() | MissingWire() | IncidentWire() | MonitorDownWire(), _:
            yield from tripwire(old, new)
        case _:
            yield (
                (),
                WIDER,
                over,
                "asks something else",
            )  # kinds are paired, so this is never reached; were it, it would not pass unseen


def _choice(new: ApprovalGate | EntryApproval) -> Effect:
    """Return what one more named role does: one more must sign, unless signatures are too few for all and one more may."""
    signatures = new.signatures if isinstance(new, ApprovalGate) else new.quorum
    return WIDER if signatures < len(new.roles) else NARROWER


def _kind(condition: Condition) -> str:
    return str(cast("Any", condition).kind)


def _id(condition: Condition) -> str:
    return str(cast("Any", condition).id)


def _seats(seats: int | None) -> str:
    return "any number" if seats is None else f"{seats:,}"
