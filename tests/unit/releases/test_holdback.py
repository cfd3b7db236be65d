"""Which access is kept, while which stage is open, since when; and what a rise over the held back does to a release."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headgate.kernel.clock import to_us
from headgate.kernel.ids import DecisionId, ReleaseId
from headgate.releases.decide import approvals, holdback
from headgate.releases.decide.next_step import next_step
from headgate.releases.decide.policy import policy_of
from headgate.releases.decide.revision import unborn
from headgate.releases.decide.states import decide
from headgate.releases.decide.status import status_of
from headgate.releases.errors import PlanWidensOpenStage
from headgate.releases.model import command as ask
from headgate.releases.model.plan import Capability, Plan, Stage, Surface
from headgate.releases.model.reading import Assessment, Exposure
from headgate.releases.model.release import Alarm, Release, Rung, SignedFor, State
from headgate.releases.service import CONTROLLER
from headgate.releases.service.assessing import Assessor
from headgate.releases.wire.record import read_release, write_release
from headgate.testing.releases import AUTHOR, LEAD, MANAGER, MadeUpReadings, a_plan, a_stage, everything_passes

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=3)
NOTHING_READ = Assessment(stage=0, gates=(), wires=(), incidents=None)
HELD: dict[str, Any] = {"share": 0.2, "window": "14d", "then": "narrow"}


def a_ladder(**changed: Any) -> Plan:
    """Return staff, trusted, and the trusted once more with more: the last stage holds some of them back."""
    more = {
        "who": {"cohort": "trusted", "seats": 400},
        "what": {"surfaces": ["api.chat", "api.responses"], "capabilities": ["streaming", "tools"]},
        "holdback": HELD,
    }
    return a_plan(stages=[a_stage("staff", 40), a_stage("trusted", 400), a_stage("more", 400, **{**more, **changed})])


def a_release(stage: int = 3, *, plan: Plan | None = None, state: State = State.LIVE) -> Release:
    born = unborn(ReleaseId("rel_1"), plan or a_ladder(), by=AUTHOR, now=NOON, replaces=None)
    rungs = tuple(Rung(one.name, 1, NOON, NOON) for one in born.plan.stages[:stage])
    return replace(born, state=state, stage=stage, reached=stage, rungs=rungs)


def stages(*forms: dict[str, Any]) -> tuple[Stage, ...]:
    return a_plan(stages=list(forms)).stages


def move(release: Release, command: ask.Command, now: datetime) -> Release:
    return decide(release, command, by=AUTHOR, assessment=NOTHING_READ, now=now, decision_id=DecisionId("dec_1")).release


def test_the_access_kept_is_that_of_the_last_stage_that_named_the_cohort_or_else_of_the_stage_below() -> None:
    ladder = stages(a_stage("a", 1), a_stage("b", 2), a_stage("c", 3, who={"cohort": "a", "seats": 9}), a_stage("d", 4))
    below = [found.name if (found := holdback.below(ladder, at)) else None for at in range(4)]
    assert below == [None, "a", "a", "c"]


def test_held_back_never_means_more() -> None:
    old, new = stages(
        a_stage(
            "old",
            1,
            what={
                "surfaces": ["chat_page", "api.chat"],
                "capabilities": ["streaming", "tools", "seed"],
                "max_output_tokens": 4000,
                "on_extra": "strip",
            },
            how_much={
                "requests": "10/min",
                "tokens": "1M/day",
                "concurrency": 4,
                "account": {"concurrency": 2},
                "cohort": {"concurrency": 3},
            },
        ),
        a_stage(
            "new",
            2,
            what={"surfaces": ["api.chat", "api.responses"], "capabilities": ["streaming", "seed", "n"], "max_turns": 9},
            how_much={
                "requests": "20/min",
                "tokens": "9k/hour",
                "total_tokens": "5M",
                "account": {"concurrency": 9, "tokens": "5k/day"},
                "cohort": {"concurrency": 90},
            },
        ),
    )
    kept = holdback.kept(old, new)
    assert kept.what is not None
    assert (kept.below, kept.what.surfaces) == ("old", (Surface.API_CHAT,))
    assert kept.what.capabilities == (Capability.STREAMING, Capability.SEED)
    assert (kept.what.max_output_tokens, kept.what.max_turns, kept.what.on_extra.value) == (4000, 9, "refuse")
    much = kept.how_much
    assert (str(much.requests), str(much.tokens), much.total_tokens, much.concurrency) == ("10/min", "9,000/hour", 5_000_000, 4)
    assert much.account is not None
    assert (much.account.concurrency, str(much.account.tokens)) == (2, "5,000/day")
    assert much.cohort is not None
    assert much.cohort.concurrency == 90  # the others are counted in it too, and would have used the smaller one up


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        ("10/min", "20/min", "10/min"),
        ("20/min", "10/min", "10/min"),
        ("10/min", None, "10/min"),
        (None, "10/min", "10/min"),
        (None, None, "None"),
        ("1000/day", "10/min", "10/min"),
        ("10/min", "1000/day", "1,000/day"),
        ("5/hour", "10/min", "5/hour"),
    ],
    ids=["slower", "faster", "bounded", "newly bounded", "free", "more at once", "more in a day", "less in all"],
)
def test_a_pace_is_kept_only_where_it_is_no_wider_over_a_day_or_at_once(old: str | None, new: str | None, kept: str) -> None:
    paces = [{} if pace is None else {"requests": pace} for pace in (old, new)]
    one, other = stages(*(a_stage(name, 1, how_much=pace) for name, pace in zip("ab", paces, strict=True)))
    assert str(holdback.kept(one, other).how_much.requests) == kept


def test_stages_without_a_surface_in_common_leave_nothing_to_keep() -> None:
    old, new = stages(a_stage("old", 1), a_stage("new", 2, what={"surfaces": ["api.embeddings"]}))
    assert holdback.kept(old, new).what is None


def test_only_the_widest_open_stage_holds_back_and_only_until_it_is_left() -> None:
    longer = a_plan(stages=[*(a_ladder().model_dump(by_alias=True, exclude_none=True)["stages"]), a_stage("all", 4000)])

    def holding(release: Release) -> list[str]:
        return [stage.name for stage in policy_of(release).stages if stage.holdback is not None]

    assert holding(a_release(2, plan=longer)) == []
    assert holding(a_release(3, plan=longer)) == ["more"]
    assert holding(a_release(3, plan=longer, state=State.HELD)) == ["more"]
    assert holding(a_release(4, plan=longer)) == []
    assert holding(a_release(3, state=State.COMPLETED)) == []
    assert holding(replace(a_release(3, state=State.FROZEN), parked=State.COMPLETED)) == []


def test_what_is_open_says_who_is_held_back_since_when_at_what_and_apart_from_the_stages_evidence() -> None:
    (_, _, more) = policy_of(a_release()).stages
    held = more.holdback
    assert held is not None
    assert (held.share, held.window, held.since, held.key) == (0.2, timedelta(days=14), NOON, f"rel_1/more@{to_us(NOON)}")
    assert (more.epoch, held.epoch) == ("rel_1/more/1", "rel_1/more/1.held_back")
    assert held.level.below == "trusted"


def test_the_ledger_has_all_that_it_takes_to_draw_the_lots_again() -> None:
    (written,) = holdback.recorded(a_release())
    assert written == {
        "stage": "more",
        "level_of": "trusted",
        "share": 0.2,
        "window_s": 14 * 86_400,
        "since": NOON.isoformat(),
        "lots": f"rel_1/more@{to_us(NOON)}",
        "epoch": "rel_1/more/1.held_back",
    }
    assert holdback.recorded(a_release(2)) == []


def test_evidence_that_begins_afresh_keeps_every_lot_and_every_window() -> None:
    before = a_release()
    harder = move(before, ask.Apply(a_ladder(holdback={**HELD, "share": 0.3})), LATER)
    assert harder.attempt("more") == 2
    assert (harder.admits_since("more"), holdback.key(harder, "more")) == (NOON, holdback.key(before, "more"))
    assert harder.epoch("more") != before.epoch("more")


def test_fewer_cannot_be_held_back_from_what_is_open() -> None:
    with pytest.raises(PlanWidensOpenStage, match="the share held back"):
        move(a_release(), ask.Apply(a_ladder(holdback={**HELD, "share": 0.1})), LATER)
    with pytest.raises(PlanWidensOpenStage, match="nobody is held back any more"):
        move(a_release(), ask.Apply(a_ladder(holdback=None)), LATER)


def promoted(release: Release, now: datetime) -> Release:
    """Return the release one stage wider, signed for by everybody who must."""
    seen = Assessor(everything_passes()).assess(release, now=now)
    digest = approvals.material(release, seen, SignedFor.PROMOTE, release.stage + 1).digest
    approve = ask.Approve(SignedFor.PROMOTE, digest, release.stage + 1)
    for command, who in ((approve, LEAD), (approve, MANAGER), (ask.Promote(), CONTROLLER)):
        release = decide(release, command, by=who, assessment=seen, now=now, decision_id=DecisionId("dec_1")).release
    return release


def test_a_stage_that_was_shut_draws_new_lots_when_it_opens_again_and_others_keep_theirs() -> None:
    shut = replace(a_release(3), stage=2)  # narrowed, and resumed at the stage below
    again = promoted(shut, LATER)
    assert (again.stage, again.attempt("more"), again.admits_since("more")) == (3, 2, LATER)
    assert holdback.key(again, "more") != holdback.key(shut, "more")
    assert (again.attempt("trusted"), again.admits_since("trusted")) == (1, NOON)


def test_a_stage_that_opens_for_the_first_time_does_so_now() -> None:
    assert promoted(a_release(2), LATER).admits_since("more") == LATER


def test_a_release_written_before_openings_were_kept_is_read_as_opened_when_its_attempt_began() -> None:
    written = write_release(a_release())
    for rung in written["rungs"]:
        del rung["admits_since"]
    read = read_release(written)
    assert read.admits_since("more") == NOON
    assert read.rungs[2].afresh(LATER).admits_since == NOON
    assert read_release(write_release(a_release())) == a_release()


def assessed(readings: MadeUpReadings, release: Release) -> Assessment:
    return Assessor(readings).assess(release, now=LATER)


def test_a_rise_over_the_held_back_does_what_the_plan_says_and_closes_the_stage_that_it_is_about() -> None:
    release = a_release()
    readings = everything_passes()
    quiet = assessed(readings, release)
    (wire,) = [one for one in quiet.wires if one.kind == "holdback"]
    assert (wire.stage, wire.wire_id, wire.demands) == ("more", "holdback", None)
    readings.risen_over_holdback.add(release.epoch("more"))
    step = next_step(release, assessed(readings, release), now=LATER)
    assert isinstance(step, ask.Narrow)
    assert (step.to, step.alarm) == (2, Alarm("more", "holdback"))
    assert "tripwire holdback of more" in step.reason


def test_a_holdback_that_cannot_be_read_freezes_the_release() -> None:
    release = a_release()
    readings = everything_passes()
    readings.gone.add("holdback")
    step = next_step(release, assessed(readings, release), now=LATER)
    assert isinstance(step, ask.Freeze)
    assert "holdback" in step.reason


def shown(release: Release) -> str:
    return " · ".join(status_of(release, assessed(everything_passes(), release), Exposure(), now=LATER).not_shown)


def test_without_a_holdback_it_is_said_that_before_and_after_describe_only() -> None:
    alone = a_release(plan=a_ladder(holdback=None))
    assert "that more raised no harm: nobody is held back from it" in shown(alone)
    assert "describe only" in shown(alone)
    assert "raised no harm" not in shown(a_release(1))  # nothing came before it
    assert "by the holdback: what the access of more does to anybody after their first 14d00h" in shown(a_release())
