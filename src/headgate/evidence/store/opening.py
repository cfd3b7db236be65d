"""Opening the system of record: what it cannot do becomes one error, and nothing is half done."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import exc

from headgate.evidence.errors import EvidenceUnavailable

if TYPE_CHECKING:
    from collections.abc import Generator

    import sqlalchemy as sa


@contextmanager
def writing(engine: sa.Engine) -> Generator[sa.Connection]:
    """Begin a transaction that writes.

    Raises:
        EvidenceUnavailable: The database does not answer, is locked or is full; nothing was changed.
    """
    with _translated(), engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: sa.Engine) -> Generator[sa.Connection]:
    """Open a snapshot.

    Raises:
        EvidenceUnavailable: The database does not answer.
    """
    with _translated(), engine.execution_options(read_only=True).connect() as connection:
        yield connection


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as failure:
        raise EvidenceUnavailable("The evidence store does not answer; nothing was changed.") from failure
