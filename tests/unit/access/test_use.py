from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.access import errors
from headgate.access.decide import must_be_usable, must_reach, terms_current
from headgate.access.decide.use import from_network, key_state_of, must_speak, state_of
from headgate.access.model import AccountState, GrantState, KeyState, OrganisationState
from headgate.kernel.errors import HeadgateError, Refused

if TYPE_CHECKING:
    from headgate.access.model import KeyHolder

PEER = "192.0.2.7"
DAY = timedelta(days=1)


def test_a_key_in_good_standing_passes(a: Any) -> None:
    must_be_usable(a.holder(), peer=PEER, now=a.noon)


def refusals(a: Any) -> list[tuple[type[HeadgateError], KeyHolder]]:
    late = a.noon - DAY
    return [
        (errors.KeyRevoked, a.holder(key=a.key(state=KeyState.REVOKED))),
        (errors.KeyQuarantined, a.holder(key=a.key(state=KeyState.QUARANTINED))),
        (errors.KeyExpired, a.holder(key=a.key(state=KeyState.EXPIRED))),
        (errors.KeyExpired, a.holder(key=a.key(expires_at=a.noon))),
        (errors.KeyReplaced, a.holder(key=a.key(state=KeyState.ROTATING, replaced_by="key_2", retires_at=a.noon))),
        (errors.KeyReplaced, a.holder(key=a.key(state=KeyState.EXPIRED, replaced_by="key_2", retires_at=late))),
        (errors.KeyWrongNetwork, a.holder(key=a.key(networks=(ip_network("10.0.0.0/8"),)))),
        (errors.OrganisationSuspended, a.holder(organisation=a.organisation(state=OrganisationState.SUSPENDED))),
        (errors.AccountSuspended, a.holder(account=a.account(state=AccountState.SUSPENDED))),
        (errors.AccountClosed, a.holder(account=a.account(state=AccountState.CLOSED))),
        (errors.GrantEnded, a.holder(grant=a.grant(state=GrantState.ENDED))),
        (errors.GrantExpired, a.holder(grant=a.grant(state=GrantState.ENDED, ends_at=late))),
        (errors.GrantExpired, a.holder(grant=a.grant(ends_at=a.noon))),
        (errors.GrantNotStarted, a.holder(grant=a.grant(starts_at=a.noon + DAY))),
        (errors.GrantPaused, a.holder(grant=a.grant(state=GrantState.PAUSED))),
        (errors.TermsNotAccepted, a.holder(grant=a.grant(state=GrantState.PENDING_TERMS, terms_version=None))),
        (errors.TermsOutdated, a.holder(grant=a.grant(terms_due_at=a.noon), cohort=a.cohort(terms_version="2"))),
        (errors.TermsOutdated, a.holder(grant=a.grant(state=GrantState.PENDING_TERMS), cohort=a.cohort(terms_version="2"))),
    ]


def test_each_way_to_be_refused_has_its_own_code_and_says_what_would_help(a: Any) -> None:
    for error, holder in refusals(a):
        with pytest.raises(Refused) as caught:
            must_be_usable(holder, peer=PEER, now=a.noon)
        assert type(caught.value) is error
        assert caught.value.help
        assert caught.value.rule


def test_the_credential_is_judged_before_its_holder(a: Any) -> None:
    suspended = a.account(state=AccountState.SUSPENDED)
    with pytest.raises(errors.KeyQuarantined):
        must_be_usable(a.holder(key=a.key(state=KeyState.QUARANTINED), account=suspended), peer=PEER, now=a.noon)
    with pytest.raises(errors.AccountSuspended):
        must_be_usable(a.holder(grant=a.grant(state=GrantState.PAUSED), account=suspended), peer=PEER, now=a.noon)


def test_a_rotating_key_works_until_its_overlap_ends(a: Any) -> None:
    rotating = a.holder(key=a.key(state=KeyState.ROTATING, replaced_by="key_2", retires_at=a.noon + DAY))
    must_be_usable(rotating, peer=PEER, now=a.noon)
    with pytest.raises(errors.KeyReplaced):
        must_be_usable(rotating, peer=PEER, now=a.noon + DAY)


