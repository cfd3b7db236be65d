"""The exchange log, as safety reads it, and whose an exchange was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headgate.kernel.actor import Actor
    from headgate.safety.model import Content, SettledPage


class Exchanges(Protocol):
    """The exchange log."""

    def settled_after(self, cursor: str | None, limit: int) -> SettledPage:
        """Return up to ``limit`` settled exchanges behind ``cursor``, from the beginning when it is ``None``.

        The order is stable: nothing ever appears before a cursor that was handed out.
        """
        ...

    def contents(self, exchange_ids: Sequence[str]) -> Mapping[str, Content]:
        """Return bodies for the detectors; an exchange whose content is gone is absent."""
        ...

    def read(self, exchange_id: str, *, by: Actor, why: str) -> Content | None:
        """Return an exchange's bodies to a person, and record on the ledger that they were read; ``None`` when they are gone."""
        ...


@dataclass(frozen=True, slots=True)
class Spoken:
    """Whose an exchange was.

    Attributes:
        account_id: Who asked.
        release_id: Which release answered.
    """

    account_id: str
    release_id: str


class Whose(Protocol):
    """Who knows whose an exchange was."""

    def whose(self, exchange_id: str) -> Spoken | None:
        """Return whose it was; ``None`` when none of that name is kept."""
        ...
