"""What people are told apart by: which stratum each account of an epoch belongs to."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from headgate.evidence.errors import NotEvidence
from headgate.kernel.actor import Actor, Permission
from headgate.kernel.ids import AccountId

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from headgate.access.model import Described
    from headgate.access.service import Access
    from headgate.releases.ports import Releases

TOLD_APART_BY = ("cohort", "country", "language", "organisation", "region", "tier", "use_case")
"""What a coverage gate may name."""
UNDECLARED = "undeclared"
"""The stratum of people of whom nothing is known in some respect; a plan may expect them by this name."""

_READER = Actor.system("evidence", Permission.VIEW)


class Strata:
    """Tells people apart by what access knows of them, and by the cohort that their stage lets in.

    Args:
        access: Knows what people declare.
        releases: Tells which cohort an epoch's stage lets in.
    """

    def __init__(self, access: Access, releases: Releases) -> None:
        self._access = access
        self._releases = releases
        self._kept: dict[tuple[str, str], dict[str, str]] = {}
        self._one_at_a_time = threading.Lock()

    def named(self, epoch: str, of: str, accounts: Collection[str]) -> Mapping[str, str]:
        """Return the stratum of each account as it is now, by one of what people are told apart by.

        Raises:
            NotEvidence: Nobody tells people apart in that respect.
        """
        if of not in TOLD_APART_BY:
            raise NotEvidence(f"Nobody tells people apart by {of}; it can be {', '.join(TOLD_APART_BY)}.")
        if of == "cohort":
            return dict.fromkeys(accounts, self._cohort(epoch) or UNDECLARED)
        described = self._access.accounts.describe([AccountId(account) for account in accounts], by=_READER)
        return {account: _word(described.get(AccountId(account)), of) or UNDECLARED for account in accounts}

    def kept(self, epoch: str, of: str, accounts: Collection[str]) -> Mapping[str, str]:
        """Return the stratum of each account as it was when it was first asked for.

        An alarm reads every window from the first at each look; what a closed window held must not change because somebody
        declares another language later.

        Raises:
            NotEvidence: Nobody tells people apart in that respect.
        """
        with self._one_at_a_time:
            kept = self._kept.setdefault((epoch, of), {})
            new = [account for account in accounts if account not in kept]
            if new:
                kept.update(self.named(epoch, of, new))
            return {account: kept[account] for account in accounts}

    def _cohort(self, epoch: str) -> str | None:
        release_id, _, rest = epoch.partition("/")
        with self._releases.snapshot() as tx:
            releases = tx.list()
        stages = (release.plan.stage(rest.rpartition("/")[0]) for release in releases if release.id == release_id)
        return next((stage.who.cohort for stage in stages if stage is not None), None)


def _word(described: Described | None, of: str) -> str | None:
    if described is None:
        return None
    declared = described.declared
    words = {
        "tier": described.tier.value,
        "organisation": described.organisation,
        "country": declared.country,
        "language": declared.language,
        "region": declared.region,
        "use_case": declared.use_case,
    }
    return words[of]
