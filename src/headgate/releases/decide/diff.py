"""What a new plan opens and what it shuts, compared with an old one, piece by piece.

Whatever could let more people do more, watched by fewer eyes or shown by less evidence, is a widening; where two readings
are possible, the wider one is taken. Every difference in meaning is listed, so an empty list says that two plans are one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from headgate.kernel.units import Rate, span_text
from headgate.releases.model.findings import Path
from headgate.releases.model.plan import (
    Admission,
    ApprovalGate,
    Condition,
    EndState,
    EntryApproval,
    ExposureGate,
    Hazard,
    HowMuch,
    IncidentsGate,
    IncidentWire,
    MonitorDownWire,
    Plan,
    RateGate,
    Reaction,
    RiseWire,
    Severity,
    SoakGate,
    Stage,
    Watch,
    What,
    Who,
)
from headgate.releases.model.scalars import Everything

if TYPE_CHECKING:
    from datetime import timedelta


class Effect(Enum):
    """What a change does to how far the model is open."""

    WIDENING = "widening"
    NARROWING = "narrowing"
    NEUTRAL = "neutral"


class Axis(Enum):
    """Which side of the release a change is on."""

    AUDIENCE = "audience"
    SURFACE = "surface"
    CAPABILITY = "capability"
    AMOUNT = "amount"
    OVERSIGHT = "oversight"
    PLAN = "plan"


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


_Found: TypeAlias = Iterator[tuple[Path, Effect, Axis, str]]
_WIDER, _NARROWER, _NEUTRAL = Effect.WIDENING, Effect.NARROWING, Effect.NEUTRAL


def diff(old: Plan, new: Plan) -> list[Change]:
    """Return every difference, first the plan's own, then stage by stage in the new plan's order."""
    changes = [Change(path, None, effect, axis, sentence) for path, effect, axis, sentence in _plan(old, new)]
    order = {stage.name: at for at, stage in enumerate(new.stages)}
    before = {stage.name: stage for stage in old.stages}
    for at, stage in enumerate(old.stages):
        if stage.name not in order:
            last = at == len(old.stages) - 1
            said = "the ladder ends before this stage" if last else "the stage is skipped: what it had to show is no longer asked"
            changes.append(Change(("stages",), stage.name, _NARROWER if last else _WIDER, Axis.PLAN, said))
    kept_old = [stage.name for stage in old.stages if stage.name in order]
    kept_new = [stage.name for stage in new.stages if stage.name in before]
    for at, stage in enumerate(new.stages):
        here: Path = ("stages", at)
        if stage.name not in before:
            said = f"a new stage lets {_seats(stage.who.seats)} of `{stage.who.cohort}` in"
            changes.append(Change(here, stage.name, _WIDER, Axis.AUDIENCE, said))
            continue
        if kept_old.index(stage.name) != kept_new.index(stage.name):
            said = "the stage has another place on the ladder"
            changes.append(Change(here, stage.name, _WIDER, Axis.PLAN, said))
        found = compare_stages(before[stage.name], stage)
        changes.extend(Change((*here, *path), stage.name, effect, axis, sentence) for path, effect, axis, sentence in found)
    return changes


def compare_stages(old: Stage, new: Stage) -> _Found:
    """Yield every difference between two forms of one stage: path below the stage, effect, axis, sentence."""
    yield from access(old, new)
    yield from _watch(old.watch, new.watch)
    if old.asks != new.asks:
        yield ("asks",), _NEUTRAL, Axis.PLAN, "the stage asks other questions"
    yield from _conditions("leave", old.leave, new.leave)
    yield from _conditions("stop", old.stop, new.stop)
    if old.irreversible != new.irreversible:
        effect = _NARROWER if new.irreversible else _WIDER
        said = "the stage is now declared irreversible" if new.irreversible else "the stage is no longer declared irreversible"
        yield ("irreversible",), effect, Axis.PLAN, said
    yield from _words("needs_before", old.needs_before, new.needs_before, Axis.OVERSIGHT, "must be shown before", fewer_is=_WIDER)
    yield from _entry(old.approval, new.approval)


def access(old: Stage, new: Stage) -> _Found:
    """Yield the differences in who may do what, and how much: what lint compares between neighbours."""
    yield from _who(old.who, new.who)
    yield from _what(old.what, new.what)
    yield from _how_much(old.how_much, new.how_much)


def _plan(old: Plan, new: Plan) -> _Found:
    for field in ("name", "owner", "staging_is_for", "longest_stay"):
        if getattr(old, field) != getattr(new, field):
            yield (field,), _NEUTRAL, Axis.PLAN, f"`{field}` is written anew"
    if old.version_digest != new.version_digest:
        yield ("model", "version"), _NEUTRAL, Axis.PLAN, "this is another version: its evidence starts from nothing"
    if old.model != new.model and old.version_digest == new.version_digest:
        yield ("model",), _NEUTRAL, Axis.PLAN, "the same version is served under another name or from another place"
    if old.end_state is not new.end_state:
        order = list(EndState)
        effect = _WIDER if order.index(new.end_state) > order.index(old.end_state) else _NARROWER
        yield ("end_state",), effect, Axis.PLAN, f"the ladder ends at {new.end_state.value} instead of {old.end_state.value}"
    yield from _bound(("alpha",), Axis.OVERSIGHT, "the chance of a false promotion over the ladder", old.alpha, new.alpha)
    for name in [*old.hazards, *(name for name in new.hazards if name not in old.hazards)]:
        yield from _hazard(name, old.hazards.get(name), new.hazards.get(name))


def _hazard(name: str, old: Hazard | None, new: Hazard | None) -> _Found:
    path: Path = ("hazards", name)
    if old is None or new is None:
        effect, said = (_NARROWER, "is declared") if old is None else (_WIDER, "is no longer declared")
        yield path, effect, Axis.OVERSIGHT, f"the hazard `{name}` {said}"
        return
    if old.severity is not new.severity:
        order = list(Severity)
        effect = _WIDER if order.index(new.severity) > order.index(old.severity) else _NARROWER
        yield (*path, "severity"), effect, Axis.OVERSIGHT, f"`{name}` is {new.severity.value} instead of {old.severity.value}"
    for unit in ("traffic", "users"):
        said = f"the limit of `{name}` on {unit}"
        yield from _bound((*path, "limit", unit), Axis.OVERSIGHT, said, getattr(old.limit, unit), getattr(new.limit, unit))
    yield from _bound((*path, "worst_share"), Axis.OVERSIGHT, f"the worst share of `{name}`", old.worst_share, new.worst_share)
    if old.expected != new.expected:
        yield (*path, "expected"), _NEUTRAL, Axis.PLAN, f"another rate of `{name}` is expected"


def _who(old: Who, new: Who) -> _Found:
    if old.cohort != new.cohort:
        yield ("who", "cohort"), _WIDER, Axis.AUDIENCE, f"lets `{new.cohort}` in instead of `{old.cohort}`"
    yield from _bound(("who", "seats"), Axis.AUDIENCE, "seats", old.seats, new.seats)
    if old.admission is not new.admission:
        order = list(Admission)
        effect = _WIDER if order.index(new.admission) > order.index(old.admission) else _NARROWER
        yield (
            ("who", "admission"),
            effect,
            Axis.AUDIENCE,
            f"a seat comes by {new.admission.value} instead of {old.admission.value}",
        )
    if old.terms != new.terms:
        effect, said = (_WIDER, "no terms need accepting") if new.terms is None else (_NEUTRAL, f"the terms are {new.terms}")
        if old.terms is None:
            effect, said = _NARROWER, f"the terms {new.terms} must be accepted"
        yield ("who", "terms"), effect, Axis.AUDIENCE, said


def _what(old: What, new: What) -> _Found:
    yield from _words("surfaces", old.surfaces, new.surfaces, Axis.SURFACE, "is open", inside=("what",))
    yield from _words("capabilities", old.capabilities, new.capabilities, Axis.CAPABILITY, "is allowed", inside=("what",))
    yield from _bound(
        ("what", "max_output_tokens"), Axis.CAPABILITY, "tokens in one answer", old.max_output_tokens, new.max_output_tokens
    )
    yield from _bound(("what", "max_turns"), Axis.CAPABILITY, "turns in one conversation", old.max_turns, new.max_turns)
    if old.on_extra is not new.on_extra:
        said = f"a request for more is answered by {new.on_extra.value} instead of {old.on_extra.value}"
        yield ("what", "on_extra"), _NEUTRAL, Axis.CAPABILITY, said


def _how_much(old: HowMuch, new: HowMuch) -> _Found:
    yield from _pace(("how_much", "requests"), Axis.AMOUNT, "requests of each seat", old.requests, new.requests)
    yield from _pace(("how_much", "tokens"), Axis.AMOUNT, "tokens of each seat", old.tokens, new.tokens)
    yield from _bound(("how_much", "total_tokens"), Axis.AMOUNT, "tokens over a seat's life", old.total_tokens, new.total_tokens)
    yield from _bound(("how_much", "concurrency"), Axis.AMOUNT, "requests at one time", old.concurrency, new.concurrency)
    if old.expected_use != new.expected_use:
        yield ("how_much", "expected_use"), _NEUTRAL, Axis.PLAN, "another use is expected"


def _watch(old: Watch | None, new: Watch | None) -> _Found:
    if old is None or new is None:
        if old is not new:
            effect, said = (_NARROWER, "somebody watches now") if old is None else (_WIDER, "nobody watches any more")
            yield ("watch",), effect, Axis.OVERSIGHT, said
        return
    if old.flagged is not new.flagged:
        effect, said = (_WIDER, "no longer reviewed") if new.flagged.value == "none" else (_NARROWER, "all reviewed")
        yield ("watch", "flagged"), effect, Axis.OVERSIGHT, f"flagged exchanges are {said}"
    if old.sample != new.sample:
        yield (
            ("watch", "sample"),
            _sampled(old.sample, new.sample),
            Axis.OVERSIGHT,
            f"the sample is {_said(new.sample)} instead of {_said(old.sample)}",
        )
    yield from _bound(("watch", "reviewers"), Axis.OVERSIGHT, "reviewers", old.reviewers, new.reviewers, more=_NARROWER)
    if old.input_screen != new.input_screen:
        effect, said = (_NARROWER, "are screened") if new.input_screen else (_WIDER, "are no longer screened")
        yield ("watch", "input_screen"), effect, Axis.OVERSIGHT, f"requests {said} before they are forwarded"
    for field in ("minutes_per_item", "output_screen"):
        if getattr(old, field) != getattr(new, field):
            yield ("watch", field), _NEUTRAL, Axis.OVERSIGHT, f"`{field}` is {_said(getattr(new, field))}"


def _sampled(old: Rate | Everything, new: Rate | Everything) -> Effect:
    if isinstance(new, Everything):
        return _NARROWER
    return _WIDER if isinstance(old, Everything) or new.per_day() <= old.per_day() else _NARROWER


def _entry(old: EntryApproval | None, new: EntryApproval | None) -> _Found:
    if old is None or new is None:
        if old is not new:
            effect, said = (
                (_NARROWER, "takes signatures of its own") if old is None else (_WIDER, "takes no signatures of its own")
            )
            yield ("approval",), effect, Axis.OVERSIGHT, f"opening the stage {said}"
        return
    yield from _bound(
        ("approval", "quorum"), Axis.OVERSIGHT, "signatures to open the stage", old.quorum, new.quorum, more=_NARROWER
    )
    yield from _words("roles", old.roles, new.roles, Axis.OVERSIGHT, "signs", inside=("approval",), fewer_is=_WIDER)
    yield from _span(("approval", "cool_off"), "the wait after the last signature", old.cool_off, new.cool_off, longer=_NARROWER)
    if old.waivable is not new.waivable:
        effect, said = (_NARROWER, "never be waived") if new.waivable.value == "never" else (_WIDER, "be waived by two people")
        yield ("approval", "waivable"), effect, Axis.OVERSIGHT, f"the approval may {said}"


def _conditions(key: str, old: Sequence[Condition], new: Sequence[Condition]) -> _Found:
    noun = "gate" if key == "leave" else "tripwire"
    pairs, gone, fresh = _paired(old, new)
    for condition in gone:
        yield (key,), _WIDER, Axis.OVERSIGHT, f"the {noun} `{_id(condition)}` is gone"
    for at, condition in fresh:
        yield (key, at), _NARROWER, Axis.OVERSIGHT, f"the {noun} `{_id(condition)}` is new"
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


def _condition(old: Condition, new: Condition) -> _Found:  # noqa: C901, PLR0912 - one arm for each kind of condition
    over = Axis.OVERSIGHT
    match old, new:
        case ExposureGate(), ExposureGate():
            for field in ("accounts", "organisations", "exchanges"):
                yield from _bound((field,), over, field, getattr(old, field), getattr(new, field), more=_NARROWER, none=_WIDER)
        case SoakGate(), SoakGate():
            yield from _bound(("active_days",), over, "active days", old.active_days, new.active_days, more=_NARROWER)
            yield from _span(("at_most",), "the longest stay", old.at_most, new.at_most, longer=_NEUTRAL)
        case RateGate(), RateGate():
            yield from _bound(("below",), over, "the bound", old.below, new.below)
            yield from _bound(("alpha",), over, "the chance of passing falsely", old.alpha, new.alpha)
            if old.on_fail is not new.on_fail:
                yield (
                    ("on_fail",),
                    _reacts(old.on_fail, new.on_fail),
                    over,
                    f"a shown harm does {_said(new.on_fail)} instead of {_said(old.on_fail)}",
                )
        case IncidentsGate(), IncidentsGate():
            for severity in Severity:
                path = ("open_at_most", severity.value)
                said = f"open {severity.value} incidents"
                yield from _bound(path, over, said, old.open_at_most.of(severity), new.open_at_most.of(severity))
        case ApprovalGate(), ApprovalGate():
            yield from _words("roles", old.roles, new.roles, over, "signs", fewer_is=_WIDER)
            if old.quorum != new.quorum:
                effect = _WIDER if new.signatures <= old.signatures else _NARROWER
                yield ("quorum",), effect, over, f"{new.signatures} signatures instead of {old.signatures}"
            for field, kept, lost in (
                ("distinct", "by different people", "by one person if need be"),
                ("not_author", "not by the author", "by the author too"),
            ):
                if getattr(old, field) != getattr(new, field):
                    asked = bool(getattr(new, field))
                    yield (field,), _NARROWER if asked else _WIDER, over, f"signed {kept if asked else lost}"
        case RiseWire(), RiseWire():
            yield from _bound(("from",), over, "the rate that is tolerated", old.from_, new.from_)
            yield from _bound(("to",), over, "the rate it is sharpest at", old.to, new.to)
            yield from _span(("false_alarm_every",), "the time to a false alarm", old.false_alarm_every, new.false_alarm_every)
            yield from _span(("look_every",), "the time between looks", old.look_every, new.look_every)
            yield from _then(old.then, new.then)
        case IncidentWire(), IncidentWire():
            if old.severity is not new.severity:
                order = list(Severity)
                effect = _NARROWER if order.index(new.severity) > order.index(old.severity) else _WIDER
                yield ("severity",), effect, over, f"trips from {new.severity.value} up instead of {old.severity.value}"
            yield from _then(old.then, new.then)
        case MonitorDownWire(), MonitorDownWire():
            yield from _span(("for",), "the silence that trips it", old.for_, new.for_)
            yield from _span(("narrow_after",), "the silence that steps down", old.narrow_after, new.narrow_after)
            yield from _then(old.then, new.then)
        case _:
            yield (
                (),
                _WIDER,
                over,
                "asks something else",
            )  # kinds are paired, so this is never reached; were it, it would not pass unseen


def _then(old: Reaction, new: Reaction) -> _Found:
    if old is not new:
        yield ("then",), _reacts(old, new), Axis.OVERSIGHT, f"does {new.value} instead of {old.value}"


def _reacts(old: Reaction | None, new: Reaction | None) -> Effect:
    """A reaction left out is decided by the hazard's severity, so leaving one out or writing one in may soften it."""
    if old is None or new is None:
        return _WIDER if new is None or new is Reaction.HOLD else _NARROWER
    order = list(Reaction)
    return _NARROWER if order.index(new) > order.index(old) else _WIDER


