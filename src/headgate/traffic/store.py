"""The tables that the exchange log keeps in the system of record, and how its failures are told.

Bodies and rows of exchanges are not here: they stand in spools and segments. Here are the wrapped keys of each day, the
counts that gates read, and how far each reader of the log has come.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from headgate.traffic.errors import LogUnavailable

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from datetime import datetime

    from headgate.kernel.digest import Json

metadata = sa.MetaData()

day_keys = sa.Table(
    "traffic_day_key",
    metadata,
    sa.Column("day", sa.String(10), primary_key=True, comment="UTC day of admission, YYYY-MM-DD"),
    sa.Column("wrapped_key", sa.LargeBinary, nullable=False, comment="nonce and AES-256-GCM ciphertext; zeros once destroyed"),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("destroyed_us", sa.BigInteger, nullable=True),
)

daily = sa.Table(
    "traffic_daily",
    metadata,
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("organisation_id", sa.Text, primary_key=True, comment="empty for an account without one"),
    sa.Column("day", sa.String(10), primary_key=True, comment="UTC day of admission"),
    sa.Column("exchanges", sa.BigInteger, nullable=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("first_us", sa.BigInteger, nullable=False),
    sa.Column("last_us", sa.BigInteger, nullable=False),
    sa.Column("turn", sa.BigInteger, nullable=False, server_default="0", comment="of its epoch, when the row was written first"),
    sa.Index("traffic_daily_by_turn", "epoch", "turn"),
)

counted = sa.Table(
    "traffic_counted",
    metadata,
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("exchanges", sa.BigInteger, nullable=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("first_us", sa.BigInteger, nullable=False),
    sa.Column("last_us", sa.BigInteger, nullable=False),
    sa.Column("turn", sa.BigInteger, nullable=False, comment="how often something was counted"),
)
"""What an epoch's rows in ``traffic_daily`` add up to; always written with them."""

cursors = sa.Table(
    "traffic_cursor",
    metadata,
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("spool", sa.Text, primary_key=True),
    sa.Column("outcome_seq", sa.BigInteger, nullable=False, comment="the last outcome that was taken"),
)


class Append(Protocol):
    """Appends one entry to the ledger within the caller's transaction; ``bootstrap`` hands it in."""

    def __call__(
        self, connection: sa.Connection, *, kind: str, subject: str, actor: str, at: datetime, body: Mapping[str, Json]
    ) -> int:
        """Return the entry's place in the ledger."""
        ...


@contextmanager
def reaching(what: str) -> Generator[None]:
    """Tell of a database that is gone, locked or full in the log's own words.

    Raises:
        LogUnavailable: It is; the transaction was rolled back.
    """
    try:
        yield
    except IntegrityError:
        raise  # an answer, and its asker knows what it means
    except (DBAPIError, PoolTimeout, sqlite3.Error) as error:  # the last: SQLAlchemy wraps no error of a connection's set-up
        raise LogUnavailable(f"The database does not answer: {what} cannot be reached.", help="Try again shortly.") from error
