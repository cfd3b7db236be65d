"""The gateway follows the ledger: which entries may change who is let in, and whom each of them touches.

An entry of a kind that this table does not know, from a subject that governs access, touches everything: forgetting a cache
is cheap, keeping a revoked key is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.gateway.model import Change
from headgate.kernel.ids import AccountId, GrantId, KeyId, ReleaseId
from headgate.ledger.store import ChangeFeed, SqlLedger

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import sqlalchemy as sa

    from headgate.ledger.model import Recorded

_NOT_ACCESS = frozenset(
    {"label", "review", "sampling", "content", "traffic", "incident", "ledger", "staff", "evidence", "detector"}
)
"""First words of the kinds that never change who is let in."""


class LedgerFeed:
    """The gateway's ``Feed`` over the ledger of one database; used by one thread at a time."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._ledger = SqlLedger(engine)
        self._feed: ChangeFeed | None = None

    def position(self) -> int:
        with self._ledger.reading() as view:
            return view.head().size

    def wait(self, after: int, timeout_s: float) -> Change:
        if self._feed is None or self._feed.seq != after:
            self.close()
            self._feed = ChangeFeed(self._engine, after=after)
        return change_of(self._feed.wait(timeout_s), after=after)

    def close(self) -> None:
        """Give the feed's connection up."""
        if self._feed is not None:
            self._feed.close()
            self._feed = None


def change_of(entries: Iterable[Recorded], *, after: int) -> Change:
    """Return what these entries mean to a gateway that has followed the ledger up to ``after``."""
    seq = after
    releases: set[ReleaseId] = set()
    keys: set[KeyId] = set()
    grants: set[GrantId] = set()
    accounts: set[AccountId] = set()
    everything = False
    at: datetime | None = None
    for recorded in entries:
        seq = max(seq, recorded.seq)
        at = recorded.entry.at if at is None else max(at, recorded.entry.at)
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
        at=at,
    )
