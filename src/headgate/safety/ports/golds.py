"""Where gold items are kept, what was shown of them, and what was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from headgate.ledger.model import Entry
    from headgate.safety.sampling.gold import Gold, GoldAnswer, Shown


class GoldTx(Protocol):
    """One change to the stock of gold items."""

    def record(self, entry: Entry) -> int: ...

    def add(self, gold: Gold, *, digest: str, salt: bytes) -> None:
        """Keep a new gold item; raise ``GoldInvalid`` when one with this digest exists."""
        ...

    def get(self, gold_id: str) -> Gold | None: ...

    def retire(self, gold_id: str, *, at: datetime) -> None: ...


class GoldStore(Protocol):
    """Where gold items are kept."""

    def transaction(self) -> AbstractContextManager[GoldTx]: ...

    def list(self, *, retired: bool) -> tuple[Gold, ...]:
        """Return the gold items, oldest first; those that are no longer shown only when asked for."""
        ...

    def shown(self, epoch: str) -> tuple[Shown, ...]:
        """Return the epoch's showings, in order."""
        ...

    def answers(self, epoch: str) -> tuple[GoldAnswer, ...]:
        """Return what each reader said of the epoch's gold items and did not take back, in order."""
        ...

    def ever_shown(self) -> Mapping[str, int]:
        """Return in how many epochs each gold item was shown; one that never was is absent."""
        ...

    def among(self, exchange_ids: Sequence[str]) -> frozenset[str]:
        """Return those that are gold items."""
        ...
