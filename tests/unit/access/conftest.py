from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

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
from headgate.kernel.ids import AccountId, GrantId, KeyId, OrganisationId

NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)


class Builder:
    """Makes a key holder in good standing at noon, with whatever a test wants otherwise."""

    noon = NOON

    def grant(self, **changes: Any) -> Grant:
        usual = Grant(
            id=GrantId("gr_1"),
            account_id=AccountId("acc_1"),
            cohort="trusted",
            state=GrantState.ACTIVE,
            terms_version="1",
            terms_due_at=None,
            limited_to_percent=100,
            starts_at=NOON - timedelta(days=10),
            ends_at=NOON + timedelta(days=10),
            simulated=False,
            created_at=NOON - timedelta(days=10),
        )
        return replace(usual, **changes)

    def key(self, **changes: Any) -> Key:
        usual = Key(
            id=KeyId("key_1"),
            grant_id=GrantId("gr_1"),
            digest=b"d" * 32,
            label="ci",
            scopes=frozenset({"api.chat"}),
            networks=(),
            state=KeyState.ACTIVE,
            created_at=NOON - timedelta(days=5),
            expires_at=NOON + timedelta(days=5),
        )
        return replace(usual, **changes)

    def cohort(self, **changes: Any) -> Cohort:
        usual = Cohort("trusted", 40, "1", "https://example.org/terms", CohortState.OPEN, NOON - timedelta(days=20))
        return replace(usual, **changes)

    def account(self, **changes: Any) -> Account:
        usual = Account(
            id=AccountId("acc_1"),
            name="Ada",
            email_hash=None,
            organisation_id=OrganisationId("org_1"),
            tier=Tier.KNOWN,
            state=AccountState.ACTIVE,
            simulated=False,
            created_at=NOON - timedelta(days=20),
        )
        return replace(usual, **changes)

    def organisation(self, **changes: Any) -> Organisation:
        usual = Organisation(OrganisationId("org_1"), "Lab", OrganisationState.ACTIVE, NOON - timedelta(days=20))
        return replace(usual, **changes)

    def holder(
        self,
        *,
        key: Key | None = None,
        grant: Grant | None = None,
        cohort: Cohort | None = None,
        account: Account | None = None,
        organisation: Organisation | None = None,
    ) -> KeyHolder:
        return KeyHolder(
            key or self.key(),
            grant or self.grant(),
            cohort or self.cohort(),
            account or self.account(),
            organisation or self.organisation(),
        )


@pytest.fixture(scope="session")
def a() -> Builder:
    return Builder()
