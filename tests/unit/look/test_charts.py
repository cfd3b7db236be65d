"""Charts as specifications: valid whatever they are of, painted with tokens that exist, with all their data inside."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import altair as alt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.look.charts import Course, Dot, Mark, Scored, Unit, course, painted, scores, standing, tokens
from headgate.look.workshop import ChartLibrary, NotDrawn, library_url, svgs

if TYPE_CHECKING:
    from pathlib import Path

    from headgate.look.charts import Spec

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PAYLOAD = "<script>alert(1)</script> var(--nonsense"

dots = st.lists(
    st.builds(
        Dot,
        seen=st.integers(0, 10**7),
        bound=st.none() | st.floats(1e-9, 1.0),
        told=st.just({"labels": PAYLOAD}),
    ),
    max_size=8,
)
marks = st.lists(
    st.builds(
        Mark,
        seen=st.integers(0, 10**7),
        at=st.just(NOON),
        what=st.sampled_from(["held", PAYLOAD]),
        kind=st.sampled_from(["decision", "incident"]),
    ),
    max_size=4,
)


def valid(spec: Spec) -> None:
    alt.LayerChart.from_dict(cast("dict[str, Any]", spec))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.builds(Scored, st.floats(0, 1), st.floats(0, 1), st.integers(1, 99), st.just({"of": PAYLOAD})), max_size=6),
    st.sampled_from(["share", "number"]),
)
def test_every_drawing_of_scores_is_a_valid_specification(points: list[Scored], unit: Unit) -> None:
    spec = scores(points, unit=unit, across="said", up="came")
    valid(spec)
    assert len(spec["data"]["values"]) == len(points)
    painted(spec, tokens())


@settings(max_examples=25, deadline=None)
@given(dots, st.floats(1e-9, 0.5), marks, st.sampled_from(["share", "number"]))
def test_every_course_is_a_valid_specification(given: list[Dot], limit: float, happened: list[Mark], unit: Unit) -> None:
    spec = course(Course(sorted(given, key=lambda dot: dot.seen), limit, happened, unit, "labels", "bound"))
    valid(spec)
    drawn = [dot for dot in given if dot.bound is not None]
    assert len(spec["data"]["values"]) == len(drawn)
    ticks = [value for layer in spec["layer"] for value in layer["encoding"].get("y", {}).get("axis", {}).get("values", [])]
    assert len(set(ticks)) <= 12


@settings(max_examples=25, deadline=None)
@given(st.floats(1e-9, 1.0), st.floats(1e-9, 1.0), st.sampled_from(["share", "number"]))
def test_every_standing_is_a_valid_specification(bound: float, limit: float, unit: Unit) -> None:
    valid(standing(bound, limit, unit=unit, up="bound"))


def test_every_colour_is_a_token_of_the_pages_and_has_a_value_in_both_themes() -> None:
    spec = a_course()
    filled = json.dumps(painted(spec, tokens()))
    assert "var(" not in filled
    valid(painted(spec, tokens()))
    assert tokens()["--water"] == "#0f5a6e", "the light theme's, which is the first that is declared"


def test_a_token_that_nobody_declared_is_an_error() -> None:
    with pytest.raises(KeyError):
        painted(a_course(), {"--water": "#000000"})


def test_charts_are_drawn_without_a_network_and_their_text_is_text() -> None:
    spec = painted({**a_course(PAYLOAD), "width": 400}, {**tokens(), "--nonsense": "x"})
    drawn = svgs([spec, spec])
    assert len(drawn) == 2
    assert drawn[0] == drawn[1]
    assert drawn[0].startswith("<svg")
    assert "<script" not in drawn[0]
    assert "limit 0.1 %" in drawn[0]


def test_what_cannot_be_drawn_is_said_and_nothing_is_drawn_of_nothing() -> None:
    assert svgs([]) == ()
    with pytest.raises(NotDrawn):
        svgs([cast("Spec", {"layer": [{"mark": "nonsense"}]})])


def test_the_library_is_read_from_where_it_is_kept_and_its_address_names_its_edition(tmp_path: Path) -> None:
    kept = tmp_path / f"charts-{library_url().rpartition('/')[2]}"
    kept.write_text("export const vegaEmbed = 1;")
    assert ChartLibrary(tmp_path).content() == b"export const vegaEmbed = 1;"
    assert library_url() == library_url()
    assert library_url().startswith("/charts/")


def a_course(what: str = "held") -> Spec:
    steps = [Dot(number, 3.6 / number, {"labels": f"{number:,}"}) for number in range(100, 4000, 100)]
    happened = [Mark(1200, NOON, what, "decision"), Mark(2400, NOON + timedelta(days=3), "high incident", "incident")]
    return course(Course(steps, 1e-3, happened, "share", "labels", "upper bound"))