def _bound(
    path: Path,
    axis: Axis,
    what: str,
    old: float | None,
    new: float | None,
    *,
    more: Effect = _WIDER,
    none: Effect | None = None,
) -> _Found:
    """Yield the change of a number; ``None`` is no bound at all, which counts as more unless ``none`` says otherwise."""
    if old == new:
        return
    less = _NARROWER if more is _WIDER else _WIDER
    if new is None:
        effect = more if none is None else none
    elif old is None:
        effect = less if none is None else (_NARROWER if none is _WIDER else _WIDER)
    else:
        effect = more if new > old else less
    yield path, effect, axis, f"{what}: {_said(new)} instead of {_said(old)}"


def _span(path: Path, what: str, old: timedelta | None, new: timedelta | None, *, longer: Effect = _WIDER) -> _Found:
    if old == new:
        return
    shorter = {_WIDER: _NARROWER, _NARROWER: _WIDER, _NEUTRAL: _NEUTRAL}[longer]
    if old is None or new is None:
        # without a wait there is no wait, and without a silence that steps down nothing steps down
        given, dropped = (_NEUTRAL, _NEUTRAL) if longer is _NEUTRAL else (_NARROWER, _WIDER)
        effect = given if old is None else dropped
    else:
        effect = longer if new > old else shorter
    yield path, effect, Axis.OVERSIGHT, f"{what}: {_said(new)} instead of {_said(old)}"