def test_terms_may_be_accepted_with_a_key_of_a_seat_that_waits_for_it_and_not_with_a_stopped_one(a: Any) -> None:
    waiting = a.grant(state=GrantState.PENDING_TERMS, terms_version=None)
    must_speak(a.holder(grant=waiting), peer=PEER, now=a.noon)
    with pytest.raises(errors.KeyRevoked):
        must_speak(a.holder(key=a.key(state=KeyState.REVOKED), grant=waiting), peer=PEER, now=a.noon)
    with pytest.raises(errors.AccountSuspended):
        must_speak(a.holder(account=a.account(state=AccountState.SUSPENDED), grant=waiting), peer=PEER, now=a.noon)


def test_a_missing_scope_is_told_from_a_missing_grant(a: Any) -> None:
    must_reach(a.holder(), surface="api.chat", cohorts={"trusted"})
    with pytest.raises(errors.KeyLacksScope, match=r"api\.files"):
        must_reach(a.holder(), surface="api.files", cohorts={"trusted"})
    with pytest.raises(errors.GrantMissing, match="staff"):
        must_reach(a.holder(), surface="api.chat", cohorts={"staff"})
    with pytest.raises(errors.GrantMissing):
        must_reach(a.holder(), surface="api.chat", cohorts=())


@pytest.mark.parametrize(
    ("peer", "inside"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("11.1.2.3", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("", False),
        ("unix:", False),
        ("10.1.2.3:80", False),
        ("010.1.2.3", False),
        ("fe80::1%eth0", False),
    ],
)
def test_a_peer_is_in_a_network_or_nowhere(peer: str, inside: bool) -> None:
    networks = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
    assert from_network(networks, peer) is inside
    assert from_network((), peer)


@given(hours=st.integers(-100, 100))
def test_terms_hold_until_the_instant_at_which_new_ones_are_due(a: Any, hours: int) -> None:
    now = a.noon + timedelta(hours=hours)
    grant = a.grant(terms_due_at=a.noon)
    assert terms_current(grant, a.cohort(terms_version="2"), now=now) is (now < a.noon)
    assert terms_current(grant, a.cohort(terms_version=None), now=now)
    assert (state_of(grant, a.cohort(terms_version="2"), now=now) is GrantState.PENDING_TERMS) is (now >= a.noon)


@given(
    state=st.sampled_from(GrantState),
    key_state=st.sampled_from(KeyState),
    ends=st.integers(-3, 3),
    expires=st.integers(-3, 3),
    due=st.none() | st.integers(-3, 3),
    terms=st.sampled_from([None, "1", "2"]),
    accepted=st.sampled_from([None, "1", "2"]),
    percent=st.sampled_from([10, 100]),
)
def test_a_key_works_only_while_its_own_state_and_its_seat_both_say_so(
    a: Any,
    state: GrantState,
    key_state: KeyState,
    ends: int,
    expires: int,
    due: int | None,
    terms: str | None,
    accepted: str | None,
    percent: int,
) -> None:
    grant = a.grant(
        state=state,
        ends_at=a.noon + ends * DAY,
        terms_due_at=None if due is None else a.noon + due * DAY,
        terms_version=accepted,
        limited_to_percent=percent,
    )
    key = a.key(state=key_state, expires_at=a.noon + expires * DAY)
    cohort = a.cohort(terms_version=terms)
    try:
        must_be_usable(a.holder(key=key, grant=grant, cohort=cohort), peer=PEER, now=a.noon)
        works = True
    except Refused:
        works = False
    seat_open = state_of(grant, cohort, now=a.noon) in {GrantState.ACTIVE, GrantState.LIMITED}
    key_open = key_state_of(key, now=a.noon) in {KeyState.ACTIVE, KeyState.ROTATING}
    assert works is (seat_open and key_open)
    assert not works or (ends > 0 and expires > 0 and (terms is None or accepted is not None or due is not None))
