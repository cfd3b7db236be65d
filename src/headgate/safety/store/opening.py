"""Opening the system of record: what it cannot do becomes one error, and nothing is half done.

A database that is locked for too long, full, gone or read-only raises ``SafetyStoreUnavailable`` from the transaction that met
it, which is rolled back whole, its ledger entries included.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import exc

from headgate.kernel.clock import from_us, to_us
from headgate.kernel.digest import Json, canonical_json
from headgate.ledger.store import append
from headgate.safety.errors import SafetyStoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime

    from headgate.ledger.model import Entry


class Transaction:
    """One change: rows and ledger entries, kept together or not at all."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def record(self, entry: Entry) -> int:
        """Append to the ledger within this transaction; return the entry's place."""
        return append(self.connection, entry)


@contextmanager
def writing(engine: sa.Engine) -> Generator[sa.Connection]:
    """Begin a transaction that writes.

    Raises:
        SafetyStoreUnavailable: The database did not answer; nothing was changed.
    """
    with _translated(), engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: sa.Engine) -> Generator[sa.Connection]:
    """Open a snapshot.

    Raises:
        SafetyStoreUnavailable: The database did not answer.
    """
    with _translated(), engine.execution_options(read_only=True).connect() as connection:
        yield connection


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        raise SafetyStoreUnavailable(
            "The database behind reviews does not answer; nothing was changed.",
            help="Try again; then look at the disk and the locks.",
        ) from error


def text_of(value: Json) -> str:
    """Return the canonical JSON that a column keeps."""
    return canonical_json(value).decode()


def value_of(text: str) -> Any:
    """Return what a column's JSON says."""
    return json.loads(text)


def instant(us: int | None) -> datetime | None:
    """Return an instant that may be absent."""
    return None if us is None else from_us(us)


def microseconds(at: datetime | None) -> int | None:
    """Return a column's value for an instant that may be absent."""
    return None if at is None else to_us(at)