def _pace(path: Path, axis: Axis, what: str, old: Rate | None, new: Rate | None) -> _Found:
    if old == new:
        return
    if new is None or old is None:
        effect = _WIDER if new is None else _NARROWER
    else:
        # more in a day, or more at once: either is wider
        effect = _WIDER if new.per_day() > old.per_day() or new.count > old.count else _NARROWER
    yield path, effect, axis, f"{what}: {_said(new)} instead of {_said(old)}"


def _words(
    key: str,
    old: Sequence[Enum],
    new: Sequence[Enum],
    axis: Axis,
    said: str,
    *,
    inside: Path = (),
    fewer_is: Effect = _NARROWER,
) -> _Found:
    more_is = _WIDER if fewer_is is _NARROWER else _NARROWER
    path = (*inside, key)
    for word in dict.fromkeys(old):
        if word not in new:
            yield (
                path,
                fewer_is,
                axis,
                f"`{word.value}` no longer {said}" if not said.startswith("is ") else f"`{word.value}` is no longer {said[3:]}",
            )
    for word in dict.fromkeys(new):
        if word not in old:
            yield path, more_is, axis, f"`{word.value}` {said}"
    if old != new and set(old) == set(new):
        yield (
            path,
            _NEUTRAL if len(new) == len(old) else fewer_is if len(new) < len(old) else more_is,
            axis,
            f"`{key}` is listed anew",
        )


def _kind(condition: Condition) -> str:
    return str(cast("Any", condition).kind)


def _id(condition: Condition) -> str:
    return str(cast("Any", condition).id)


def _seats(seats: int | None) -> str:
    return "any number" if seats is None else f"{seats:,}"


def _said(value: object) -> str:
    match value:
        case None:
            return "none"
        case Enum():
            return str(value.value)
        case Rate() | bool():
            return str(value)
        case int() | float():
            return f"{value:,}" if isinstance(value, int) else f"{value:g}"
        case _:
            return span_text(cast("timedelta", value))
