"""Charts as Vega-Lite specifications: plain values, made here and nowhere else, for the browser and for the report alike.

A colour is written as the token that holds it, ``var(--water)``: the browser fills in what the token is in its theme, and
``painted`` does so for paper. A specification names no address and holds all its data, the same that the table beside it shows.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import resources
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"
"""Which language a specification is written in; a name, never fetched."""
_TOKEN = re.compile(r"var\((--[a-z0-9-]+)\)")
_DECLARED = re.compile(r"(--[a-z0-9-]+):\s*([^;]+);")
_HEIGHT = 240
_MOST_TICKS = 7

Unit: TypeAlias = Literal["share", "number"]
"""What an axis counts in: a share, written in per cent, or a number of something."""


class Spec(TypedDict):
    """A Vega-Lite specification of layers over one set of data."""

    width: int | str
    height: int
    autosize: dict[str, Any]
    background: str
    data: dict[str, Any]
    layer: list[dict[str, Any]]
    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Dot:
    """One point of a bound.

    Attributes:
        seen: How much evidence there was.
        bound: What it bounded; ``None`` where nothing was bounded.
        told: What is said of it: the fields of a table's row, by heading.
    """

    seen: int
    bound: float | None
    told: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened on the way.

    Attributes:
        seen: How much evidence there was then.
        at: When.
        what: What, in a word or two.
        kind: ``decision`` or ``incident``.
    """

    seen: int
    at: datetime
    what: str
    kind: Literal["decision", "incident"]


@dataclass(frozen=True, slots=True)
class Course:
    """A bound against its limit, over ever more evidence.

    Attributes:
        dots: The bound, from the first evidence to all of it.
        limit: What it must fall below.
        marks: What happened on the way.
        unit: What bound and limit are counted in.
        across: What the evidence is counted in, for the axis: ``labels``.
        up: What is bounded, for the axis.
    """

    dots: Sequence[Dot]
    limit: float
    marks: Sequence[Mark]
    unit: Unit
    across: str
    up: str


def course(given: Course) -> Spec:
    """Return a bound's way down to its limit: the region below the limit is where a pass lies.

    The scale is a logarithm's, since a bound falls as one over the evidence; a bound of nothing yet is not drawn.
    """
    drawn = [dot for dot in given.dots if dot.bound is not None and dot.bound > 0]
    bounds = [dot.bound for dot in drawn if dot.bound is not None]
    most = max([*bounds, given.limit]) * 1.6
    if given.unit == "share":
        most = min(most, 1.0)
    least = min([*bounds, given.limit]) / 2.5
    widest = max([dot.seen for dot in given.dots], default=1)
    across: dict[str, Any] = {
        "field": "seen",
        "type": "quantitative",
        "title": given.across,
        "scale": {"domain": [0, widest], "nice": False},
        "axis": {"format": ",d", "tickMinStep": 1, "tickCount": 6, "grid": False},
    }
    up: dict[str, Any] = {
        "field": "bound",
        "type": "quantitative",
        "title": given.up,
        "scale": {"type": "log", "domain": [least, most], "nice": False},
        "axis": {"labelExpr": _written(given.unit), "values": _ticks(least, most)},
    }
    headings: list[str] = list(drawn[-1].told) if drawn else []
    said: list[dict[str, Any]] = [{"field": name, "type": "nominal"} for name in headings]
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": [{"from": least, "to": given.limit}]},
            "mark": {"type": "rect", "color": "var(--good-pale)"},
            "encoding": {"y": {"field": "from", "type": "quantitative"}, "y2": {"field": "to"}},
        },
        {
            "data": {"values": [{"limit": given.limit}]},
            "mark": {"type": "rule", "color": "var(--good)", "strokeDash": [6, 4], "strokeWidth": 2},
            "encoding": {"y": {"field": "limit", "type": "quantitative"}},
        },
        {
            "data": {"values": [{"limit": given.limit, "seen": 0}]},
            "mark": {
                "type": "text",
                "text": f"limit {_limit(given)}",
                "align": "left",
                "baseline": "bottom",
                "dx": 6,
                "dy": -4,
                "color": "var(--good)",
                "fontWeight": 600,
            },
            "encoding": {"y": {"field": "limit", "type": "quantitative"}, "x": {"field": "seen", "type": "quantitative"}},
        },
        *_marked(given.marks, widest),
        {"mark": {"type": "line", "color": "var(--water)", "strokeWidth": 2.5}, "encoding": {}},
        {
            "mark": {"type": "point", "filled": True, "size": 22, "color": "var(--water)", "opacity": 1},
            "encoding": {"tooltip": said},
        },
    ]
    if drawn:
        layers.append(
            {
                "data": {"values": [_row(drawn[-1])]},
                "mark": {
                    "type": "point",
                    "filled": True,
                    "size": 130,
                    "color": "var(--brass)",
                    "stroke": "var(--surface)",
                    "strokeWidth": 2,
                    "opacity": 1,
                },
                "encoding": {"x": across, "y": up, "tooltip": said},
            }
        )
    for layer in layers:
        shared = {"x": across, "y": up} if "data" not in layer else {}
        layer["encoding"] = {**shared, **layer["encoding"]}
    return Spec(
        width="container",
        height=_HEIGHT,
        autosize={"type": "fit-x", "contains": "padding"},
        background="transparent",
        data={"values": [_row(dot) for dot in drawn]},
        layer=layers,
        config=_config(),
    )


