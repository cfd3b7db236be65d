"""Before and after, holdbacks, and what comes of waiting: what is said, and what is never claimed."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from typer.testing import CliRunner

from headgate.evidence.cli import Session, commands
from headgate.evidence.decide.comparing import CAVEAT, before_after, read_holdback
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model import Harm, LabelledTraffic, Segment
from headgate.evidence.model.comparing import HoldbackClaim
from headgate.evidence.service.comparing import Comparing
from headgate.evidence.service.forecasting import Forecasting
from headgate.kernel.actor import Actor, Role
from headgate.kernel.errors import Forbidden

if TYPE_CHECKING:
    from headgate.evidence.model.calibration import Forecast

LEAD = Actor.staff("stf_lead", "lead", frozenset({Role.SAFETY_LEAD}))


def traffic(epoch: str, labels: int, harms: int, *, hazard: str = "harm", pi0: float = 1.0, pi: float = 1.0) -> LabelledTraffic:
    requests = round(labels / pi0)
    return LabelledTraffic(
        epoch, hazard, (Segment(requests, pi0),), (Harm(pi, pi0),) * harms, labels, 0, requests, requests, uniform=pi == pi0
    )


class Labels:
    """Labels of three epochs."""

    def traffic(self, epoch: str, hazard: str) -> LabelledTraffic:
        harms = {"rel_a/staff/1": 1, "rel_a/trusted/1": 4}
        return traffic(epoch, 1000 if epoch in harms else 0, harms.get(epoch, 0), hazard=hazard)


class NoForecasts:
    """A calibration ledger with nothing in it."""

    def transaction(self) -> Any:
        raise NotImplementedError

    def forecasts(self, epoch: str | None = None, hazard: str | None = None) -> tuple[Forecast, ...]:
        del epoch, hazard
        return ()


def run(*words: str, by: Actor = LEAD) -> str:
    nothing = cast("Any", None)
    session = Session(
        filing=nothing,
        forecasting=Forecasting(NoForecasts(), nothing),
        comparing=Comparing(cast("Any", Labels())),
        held_back=nothing,
        clock=nothing,
        by=by,
    )
    done = CliRunner().invoke(commands(lambda: session), words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@given(st.integers(1, 3000), st.data())
def test_intervals_are_the_exact_ones(labels: int, data: st.DataObject) -> None:
    harms = data.draw(st.integers(0, labels))
    side = before_after(traffic("a/b/1", labels, harms), traffic("a/c/1", labels, harms)).before
    exact = binomtest(harms, labels).proportion_ci(0.95, "exact")
    assert side.low == pytest.approx(exact.low, abs=1e-9)
    assert side.high == pytest.approx(exact.high, abs=1e-9)


def test_a_comparison_describes_and_says_that_it_does() -> None:
    found = before_after(traffic("a/b/1", 1000, 1), traffic("a/c/1", 1000, 4))
    assert found.ratio == pytest.approx(4.0)
    assert found.caveat == CAVEAT
    assert "cannot be laid to access" in CAVEAT


def test_what_is_unknown_stays_unknown() -> None:
    nothing = before_after(traffic("a/b/1", 0, 0), traffic("a/c/1", 100, 0))
    assert (nothing.before.rate, nothing.before.low, nothing.ratio) == (None, None, None)
    assert before_after(traffic("a/b/1", 100, 0), traffic("a/c/1", 100, 3)).ratio is None
    directed = before_after(traffic("a/b/1", 10, 1, pi0=0.01, pi=0.1), traffic("a/c/1", 10, 1, pi0=0.01, pi=0.1))
    assert directed.before.rate == pytest.approx(1 / 0.1 / 1000)
    assert directed.before.low is None


def test_different_hazards_and_contradictions_are_not_compared() -> None:
    with pytest.raises(NotEvidence, match="different hazards"):
        before_after(traffic("a/b/1", 10, 0), traffic("a/c/1", 10, 0, hazard="other"))
    with pytest.raises(NotEvidence, match="contradicts"):
        before_after(traffic("a/b/1", 1, 2), traffic("a/c/1", 10, 0))


def test_a_holdback_shows_a_rise_only_with_enough_harms() -> None:
    few, many = read_holdback(HoldbackClaim(3, 1, 0.5, 0.05)), read_holdback(HoldbackClaim(26, 1, 0.5, 0.05))
    assert not few.risen
    assert "No rise with the new access is shown" in few.sentence
    assert any("doubling" in line for line in few.not_shown)
    assert many.risen
    assert many.threshold_log_e == pytest.approx(math.log(20))
    assert few.needed == many.needed == 62


@pytest.mark.parametrize(
    "claim",
    [
        HoldbackClaim(-1, 0, 0.5, 0.05),
        HoldbackClaim(0, 0, 1.0, 0.05),
        HoldbackClaim(0, 0, 0.5, 0.0),
        HoldbackClaim(0, -1, 0.5, 0.05),
    ],
)
def test_a_holdback_that_contradicts_itself_is_refused(claim: HoldbackClaim) -> None:
    with pytest.raises(NotEvidence):
        read_holdback(claim)


def test_the_terminal_prints_both_sides_and_the_caveat() -> None:
    said = run("before-after", "rel_a/staff/1", "rel_a/trusted/1", "--hazard", "harm")
    assert "rel_a/staff/1: 1 harm in 1,000 labels, rate 1.0e-3, 95 % interval" in said
    assert "The later rate is 4 times the earlier. Descriptive only" in said
    as_json = json.loads(run("before-after", "rel_a/staff/1", "none", "--hazard", "harm", "--json"))
    assert as_json["after"]["rate"] is None
    assert as_json["caveat"] == CAVEAT


def test_whoever_may_not_look_sees_no_comparison() -> None:
    with pytest.raises(Forbidden):
        run("before-after", "a", "b", "--hazard", "harm", by=Actor.staff("stf_x", "x", frozenset()))


def test_the_terminal_reads_a_holdback_and_the_table_of_waiting() -> None:
    assert "New access raised the rate" in run("holdback", "--new", "26", "--old", "1", "--share", "0.5")
    assert json.loads(run("holdback", "--new", "2", "--old", "1", "--json"))["risen"] is False
    table = run("patient", "--baseline", "1e-4", "--labels", "200", "--requests", "1000000")
    assert "At 1.0e-3: alarm after about 21 days (4,205 labels), 21,026 harmful requests" in table
    rows = json.loads(run("patient", "--baseline", "0.05", "--labels", "200", "--requests", "1000", "--json"))
    assert [row["rate"] for row in rows] == pytest.approx([0.15, 0.5])  # a hundred times is more than all
    with pytest.raises(NotEvidence):
        run("patient", "--baseline", "0", "--labels", "200", "--requests", "1000")


def test_nothing_predicted_is_said_to_be_nothing() -> None:
    assert "Nothing has been predicted yet" in run("calibration")
    assert json.loads(run("calibration", "--json"))["later"] is None
