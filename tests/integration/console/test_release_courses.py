"""How bounds on users came about, as a release's page draws them: each step is what the engine says of the users up to then."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import altair as alt
import pytest

from headgate.bootstrap.settings import load
from headgate.bootstrap.wiring import House, open_house
from headgate.stats import users
from headgate.stats.spending import attempt_alpha
from headgate.testing.clock import FixedClock
from headgate.testing.homes import empty_home
from headgate.testing.releases import AUTHOR, a_plan, a_stage
from headgate.testing.safety import HAZARDS, NOON, SafetyWorld

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.kernel.actor import Actor
    from headgate.releases.model.release import Release

HAZARD = HAZARDS[0]
USERS: dict[str, Any] = {"kind": "rate", "hazard": HAZARD, "of": "users", "below": 0.5, "alpha": 0.4, "window": "1d"}
CARRIED: dict[str, Any] = {
    "kind": "coverage",
    "of": ["language"],
    "for_stage": "trusted",
    "hazard": HAZARD,
    "transport_bound_below": 0.5,
    "expected": {"language": {"undeclared": 0.9, "fr": 0.1}},
}
SIGNED: dict[str, Any] = {"kind": "approval", "roles": ["safety_lead", "release_manager"]}
DAYS, A_DAY = 9, 14
HARMS = {"ex_0000005"}


@pytest.fixture(scope="module")
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, clock: FixedClock) -> Iterator[House]:
    home = empty_home(tmp_path_factory.mktemp("courses") / "data")
    opened = open_house(home, load(home.root, {}), clock=clock)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def release(house: House, clock: FixedClock) -> Release:
    """A release at its first stage, used by seven people for nine days; one of them did harm once."""
    stages = [
        a_stage("staff", 40, leave=[USERS, CARRIED, SIGNED], stop=[]),
        a_stage("trusted", 400, leave=[SIGNED], stop=[]),
    ]
    hazards = {hazard: {"severity": "high", "limit": {"traffic": 0.5}} for hazard in HAZARDS}
    applied, _ = house.releases.apply(a_plan(hazards=hazards, stages=stages), by=AUTHOR)
    world = SafetyWorld(house.engine)
    for _ in range(DAYS):
        world.now = clock.now()
        world.log.add(A_DAY, epoch=applied.epoch("staff"))
        world.collect()
        world.read_all(*HARMS, hazard=HAZARD)
        clock.advance(timedelta(days=1))
    world.now = clock.now()
    world.collect()
    return house.releases.get(applied.id, by=AUTHOR)


def test_a_gate_on_users_is_drawn_from_the_first_who_came_to_what_it_says_now(
    house: House, release: Release, first: Actor
) -> None:
    picture = house.picturing.picture(release.id, by=first)
    line = next(line for line in picture.status.gates if line.gate_id == f"rate.{HAZARD}.users")
    steps = picture.courses[line.gate_id].steps
    assert [step.seen for step in steps] == [1, 2, 3, 4, 5, 6, 7]
    assert [step.harms for step in steps] == [0, 0, 0, 0, 1, 1, 1]
    assert (steps[-1].seen, steps[-1].bound) == (line.numbers["n"], line.numbers["upper"])
    assert [step.at for step in steps] == sorted(step.at for step in steps if step.at)
    for step in steps:  # one of the two things that the fifth did was harm
        shares = ([0.0] * 4 + [0.5] + [0.0] * 2)[: step.seen]
        assert step.bound == pytest.approx(users.upper_bound_users(shares, [1.0] * step.seen, attempt_alpha(0.4, 1), 1.0))
    assert (steps[3].bound or 1.0) < 1.0, "four who did nothing bound something"


def test_a_gate_on_coverage_is_drawn_as_it_would_have_read(house: House, release: Release, first: Actor) -> None:
    picture = house.picturing.picture(release.id, by=first)
    line = next(line for line in picture.status.gates if line.kind == "coverage")
    course = picture.courses[line.gate_id]
    assert (course.bounds, course.limit) == ("carried", 0.5)
    assert [step.seen for step in course.steps] == [1, 2, 3, 4, 5, 6, 7]
    assert course.steps[-1].bound == line.numbers["upper"]
    assert {step.harms for step in course.steps} == {1}, "nobody here speaks French"
    bounds = [step.bound for step in course.steps[:4] if step.bound is not None]
    assert bounds == sorted(bounds, reverse=True)
    assert min(bounds) > 0.1, "a tenth of people of whom nothing is known may all do harm"


async def test_both_have_a_chart_with_its_numbers_in_a_table(root: Any, release: Release) -> None:
    page = await root.see(f"/releases/{release.id}")
    found = [json.loads(html.unescape(spec)) for spec in re.findall(r"data-spec='([^']+)'", page)]
    assert len(found) == 2
    for spec in found:
        alt.LayerChart.from_dict(spec)
        assert len(spec["data"]["values"]) == 7
    for heading in ("observed until", "with harm", "strata that nobody is of", "upper bound, carried over"):
        assert f"{heading}</th>" in page
    assert re.search(r"After 7 users the bound is [\d.]+ %, (not )?below the limit of 50 %", page)
