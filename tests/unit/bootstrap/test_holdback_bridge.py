"""A plan's holdback as workers and reviewers know it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from headgate.bootstrap.bridges.epochs import ReleaseEpochs
from headgate.bootstrap.bridges.policies import policy_of
from headgate.bootstrap.settings import Settings
from headgate.gateway.model import Limits, OutputScreen
from headgate.kernel.ids import ReleaseId
from headgate.kernel.units import Rate
from headgate.releases.decide import policy as releases
from headgate.releases.decide.revision import unborn
from headgate.releases.model.release import Release, Rung, State
from headgate.testing.releases import AUTHOR, a_plan, a_stage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_release(**more: Any) -> Release:
    """Return a release at its second stage, which holds some of its people back."""
    plan = a_plan(
        stages=[
            a_stage("staff", 40, how_much={"requests": "10/min"}),
            a_stage(
                "everyone",
                400,
                how_much={"requests": "30/min", "organisation": {"concurrency": 9}},
                watch={"sample": "all", "reviewers": 1, "input_screen": True, "output_screen": "hold_back"},
                holdback={"share": 0.1, "window": "7d"},
                **more,
            ),
        ]
    )
    born = unborn(ReleaseId("rel_1"), plan, by=AUTHOR, now=NOON, replaces=None)
    rungs = tuple(Rung(stage.name, 2, NOON + timedelta(days=5), NOON) for stage in plan.stages)
    return replace(born, state=State.LIVE, stage=2, reached=2, rungs=rungs)


def test_who_is_held_back_has_the_access_of_the_stage_before_and_is_watched_as_the_others_are() -> None:
    given = policy_of(
        releases.policy_of(a_release(what={"surfaces": ["api.chat", "api.messages"], "capabilities": ["streaming", "tools"]})),
        Settings(),
    ).rules["everyone"]
    held = given.holdback
    assert held is not None
    assert (held.share, held.window, held.since) == (0.1, timedelta(days=7), NOON)
    kept = held.rule
    assert (kept.stage, kept.epoch, given.epoch) == ("everyone", "rel_1/everyone/2.held_back", "rel_1/everyone/2")
    assert (kept.surfaces, kept.capabilities) == ({"api.chat"}, {"streaming"})
    assert (kept.limits, given.limits) == (Limits(requests=Rate(10, 60)), Limits(requests=Rate(30, 60)))
    assert kept.shared == given.shared
    assert (kept.input_screen, kept.output_screen) == (given.input_screen, given.output_screen) == (True, OutputScreen.HOLD_BACK)
    assert kept.holdback is None


def test_without_a_way_in_that_both_stages_have_who_is_held_back_has_none() -> None:
    policy = policy_of(releases.policy_of(a_release(what={"surfaces": ["api.embeddings"]})), Settings())
    held = policy.rules["everyone"].holdback
    assert held is not None
    assert (held.rule.surfaces, held.rule.capabilities) == (frozenset(), frozenset())


def test_a_release_that_is_cut_holds_nobody_back_because_it_lets_nobody_in() -> None:
    shut = replace(a_release(), state=State.CUT, stage=0)
    assert [rule.holdback for rule in policy_of(releases.policy_of(shut), Settings()).rules.values()] == [None, None]


class OneRelease:
    """Releases, of which there is one."""

    def __init__(self, release: Release) -> None:
        self.release = release

    def snapshot(self) -> Any:
        return self

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def list(self) -> tuple[Release, ...]:
        return (self.release,)


def test_the_review_duty_of_the_held_back_is_that_of_their_stage() -> None:
    known: Any = OneRelease(a_release())
    epochs = ReleaseEpochs(known)
    own, apart = epochs.watch("rel_1/everyone/2"), epochs.watch("rel_1/everyone/2.held_back")
    assert own is not None
    assert own == apart
