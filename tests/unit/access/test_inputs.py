from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.access import errors
from headgate.access.decide import inputs
from headgate.access.model import SURFACES

NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "\x1b[31mred", "x" * 201, "a\u202eb", "\ud800"])
def test_a_name_that_would_disturb_a_page_or_a_terminal_is_refused(name: str) -> None:
    with pytest.raises(errors.AccountInvalid):
        inputs.name_for(name, errors.AccountInvalid)


def test_a_name_is_trimmed_and_kept() -> None:
    assert inputs.name_for("  Zoë Ωmega  ", errors.AccountInvalid) == "Zoë Ωmega"


@pytest.mark.parametrize(
    "reason",
    ["", "x" * 501, "two\nlines", "ask ada@example.org", "leaked hg_live_01JD8E0000ABCDEFGHJKMNPQRS_x", "hgs_" + "A" * 30],
)
def test_a_reason_that_must_not_stand_on_the_ledger_is_refused(reason: str) -> None:
    with pytest.raises(errors.ReasonInvalid) as caught:
        inputs.reason_for(reason)
    assert len(reason) < 10 or reason not in str(caught.value)


@pytest.mark.parametrize("name", ["", "Trusted", "1st", "a b", "a" * 64, "trusted\n", "é"])
def test_a_cohort_is_called_as_plans_spell_it(name: str) -> None:
    with pytest.raises(errors.CohortInvalid):
        inputs.cohort_name(name)


@pytest.mark.parametrize("seats", [-1, 10**9 + 1])
def test_seats_are_a_count(seats: int) -> None:
    with pytest.raises(errors.CohortInvalid):
        inputs.seats_for(seats)


@pytest.mark.parametrize(
    ("version", "url"),
    [
        ("", None),
        ("a b", None),
        (None, "https://example.org"),
        ("1", "javascript:alert(1)"),
        ("1", "https://example.org/ x"),
        ("1", 'https://example.org/"'),
        ("1", "https://example.org/\r\nx: y"),
    ],
)
def test_terms_have_a_version_and_a_web_address(version: str | None, url: str | None) -> None:
    with pytest.raises(errors.CohortInvalid):
        inputs.terms_for(version, url)


@given(st.frozensets(st.sampled_from(SURFACES), min_size=1))
def test_scopes_are_surfaces(scopes: frozenset[str]) -> None:
    assert inputs.scopes_for(scopes) == scopes


@pytest.mark.parametrize("scopes", [[], ["api.chat", "api.everything"], ["*"], [""]])
def test_no_scope_and_an_unknown_scope_are_refused(scopes: list[str]) -> None:
    with pytest.raises(errors.KeyInvalid, match="scope"):
        inputs.scopes_for(scopes)


@pytest.mark.parametrize("network", ["10.0.0.1/8", "10.0.0.0/33", "nowhere", "", "2001:db8::1/32", "10.0.0.0/8/8"])
def test_a_network_written_wrong_is_refused_rather_than_guessed(network: str) -> None:
    with pytest.raises(errors.KeyInvalid, match="network"):
        inputs.networks_for([network])


def test_networks_are_sorted_and_counted_once() -> None:
    found = inputs.networks_for(["2001:db8::/32", "192.0.2.1", "10.0.0.0/8", "192.0.2.1/32"])
    assert [str(network) for network in found] == ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"]
    with pytest.raises(errors.KeyInvalid, match="64"):
        inputs.networks_for([f"10.0.{n}.0/24" for n in range(65)])


def test_a_seat_ends_after_it_starts_and_in_the_future() -> None:
    assert inputs.term_for(NOON, NOON + DAY, now=NOON) == (NOON, NOON + DAY)
    for start, end in [(NOON, NOON), (NOON + DAY, NOON), (NOON - 2 * DAY, NOON - DAY), (NOON.replace(tzinfo=None), NOON + DAY)]:
        with pytest.raises(errors.GrantInvalid):
            inputs.term_for(start, end, now=NOON)


@given(st.timedeltas())
def test_a_credential_always_ends_and_within_its_bound(life: timedelta) -> None:
    try:
        expires_at = inputs.expiry_for(life, at_most=365 * DAY, now=NOON, invalid=errors.KeyInvalid)
    except errors.KeyInvalid:
        assert life <= timedelta(0) or life > 365 * DAY
    else:
        assert NOON < expires_at <= NOON + 365 * DAY
