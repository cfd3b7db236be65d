"""A gate as people read it: its verdict and sentence, its figures in words, its chart, and the chart's numbers as a table."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from headgate.look import charts
from headgate.look.writing import count, share, words
from headgate.releases.model.release import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from headgate.look.charts import Spec
    from headgate.releases.decide.status import GateLine
    from headgate.releases.model.course import Course
    from headgate.releases.model.reading import Number
    from headgate.releases.model.release import Decision
    from headgate.releases.service import Picture
    from headgate.safety.model import Incident


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers in rows.

    Attributes:
        headings: What stands in each column.
        rows: The rows, each a text for each column.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class GateCard:
    """A gate as it is shown.

    Attributes:
        line: What status says of it.
        name: What it is called, in words.
        chief: Its chief figures: counts, bound, limit, and what is missing.
        figures: All its figures.
        spec: Its chart; ``None`` for a gate that bounds nothing.
        alternative: What the chart shows, in a sentence.
        table: The chart's numbers; ``None`` where the chart shows nothing that is not among the figures.
    """

    line: GateLine
    name: str
    chief: tuple[tuple[str, str], ...]
    figures: tuple[tuple[str, str], ...]
    spec: Spec | None
    alternative: str
    table: Table | None

    @property
    def anchor(self) -> str:
        """A name for its place on a page."""
        return "gate-" + "".join(letter if letter.isalnum() else "-" for letter in self.line.gate_id)


def cards(picture: Picture, incidents: Sequence[Incident]) -> tuple[GateCard, ...]:
    """Return the gates of the present stage, in their order.

    Args:
        picture: The release.
        incidents: What happened meanwhile; of each its severity and time alone are shown.
    """
    return tuple(_card(line, picture, incidents) for line in picture.status.gates)


def _card(line: GateLine, picture: Picture, incidents: Sequence[Incident]) -> GateCard:
    course = picture.courses.get(line.gate_id)
    spec: Spec | None = None
    table: Table | None = None
    told = ""
    if course is not None and course.steps:
        happened = marks(course, picture.decisions, incidents)
        spec = charts.course(_drawn(course, happened))
        table = _table(course)
        told = _alternative(course, happened)
    elif course is None and line.kind != "evaluation" and (pair := _bound_and_limit(line.numbers)) is not None:
        bound, limit = pair
        spec = charts.standing(bound, limit, unit="share", up="upper bound, beside the limit")
        told = f"The upper bound is {share(bound)}, the limit is {share(limit)}."
    return GateCard(
        line=line,
        name=words(line.gate_id.replace(".", ", ")),
        chief=_chief(line),
        figures=tuple((_heading(name, line.numbers), _value(name, value, line)) for name, value in line.numbers.items()),
        spec=spec,
        alternative=told,
        table=table,
    )


_MARKED: Final = {
    Kind.HOLD: "held",
    Kind.NARROW: "narrowed",
    Kind.CUT: "cut",
    Kind.FREEZE: "frozen",
    Kind.UNFREEZE: "unfrozen",
    Kind.RESUME: "resumed",
    Kind.WAIVE: "waiver",
    Kind.DECLARE_RISK: "declared risk",
    Kind.PROMOTE: "promoted",
    Kind.APPLY: "plan applied",
}


def marks(course: Course, decisions: Sequence[Decision], incidents: Sequence[Incident]) -> tuple[charts.Mark, ...]:
    """Return what happened while a gate's evidence came in, each at the evidence that there was then."""
    times = [step.at for step in course.steps if step.at is not None]
    if len(times) != len(course.steps) or not times:
        return ()

    def seen(at: datetime) -> int:
        behind = bisect_right(times, at)
        return course.steps[behind - 1].seen if behind else 0

    found = [
        charts.Mark(seen(each.at), each.at, _MARKED[each.kind], "decision")
        for each in decisions
        if each.kind in _MARKED and each.at >= times[0]
    ]
    found += [
        charts.Mark(seen(each.opened_at), each.opened_at, f"{each.severity.value} incident", "incident")
        for each in incidents
        if each.opened_at >= times[0]
    ]
    return tuple(sorted(found, key=lambda mark: (mark.at, mark.what)))


