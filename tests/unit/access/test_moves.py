from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.access import errors
from headgate.access.decide.moves import GRANT_MOVES, GrantMove, accepted, moved, rotated
from headgate.access.decide.use import state_of
from headgate.access.model import GrantState, KeyState
from headgate.kernel.errors import HeadgateError
from headgate.kernel.ids import KeyId

DAY = timedelta(days=1)
NARROWING = {GrantMove.PAUSE, GrantMove.LIMIT, GrantMove.END}


def seat(a: Any, state: GrantState) -> Any:
    match state:
        case GrantState.PENDING_TERMS:
            return a.grant(state=state, terms_version=None)
        case GrantState.LIMITED:
            return a.grant(state=state, limited_to_percent=25)
        case _:
            return a.grant(state=state)


@pytest.mark.parametrize(("state", "move"), list(product(GrantState, GrantMove)))
def test_a_move_that_is_not_listed_is_refused(a: Any, state: GrantState, move: GrantMove) -> None:
    grant = seat(a, state)
    if state in GRANT_MOVES[move]:
        moved(grant, a.cohort(), move, now=a.noon, percent=25)
    else:
        with pytest.raises((errors.GrantMoveIllegal, errors.GrantEnded)):
            moved(grant, a.cohort(), move, now=a.noon, percent=25)


@pytest.mark.parametrize("move", GrantMove)
def test_nothing_leads_back_from_an_end_recorded_or_not(a: Any, move: GrantMove) -> None:
    with pytest.raises(errors.GrantEnded):
        moved(a.grant(state=GrantState.ENDED), a.cohort(), move, now=a.noon, percent=25)
    with pytest.raises(errors.GrantExpired):
        moved(a.grant(ends_at=a.noon), a.cohort(), move, now=a.noon, percent=25)


@given(moves=st.lists(st.sampled_from(GrantMove), max_size=12), percent=st.integers(1, 99))
def test_only_resuming_unlimiting_and_accepting_widen(a: Any, moves: list[GrantMove], percent: int) -> None:
    openness = {
        GrantState.ENDED: 0,
        GrantState.PAUSED: 1,
        GrantState.PENDING_TERMS: 1,
        GrantState.LIMITED: 2,
        GrantState.ACTIVE: 3,
    }
    grant = seat(a, GrantState.ACTIVE)
    for move in moves:
        before = openness[state_of(grant, a.cohort(), now=a.noon)]
        try:
            grant = moved(grant, a.cohort(), move, now=a.noon, percent=percent)
        except HeadgateError:
            continue
        after = openness[state_of(grant, a.cohort(), now=a.noon)]
        assert after <= before or move not in NARROWING


def test_a_pause_forgets_neither_the_limit_nor_the_terms(a: Any) -> None:
    limited = moved(a.grant(), a.cohort(), GrantMove.LIMIT, now=a.noon, percent=25)
    paused = moved(limited, a.cohort(), GrantMove.PAUSE, now=a.noon)
    assert moved(paused, a.cohort(), GrantMove.RESUME, now=a.noon).state is GrantState.LIMITED
    waiting = moved(a.grant(state=GrantState.PENDING_TERMS, terms_version=None), a.cohort(), GrantMove.PAUSE, now=a.noon)
    assert moved(waiting, a.cohort(), GrantMove.RESUME, now=a.noon).state is GrantState.PENDING_TERMS


def test_a_limit_on_a_held_seat_waits_until_it_is_let_go(a: Any) -> None:
    paused = a.grant(state=GrantState.PAUSED)
    limited = moved(paused, a.cohort(), GrantMove.LIMIT, now=a.noon, percent=5)
    assert limited.state is GrantState.PAUSED
    assert moved(limited, a.cohort(), GrantMove.RESUME, now=a.noon).state is GrantState.LIMITED


@pytest.mark.parametrize("percent", [None, 0, 100, -1, 101])
def test_a_limit_is_a_share(a: Any, percent: int | None) -> None:
    with pytest.raises(errors.GrantInvalid):
        moved(a.grant(), a.cohort(), GrantMove.LIMIT, now=a.noon, percent=percent)


def test_only_the_version_in_force_can_be_accepted(a: Any) -> None:
    cohort = a.cohort(terms_version="2")
    lapsed = a.grant(state=GrantState.PENDING_TERMS, terms_due_at=a.noon - DAY)
    with pytest.raises(errors.TermsSuperseded):
        accepted(lapsed, cohort, "1", now=a.noon)
    assert accepted(lapsed, cohort, "2", now=a.noon).state is GrantState.ACTIVE
    assert accepted(a.grant(state=GrantState.PAUSED), cohort, "2", now=a.noon).state is GrantState.PAUSED
    with pytest.raises(errors.GrantEnded):
        accepted(a.grant(ends_at=a.noon), cohort, "2", now=a.noon)


def test_a_rotated_key_keeps_working_for_its_overlap_and_never_beyond_its_own_end(a: Any) -> None:
    old = rotated(a.key(), KeyId("key_2"), now=a.noon, overlap=DAY)
    assert (old.state, old.retires_at) == (KeyState.ROTATING, a.noon + DAY)
    assert rotated(a.key(), KeyId("key_2"), now=a.noon, overlap=99 * DAY).retires_at == a.key().expires_at
    assert rotated(a.key(), KeyId("key_2"), now=a.noon, overlap=0 * DAY).state is KeyState.REVOKED


@pytest.mark.parametrize("state", [KeyState.QUARANTINED, KeyState.EXPIRED])
def test_a_stopped_key_gets_a_successor_and_no_overlap(a: Any, state: KeyState) -> None:
    assert rotated(a.key(state=state), KeyId("key_2"), now=a.noon, overlap=DAY).state is KeyState.REVOKED


def test_a_key_is_rotated_once(a: Any) -> None:
    once = rotated(a.key(), KeyId("key_2"), now=a.noon, overlap=DAY)
    with pytest.raises(errors.KeyMoveIllegal, match="rotating"):
        rotated(once, KeyId("key_3"), now=a.noon, overlap=DAY)
    with pytest.raises(errors.KeyMoveIllegal):
        rotated(a.key(state=KeyState.REVOKED), KeyId("key_3"), now=a.noon, overlap=DAY)
    with pytest.raises(errors.KeyInvalid):
        rotated(a.key(), KeyId("key_2"), now=a.noon, overlap=-DAY)
