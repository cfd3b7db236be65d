from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest

from headgate.access.model import (
    Account,
    AccountState,
    Cohort,
    CohortState,
    Grant,
    GrantState,
    Key,
    KeyHolder,
    KeyState,
    Organisation,
    OrganisationState,
    Tier,
)
from headgate.bootstrap.bridges.principals import principal_of
from headgate.kernel.ids import AccountId, GrantId, KeyId, OrganisationId

NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HERE = "192.0.2.1"

KEY = Key(
    id=KeyId("key_1"),
    grant_id=GrantId("gr_1"),
    digest=b"d" * 32,
    label="ci",
    scopes=frozenset({"api.chat"}),
    networks=(ip_network("192.0.2.0/24"),),
    state=KeyState.ACTIVE,
    created_at=NOON - DAY,
    expires_at=NOON + 5 * DAY,
)
GRANT = Grant(
    id=GrantId("gr_1"),
    account_id=AccountId("acc_1"),
    cohort="trusted",
    state=GrantState.LIMITED,
    terms_version="1",
    terms_due_at=None,
    limited_to_percent=40,
    starts_at=NOON,
    ends_at=NOON + 10 * DAY,
    simulated=False,
    created_at=NOON - DAY,
)
ACCOUNT = Account(
    id=AccountId("acc_1"),
    name="Ada",
    email_hash=None,
    organisation_id=OrganisationId("org_1"),
    tier=Tier.KNOWN,
    state=AccountState.ACTIVE,
    simulated=False,
    created_at=NOON - DAY,
)
HOLDER = KeyHolder(
    KEY,
    GRANT,
    Cohort("trusted", 40, "1", "https://example.org/terms", CohortState.OPEN, NOON - DAY),
    ACCOUNT,
    Organisation(OrganisationId("org_1"), "Lab", OrganisationState.ACTIVE, NOON - DAY),
)


def test_a_key_in_good_standing_speaks_for_its_holder_with_its_share_of_the_quota() -> None:
    principal = principal_of(HOLDER)

    assert principal.refusal(HERE, NOON) is None
    assert (principal.key_id, principal.account_id, principal.organisation_id) == ("key_1", "acc_1", "org_1")
    assert (principal.grant_id, principal.cohort, principal.scopes) == ("gr_1", "trusted", {"api.chat"})
    assert principal.quota_percent == 40


@pytest.mark.parametrize(
    ("holder", "code"),
    [
        (replace(HOLDER, key=replace(KEY, state=KeyState.REVOKED)), "key.revoked"),
        (replace(HOLDER, key=replace(KEY, state=KeyState.QUARANTINED)), "key.quarantined"),
        (replace(HOLDER, key=replace(KEY, expires_at=NOON)), "key.expired"),
        (replace(HOLDER, account=replace(ACCOUNT, state=AccountState.SUSPENDED)), "account.suspended"),
        (replace(HOLDER, grant=replace(GRANT, state=GrantState.PAUSED)), "grant.paused"),
        (replace(HOLDER, grant=replace(GRANT, terms_version=None)), "terms.not_accepted"),
    ],
)
def test_what_access_says_against_a_key_is_what_the_gateway_hears(holder: KeyHolder, code: str) -> None:
    refused = principal_of(holder).refusal(HERE, NOON)

    assert refused is not None
    assert refused.code == code


@pytest.mark.parametrize(
    ("client_ip", "now", "code"),
    [
        ("198.51.100.1", NOON, "key.wrong_network"),
        (None, NOON, "key.wrong_network"),
        (HERE, NOON - timedelta(seconds=1), "grant.not_started"),
        (HERE, KEY.expires_at, "key.expired"),
    ],
)
def test_the_judgement_is_passed_anew_for_every_place_and_instant(client_ip: str | None, now: datetime, code: str) -> None:
    refused = principal_of(HOLDER).refusal(client_ip, now)

    assert refused is not None
    assert refused.code == code


def test_a_caller_came_when_their_seat_began() -> None:
    assert principal_of(HOLDER).enrolled_at == GRANT.starts_at