def _drawn(course: Course, happened: Sequence[charts.Mark]) -> charts.Course:
    table = _table(course)
    dots = [
        charts.Dot(step.seen, step.bound, dict(zip(table.headings, row, strict=True)))
        for step, row in zip(course.steps, table.rows, strict=True)
    ]
    said = _SAID[course.bounds]
    return charts.Course(
        dots=dots,
        limit=course.limit,
        marks=happened,
        unit="number" if course.bounds == "users" else "share",
        across=said.across,
        up=said.up,
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """How a bound's course is told: along its axes, and over the columns of its table."""

    across: str
    up: str
    columns: tuple[str, ...]


_BY_ARRIVAL = "users so far, in the order in which they came"
_SAID: Final = {
    "rate": _Said(
        "labels so far, in the order of their draws",
        "upper bound on the rate",
        ("labels", "recorded", "exchanges", "harms", "upper bound"),
    ),
    "share": _Said(
        _BY_ARRIVAL,
        "upper bound on the mean share",
        ("users", "observed until", "exchanges", "with harm", "upper bound"),
    ),
    "carried": _Said(
        _BY_ARRIVAL, "upper bound, carried over", ("users", "strata that nobody is of", "upper bound, carried over")
    ),
    "users": _Said(_BY_ARRIVAL, "most who may meet an unseen kind", ("users", "with a new kind", "most who may meet one")),
}


def _table(course: Course) -> Table:
    bound = _writing(course)
    rows: list[tuple[str, ...]] = []
    for step in course.steps:
        told = bound(step.bound) if step.bound is not None else "not bounded"
        if course.bounds in ("rate", "share"):
            at = f"{step.at:%Y-%m-%d %H:%M} UTC" if step.at else "not known"
            exchanges = count(step.exchanges) if step.exchanges is not None else "not known"
            rows.append((count(step.seen), at, exchanges, count(step.harms), told))
        else:
            rows.append((count(step.seen), count(step.harms), told))
    return Table(_SAID[course.bounds].columns, tuple(rows))


def _writing(course: Course) -> Callable[[float | None], str]:
    return count if course.bounds == "users" else share


def _alternative(course: Course, happened: Sequence[charts.Mark]) -> str:
    last = course.steps[-1]
    written = _writing(course)
    now = "nothing is bounded" if last.bound is None else f"the bound is {written(last.bound)}"
    where = "below" if last.bound is not None and last.bound < course.limit else "not below"
    told = f"After {count(last.seen)} {course.unit}s {now}, {where} the limit of {written(course.limit)}."
    if happened:
        told += " Marked: " + "; ".join(f"{mark.what} on {mark.at:%Y-%m-%d}" for mark in happened[:6]) + "."
    return told


def _bound_and_limit(numbers: Mapping[str, Number]) -> tuple[float, float] | None:
    bound, limit = numbers.get("upper"), numbers.get("limit")
    if isinstance(bound, int | float) and isinstance(limit, int | float) and bound > 0 and limit > 0:
        return float(bound), float(limit)
    return None


# Figures in words.

_HEADINGS: Final = {
    "k": "harms",
    "n": "labels",
    "requests": "exchanges behind the frontier",
    "rate": "rate seen",
    "upper": "upper bound",
    "lower": "lower bound",
    "limit": "limit",
    "limit_of_standing": "limit, less what reviewers miss",
    "recognised_lower": "reviewers recognise at least",
    "log_e": "stake so far (log)",
    "log_e_needed": "stake needed (log)",
    "alpha": "error probability spent",
    "progress": "progress",
    "labels_to_go": "labels to go",
    "users_to_go": "users to go",
    "golds_to_go": "gold items to go",
    "days": "active days",
    "days_wanted": "active days wanted",
    "worst_share": "worst share of one user",
    "tightest": "tightest bound these users could give",
    "expected_at_most": "most who may meet an unseen kind",
    "none_at_least": "chance that nobody does, at least",
    "next_users": "seats of the next stage",
    "unseen_strata_mass": "share of people in unseen strata",
    "longest_s": "longest wait",
    "recall_lower": "reviewers' recall, at least",
    "recall_upper": "reviewers' recall, at most",
    "recall_wanted": "recall wanted",
}
_SHARES: Final = frozenset(
    {
        "rate",
        "upper",
        "lower",
        "limit",
        "limit_of_standing",
        "recognised_lower",
        "alpha",
        "progress",
        "worst_share",
        "tightest",
        "none_at_least",
        "unseen_strata_mass",
        "recall_lower",
        "recall_upper",
        "recall_wanted",
    }
)
_CHIEF: Final = {
    "rate": ("k", "n", "upper", "limit", "labels_to_go", "users_to_go"),
    "discovery": ("k", "n", "expected_at_most", "limit", "users_to_go"),
    "coverage": ("n", "upper", "limit"),
    "exposure": ("accounts", "accounts_wanted", "organisations_wanted", "exchanges", "exchanges_wanted"),
    "soak": ("days", "days_wanted"),
    "review": ("done", "waiting", "late", "recall_lower", "recall_wanted", "golds_to_go"),
}


def _chief(line: GateLine) -> tuple[tuple[str, str], ...]:
    names = _CHIEF.get(line.kind, tuple(line.numbers)[:4])
    found = [
        (_heading(name, line.numbers), _value(name, line.numbers[name], line))
        for name in names
        if line.numbers.get(name) is not None and not (name.endswith("_to_go") and line.shown == "PASS")
    ]
    if line.need is not None and line.need.expected_at is not None:
        found.append(("expected", f"{line.need.expected_at:%Y-%m-%d %H:%M} UTC"))
    return tuple(found)


def _heading(name: str, numbers: Mapping[str, Number]) -> str:
    if name == "n" and numbers.get("unit") == "user":
        return "users"
    return _HEADINGS.get(name, words(name))


def _value(name: str, value: Number, line: GateLine) -> str:
    if value is None:
        return "not known"
    if isinstance(value, str):
        return value
    if name in _SHARES and not (line.kind == "discovery" and name == "limit"):
        return str(share(value))
    return str(count(value))
