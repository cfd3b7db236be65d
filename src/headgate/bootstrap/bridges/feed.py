"""The gateway follows the ledger: which entries may change who is let in, and whom each of them touches.

An entry of a kind that this table does not know, from a subject that governs access, touches everything: forgetting a cache
is cheap, keeping a revoked key is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.gateway.model import Change
from headgate.kernel.ids import AccountId, GrantId, KeyId, ReleaseId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.ledger.model import Recorded

_NOT_ACCESS = frozenset(
    {"label", "review", "sampling", "content", "traffic", "incident", "ledger", "staff", "evidence", "detector"}
)
"""First words of the kinds that never change who is let in."""


def change_of(entries: Iterable[Recorded], *, after: int) -> Change:
    """Return what these entries mean to a gateway that has followed the ledger up to ``after``."""
    seq = after
    releases: set[ReleaseId] = set()
    keys: set[KeyId] = set()
    grants: set[GrantId] = set()
    accounts: set[AccountId] = set()
    everything = False
    for recorded in entries:
        seq = max(seq, recorded.seq)
        noun = recorded.entry.kind.partition(".")[0]
        subject = recorded.entry.subject
        match noun:
            case "release" | "plan":
                releases.add(ReleaseId(subject))
            case "key":
                keys.add(KeyId(subject))
            case "grant":
                grants.add(GrantId(subject))
            case "account":
                accounts.add(AccountId(subject))
            case _:
                everything = everything or noun not in _NOT_ACCESS
    return Change(
        seq,
        releases=frozenset(releases),
        keys=frozenset(keys),
        grants=frozenset(grants),
        accounts=frozenset(accounts),
        everything=everything,
    )
