"""The gateway asks access who is calling.

What the gateway gets carries the judgement with it: access's own rule, applied to what access knew when it was read. So the
rule stands in one place, and a worker can apply it to an open stream without asking anybody.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from headgate.access.decide.use import must_be_usable
from headgate.gateway.model import Principal
from headgate.kernel.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from headgate.access.model import KeyHolder
    from headgate.access.service import Access
    from headgate.kernel.ids import KeyId


class AccessPrincipals:
    """The gateway's ``Principals`` over access."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def authenticate(self, key_text: str) -> Principal:
        return principal_of(self._access.identify(key_text))

    def refresh(self, key_ids: Collection[KeyId]) -> Mapping[KeyId, Principal]:
        return {key_id: principal_of(holder) for key_id, holder in self._access.holders(key_ids).items()}


def principal_of(holder: KeyHolder) -> Principal:
    """Return whom the gateway serves when it is shown this key."""

    def refusal(client_ip: str | None, now: datetime) -> Refused | None:
        try:
            must_be_usable(holder, peer=client_ip or "", now=now)
        except Refused as refused:
            return refused
        return None

    return Principal(
        key_id=holder.key.id,
        account_id=holder.account.id,
        organisation_id=holder.organisation.id if holder.organisation else None,
        grant_id=holder.grant.id,
        cohort=holder.cohort.name,
        scopes=holder.key.scopes,
        quota_percent=holder.grant.limited_to_percent,
        refusal=refusal,
        enrolled_at=holder.grant.starts_at,
    )


class KeyUses:
    """When keys were last used, held back and told to access now and then: a use is worth no write of its own."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._uses: dict[KeyId, datetime] = {}

    def note(self, key_id: KeyId, at: datetime) -> None:
        """Remember a use."""
        self._uses[key_id] = at

    def tell(self) -> None:
        """Tell access of the uses since the last call.

        Raises:
            Unavailable: Access cannot write them; they are told with the next ones.
        """
        uses, self._uses = self._uses, {}
        try:
            self._access.note_uses({key_id: at.astimezone(UTC) for key_id, at in uses.items()})
        except BaseException:
            self._uses = uses | self._uses
            raise
