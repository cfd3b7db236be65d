"""What every use case of access works with: the record, the clock, randomness, digests and the policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.kernel.ids import mint
from headgate.ledger.model import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from headgate.access.model import Policy
    from headgate.access.ports import Store
    from headgate.access.wire.pepper import Pepper
    from headgate.kernel.actor import Actor
    from headgate.kernel.clock import Clock
    from headgate.kernel.digest import Json

_ID_BYTES = 10


@dataclass(frozen=True, slots=True)
class Desk:
    """The tools of access.

    Attributes:
        store: The record.
        pepper: The secret behind stored digests.
        environment: What this installation is called in its keys.
        clock: The time.
        entropy: Returns so many random bytes, fit for secrets.
        policy: The spans that access is run with.
    """

    store: Store
    pepper: Pepper
    environment: str
    clock: Clock
    entropy: Callable[[int], bytes]
    policy: Policy

    def now(self) -> datetime:
        """Return the present instant."""
        return self.clock.now()

    def new_id(self, prefix: str, *, at: datetime) -> str:
        """Return a fresh identifier."""
        return mint(prefix, at=at, entropy=self.entropy(_ID_BYTES))


def entry(kind: str, subject: str, by: Actor, at: datetime, **body: Json) -> Entry:
    """Return an entry for the ledger; what is ``None`` is left out of its body."""
    told: Mapping[str, Json] = {name: value for name, value in body.items() if value is not None}
    return Entry(kind, subject, by.id, at, told)
