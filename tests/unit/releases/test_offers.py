"""What is offered of a release: nothing that the tables refuse, nothing to whom they refuse it, and who else may."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from headgate.kernel.actor import PERMISSIONS, Role
from headgate.releases.decide.offers import material_now, offers, signatures
from headgate.releases.decide.states import LEGAL, PERMISSION
from headgate.releases.model.reading import Assessment
from headgate.releases.model.release import Approval, Kind, Release, SignedFor, State
from headgate.testing.releases import AUTHOR, LEAD, MANAGER, a_plan, a_stage, person

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
READ = Assessment(stage=1, gates=(), wires=(), incidents=0)
SIGNED = {"kind": "approval", "roles": ["safety_lead", "release_manager"]}


def a_release(state: State, stage: int = 1) -> Release:
    plan = a_plan(stages=[a_stage("staff", 40, leave=[SIGNED]), a_stage("trusted", 400, leave=[SIGNED])])
    return Release("rel_a", plan, 1, AUTHOR.id, state, stage, 2, NOON, NOON, NOON)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("role", Role)
def test_whatever_is_offered_is_legal_and_says_rightly_who_may(state: State, role: Role) -> None:
    stage = 0 if state in {State.DRAFT, State.SCHEDULED, State.CUT, State.WITHDRAWN} else 2
    found = offers(a_release(state, stage), person("sam", role))
    assert set(found) <= LEGAL[state]
    for kind, offer in found.items():
        assert offer.may is (PERMISSION[kind] in PERMISSIONS[role])
        assert (role in offer.who) is offer.may


def test_a_cut_is_offered_in_every_state_that_is_not_cut_and_has_not_ended() -> None:
    without = {state for state in State if Kind.CUT not in offers(a_release(state), LEAD)}
    assert without == {State.CUT, State.WITHDRAWN}


def test_what_has_no_next_stage_is_completed_and_not_promoted() -> None:
    assert Kind.PROMOTE in offers(a_release(State.LIVE, 1), MANAGER)
    last = offers(a_release(State.LIVE, 2), MANAGER)
    assert Kind.PROMOTE not in last
    assert Kind.DECLARE_RISK not in last
    assert Kind.COMPLETE in last


def test_only_one_open_stage_cannot_be_narrowed() -> None:
    assert Kind.NARROW not in offers(a_release(State.LIVE, 1), LEAD)
    assert Kind.NARROW in offers(a_release(State.LIVE, 2), LEAD)


def test_signatures_say_who_has_signed_and_whose_duty_is_missing() -> None:
    release = a_release(State.LIVE)
    present = material_now(release, READ)
    assert present.purpose is SignedFor.PROMOTE
    (nobody,) = signatures(release, present)
    assert (len(nobody.signed), nobody.missing, nobody.complete) == (0, (Role.SAFETY_LEAD, Role.RELEASE_MANAGER), False)
    lead = Approval(LEAD.id, LEAD.name, LEAD.roles, NOON, present)
    author = Approval(AUTHOR.id, AUTHOR.name, AUTHOR.roles, NOON, present)
    (half,) = signatures(replace(release, approvals=(lead, author)), present)
    assert [each.by for each in half.signed] == [LEAD.id], "the author's does not count"
    assert half.missing == (Role.RELEASE_MANAGER,)
    (both,) = signatures(replace(release, approvals=(lead, Approval(MANAGER.id, "mia", MANAGER.roles, NOON, present))), present)
    assert both.missing == ()
    assert both.counts_from == NOON


def test_a_signature_under_other_evidence_is_not_shown_as_one() -> None:
    release = a_release(State.LIVE)
    present = material_now(release, READ)
    worse = replace(present, incidents=1)
    lapsed = Approval(LEAD.id, LEAD.name, LEAD.roles, NOON, present)
    (shown,) = signatures(replace(release, approvals=(lapsed,)), worse)
    assert shown.signed == ()


@pytest.mark.parametrize(("state", "to", "opened"), [(State.HELD, None, 1), (State.CUT, None, 2), (State.CUT, 1, 1)])
def test_signing_to_go_on_is_about_the_stages_that_would_be_open(state: State, to: int | None, opened: int) -> None:
    present = material_now(a_release(state, 0 if state is State.CUT else 1), READ, to=to)
    assert (present.purpose, present.to) == (SignedFor.RESUME, opened)