def _limit(given: Course) -> str:
    return f"{100 * given.limit:.2g} %" if given.unit == "share" else f"{given.limit:,.3g}"


def _row(dot: Dot) -> dict[str, Any]:
    return {"seen": dot.seen, "bound": dot.bound, **dot.told}


def _marked(marks: Sequence[Mark], widest: int) -> list[dict[str, Any]]:
    if not marks:
        return []
    rows = [
        {"seen": min(mark.seen, widest), "what": mark.what, "kind": mark.kind, "when": f"{mark.at:%Y-%m-%d %H:%M} UTC"}
        for mark in marks
    ]
    colour = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": ["decision", "incident"], "range": ["var(--ink-soft)", "var(--bad)"]},
        "legend": None,
    }
    told = [{"field": "what", "type": "nominal"}, {"field": "when", "type": "nominal"}]
    x = {"field": "seen", "type": "quantitative"}
    shape = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": ["decision", "incident"], "range": ["triangle-down", "cross"]},
    }
    return [
        {
            "data": {"values": rows},
            "mark": {"type": "rule", "strokeDash": [2, 3], "strokeWidth": 1},
            "encoding": {"x": x, "color": colour, "tooltip": told},
        },
        {
            "data": {"values": rows},
            "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1, "y": 5},
            "encoding": {"x": x, "color": colour, "shape": {**shape, "legend": None}, "tooltip": told},
        },
    ]


def standing(bound: float, limit: float, *, unit: Unit, up: str) -> Spec:
    """Return a bound beside its limit, as they stand now, for a gate whose evidence has no order to show."""
    most = max(bound, limit) * 1.25
    if unit == "share":
        most = min(most, 1.0)
    axis: dict[str, Any] = {
        "type": "quantitative",
        "title": up,
        "scale": {"domain": [0, most], "nice": False},
        "axis": {"labelExpr": _written(unit), "tickCount": 5},
    }
    return Spec(
        width="container",
        height=46,
        autosize={"type": "fit-x", "contains": "padding"},
        background="transparent",
        data={"values": [{"bound": bound, "limit": limit, "none": 0}]},
        layer=[
            {
                "mark": {"type": "rect", "color": "var(--good-pale)"},
                "encoding": {"x": {"field": "none", **axis}, "x2": {"field": "limit"}},
            },
            {
                "mark": {"type": "bar", "color": "var(--water)", "height": 14},
                "encoding": {"x": {"field": "bound", **axis}},
            },
            {
                "mark": {"type": "rule", "color": "var(--good)", "strokeDash": [6, 4], "strokeWidth": 2},
                "encoding": {"x": {"field": "limit", **axis}},
            },
        ],
        config=_config(),
    )


@dataclass(frozen=True, slots=True)
class Scored:
    """What was said, and what came.

    Attributes:
        said: What was said.
        came: What came.
        weight: How much stands behind it; larger points have more.
        told: What is said of it: the fields of a table's row, by heading.
    """

    said: float
    came: float
    weight: int
    told: Mapping[str, str]


