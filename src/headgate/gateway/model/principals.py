"""Who is calling, as far as a worker knows, and what the ledger says has changed of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from headgate.kernel.errors import Refused
    from headgate.kernel.ids import AccountId, GrantId, KeyId, OrganisationId, ReleaseId


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a key speaks for, as access knew it when it was read. Holds no authority: the change feed evicts it.

    Attributes:
        key_id: The key.
        account_id: The account that holds the grant.
        organisation_id: Its organisation, if it has one.
        grant_id: The grant that the key is a credential of.
        cohort: The grant's cohort; the stage follows from it.
        scopes: Surfaces that the key may use; empty for none.
        quota_percent: The share of the stage's limits that the grant is left with; 100 is the whole.
        refusal: Why, from this address, now, this key may not be used at all, or ``None``: the judgement of whoever issued
            it, over what they knew when it was read.
        enrolled_at: When its seat begins, as far as that is known.
    """

    key_id: KeyId
    account_id: AccountId
    organisation_id: OrganisationId | None
    grant_id: GrantId
    cohort: str
    scopes: frozenset[str]
    quota_percent: int
    refusal: Callable[[str | None, datetime], Refused | None]
    enrolled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who calls, as their key was looked up.

    Attributes:
        key_text: The key.
        principal: Whom it speaks for.
        generation: How often the worker had forgotten something by then; once it has again, the key is looked up anew.
    """

    key_text: str = field(repr=False)
    principal: Principal
    generation: int


@dataclass(frozen=True, slots=True)
class Change:
    """What the ledger recorded since one looked, as far as a gateway must care.

    Attributes:
        seq: The last sequence looked at.
        releases: Releases that were touched; any of them makes the policy be read again.
        keys: Keys that were touched.
        grants: Grants that were touched.
        accounts: Accounts that were touched.
        everything: Something was touched that cannot be told apart: forget all.
        at: When the newest of it was recorded, aware, in UTC; ``None`` where there is nothing or nobody can tell.
    """

    seq: int
    releases: frozenset[ReleaseId] = frozenset()
    keys: frozenset[KeyId] = frozenset()
    grants: frozenset[GrantId] = frozenset()
    accounts: frozenset[AccountId] = frozenset()
    everything: bool = False
    at: datetime | None = field(default=None, compare=False)

    @property
    def touches_policy(self) -> bool:
        """Whether the policy snapshot must be read again."""
        return self.everything or bool(self.releases)

    @property
    def touches_principals(self) -> bool:
        """Whether any cached principal may be out of date."""
        return self.everything or bool(self.keys or self.grants or self.accounts)

    def touches(self, principal: Principal) -> bool:
        """Return whether this principal may be out of date."""
        return (
            self.everything
            or principal.key_id in self.keys
            or principal.grant_id in self.grants
            or principal.account_id in self.accounts
        )
