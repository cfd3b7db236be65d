from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from headgate.bootstrap.bridges.policies import ReleasePolicies, policy_of
from headgate.bootstrap.settings import Settings
from headgate.gateway.model import Holder, Limits, OutputScreen, ReleaseState
from headgate.kernel.ids import ReleaseId
from headgate.kernel.units import Rate
from headgate.releases.decide import policy as releases
from headgate.releases.decide.revision import unborn
from headgate.releases.model.plan import HowMuch, Watch
from headgate.releases.model.release import LIVE_STATES, Release, State
from headgate.testing.releases import AUTHOR, a_plan

if TYPE_CHECKING:
    from headgate.releases.model.policy import ReleasePolicy

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BORN = unborn(ReleaseId("rel_1"), a_plan(), by=AUTHOR, now=NOON, replaces=None)
SHUT = [state for state in State if state not in LIVE_STATES]


def opened(state: State, stage: int, reached: int) -> Release:
    return replace(BORN, state=state, stage=stage, reached=reached)


@pytest.mark.parametrize("state", [state for state in State if state in LIVE_STATES])
def test_whoever_is_served_now_has_a_rule_and_nobody_else(state: State) -> None:
    policy = policy_of(releases.policy_of(opened(state, stage=1, reached=3)), Settings())

    assert policy.state.serves
    assert policy.rules.keys() == {"staff"}
    assert policy.rules["staff"].epoch.startswith("rel_1/staff/")


@pytest.mark.parametrize("state", SHUT)
def test_whoever_was_served_keeps_a_rule_under_a_release_that_serves_nobody(state: State) -> None:
    policy = policy_of(releases.policy_of(opened(state, stage=0, reached=2)), Settings())

    assert policy.state is ReleaseState(state.value)
    assert not policy.state.serves
    assert policy.rules.keys() == {"staff", "trusted"}


def test_a_release_that_was_never_open_has_rules_for_nobody() -> None:
    assert policy_of(releases.policy_of(opened(State.SCHEDULED, stage=0, reached=0)), Settings()).rules == {}


def test_every_state_of_a_release_is_known_to_the_gateway_and_serves_where_it_is_live() -> None:
    assert {state for state in State if ReleaseState.of(state.value).serves} == LIVE_STATES
    assert ReleaseState.UNKNOWN not in {ReleaseState.of(state.value) for state in State}


def test_a_servers_time_outs_and_credential_come_from_the_plan_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_KEY", "sk-1")
    upstream = {"url": "http://127.0.0.1:8000/v1", "model": "up", "api_key_env": "ATLAS_KEY", "timeout_s": 90}
    plan = a_plan(model={"name": "atlas-2", "upstream": upstream})

    policy = policy_of(releases.policy_of(replace(opened(State.LIVE, 1, 1), plan=plan)), Settings(upstream_timeout_s=17.0))

    assert (policy.upstream.api_key, policy.upstream.first_byte_s, policy.upstream.idle_s) == ("sk-1", 90.0, 17.0)
    assert "sk-1" not in repr(policy)


class Kept:
    """Releases as ``ReleasePolicies`` asks for them, newest first."""

    def __init__(self, *known: Release) -> None:
        self._known = known

    def policy(self) -> tuple[ReleasePolicy, ...]:
        return tuple(releases.policy_of(release) for release in self._known)


@pytest.mark.parametrize("newest_is_under_way", [True, False])
def test_the_release_that_is_under_way_speaks_for_its_model(newest_is_under_way: bool) -> None:
    ended = replace(opened(State.WITHDRAWN, stage=0, reached=1), id=ReleaseId("rel_ended"))
    running = replace(opened(State.LIVE, stage=1, reached=1), id=ReleaseId("rel_running"))
    known = (running, ended) if newest_is_under_way else (ended, running)

    snapshot = ReleasePolicies(Kept(*known), lambda: 7, Settings()).load()

    assert snapshot.seq == 7
    assert {name: policy.release_id for name, policy in snapshot.models.items()} == {running.model: "rel_running"}


def test_of_releases_that_were_all_withdrawn_the_newest_speaks() -> None:
    older, newer = (replace(opened(State.WITHDRAWN, stage=0, reached=1), id=ReleaseId(name)) for name in ("rel_a", "rel_b"))

    snapshot = ReleasePolicies(Kept(newer, older), lambda: 7, Settings()).load()

    assert snapshot.models[newer.model].release_id == "rel_b"


def test_every_holders_limits_come_from_the_plan_and_whoever_is_not_named_has_none() -> None:
    plan = a_plan()
    how_much = HowMuch.model_validate(
        {
            "requests": "30/min",
            "concurrency": 4,
            "end_user": {"requests": "3/min"},
            "organisation": {"tokens": "1M/day", "total_tokens": "9M"},
            "cohort": {"concurrency": 50},
        }
    )
    watch = Watch.model_validate({"sample": "all", "reviewers": 1, "output_screen": "trail"})
    stage = plan.stages[0].model_copy(update={"how_much": how_much, "watch": watch})
    limited = plan.model_copy(update={"stages": (stage, *plan.stages[1:])})
    release = replace(BORN, plan=limited, state=State.LIVE, stage=1, reached=1)

    rule = policy_of(releases.policy_of(release), Settings()).rules[stage.who.cohort]

    assert rule.limits == Limits(requests=Rate(30, 60), concurrency=4)
    assert rule.shared == {
        Holder.END_USER: Limits(requests=Rate(3, 60)),
        Holder.ORGANISATION: Limits(tokens=Rate(1_000_000, 86_400), total_tokens=9_000_000),
        Holder.COHORT: Limits(concurrency=50),
    }
    assert rule.output_screen is OutputScreen.TRAIL