def scores(points: Sequence[Scored], *, unit: Unit, across: str, up: str) -> Spec:
    """Return what came over what was said: whoever said what came lies on the line from corner to corner.

    Shares are drawn from nothing to all; numbers on a logarithm's scale, with all that is right to a factor of two shaded.
    """
    both = [value for each in points for value in (each.said, each.came) if value > 0]
    least, most = (0.0, 1.0) if unit == "share" else (min(both, default=1.0) / 2, max(both, default=10.0) * 2)
    scale: dict[str, Any] = {"domain": [least, most], "nice": False, "clamp": True}
    axis: dict[str, Any] = {"labelExpr": _written(unit)}
    if unit == "number":
        scale["type"], axis["values"] = "log", _ticks(least, most)
    x: dict[str, Any] = {"field": "said", "type": "quantitative", "title": across, "scale": scale, "axis": axis}
    y: dict[str, Any] = {"field": "came", "type": "quantitative", "title": up, "scale": scale, "axis": axis}
    ends = [{"said": end, "came": end, "half": end / 2, "twice": end * 2} for end in (least, most)]
    headings: list[str] = list(points[0].told) if points else []
    layers: list[dict[str, Any]] = []
    if unit == "number":
        layers.append(
            {
                "data": {"values": ends},
                "mark": {"type": "area", "color": "var(--good-pale)", "clip": True},
                "encoding": {"x": x, "y": {**y, "field": "half"}, "y2": {"field": "twice"}},
            }
        )
    layers += [
        {
            "data": {"values": ends},
            "mark": {"type": "line", "color": "var(--good)", "strokeDash": [6, 4], "strokeWidth": 2},
            "encoding": {"x": x, "y": y},
        },
        {
            "mark": {"type": "point", "filled": True, "color": "var(--water)", "opacity": 0.85},
            "encoding": {
                "x": x,
                "y": y,
                "size": {"field": "weight", "type": "quantitative", "scale": {"range": [50, 260]}, "legend": None},
                "tooltip": [{"field": name, "type": "nominal"} for name in headings],
            },
        },
    ]
    return Spec(
        width="container",
        height=_HEIGHT,
        autosize={"type": "fit-x", "contains": "padding"},
        background="transparent",
        data={"values": [{"said": each.said, "came": each.came, "weight": each.weight, **each.told} for each in points]},
        layer=layers,
        config=_config(),
    )


def _ticks(least: float, most: float) -> list[float]:
    """Return where a logarithm's scale is marked: at 1, 2 and 5 of each decade, or at decades alone where those are many."""
    decades = range(floor(log10(least)), ceil(log10(most)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [float(f"{step}e{decade}") for decade in decades for step in steps]
        inside = [value for value in found if least <= value <= most]
        if len(inside) <= _MOST_TICKS:
            break
    return inside


def _written(unit: Unit) -> str:
    return "format(datum.value * 100, '.2~r') + ' %'" if unit == "share" else "format(datum.value, ',.2~r')"


def _config() -> dict[str, Any]:
    text = {
        "labelColor": "var(--ink-soft)",
        "titleColor": "var(--ink-soft)",
        "labelFont": "var(--text)",
        "titleFont": "var(--text)",
    }
    lines = {"domainColor": "var(--line-strong)", "tickColor": "var(--line-strong)", "gridColor": "var(--line)"}
    axis = {**text, **lines, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": 400, "titlePadding": 8}
    return {
        "view": {"stroke": None},
        "axis": axis,
        "text": {"font": "var(--text)", "fontSize": 12},
        "aria": False,  # the figure around it speaks for it, and its table says more
    }


# What is the colour of a token.


def tokens() -> Mapping[str, str]:
    """Return the light values of the page's tokens, as the style sheet declares them first."""
    sheet = (resources.files("headgate.look") / "static" / "look" / "tokens.css").read_text()
    found: dict[str, str] = {}
    for name, value in _DECLARED.findall(sheet):
        found.setdefault(name, value.strip())
    return found


def painted(spec: Spec, values: Mapping[str, str]) -> Spec:
    """Return a specification with its tokens filled in.

    Args:
        spec: The specification.
        values: Each token's value.

    Raises:
        KeyError: It names a token that has none.
    """
    text = json.dumps(spec)
    filled = _TOKEN.sub(lambda named: json.dumps(values[named[1]])[1:-1], text)
    return cast("Spec", json.loads(filled))
