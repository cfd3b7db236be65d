"""Many accounts in a real database: each with a seat and a key, written in bulk beside the services that would take hours.

The rows are those that the services write; the ledger does not tell of them, which the gateway does not need: it looks a key
up when it first sees it. Only so many keys have a text that a client can send; the rest are there to be in the way.
"""

from __future__ import annotations

import secrets
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from headgate.access.store import tables
from headgate.access.wire import key as key_text
from headgate.access.wire.pepper import Pepper
from headgate.adapters.database import open_sqlite
from headgate.bootstrap.home import Home, secret_file
from headgate.bootstrap.wiring import ENVIRONMENT
from headgate.kernel.clock import to_us
from headgate.kernel.ids import KeyId, mint

if TYPE_CHECKING:
    from pathlib import Path

_BATCH = 50_000
_LIFE = timedelta(days=30)

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last) "
_FILLERS = (
    "INSERT INTO access_account (id, name, tier, state, simulated, created_at_us, revision) "
    + _NUMBERS
    + "SELECT printf('acc_%026d', i), 'filler', 'untrusted', 'active', 1, :now, 1 FROM n",
    "INSERT INTO access_grant (id, account_id, cohort, state, limited_to_percent, starts_at_us, ends_at_us, simulated, "
    "created_at_us, revision) "
    + _NUMBERS
    + "SELECT printf('grt_%026d', i), printf('acc_%026d', i), :cohort, 'active', 100, :now, :end, 1, :now, 1 FROM n",
    "INSERT INTO access_key (id, grant_id, digest, label, scopes, networks, state, created_at_us, expires_at_us, revision) "
    + _NUMBERS
    + "SELECT printf('key_%026d', i), printf('grt_%026d', i), randomblob(32), 'filler', '[\"api.chat\"]', '[]', 'active', "
    ":now, :end, 1 FROM n",
)


class Crowd:
    """The accounts of one installation.

    Args:
        directory: Its data directory.
        cohort: Where everybody has a seat; it must exist.
    """

    def __init__(self, directory: Path, cohort: str) -> None:
        home = Home(directory)
        self._engine = open_sqlite(home.database)
        self._pepper = Pepper(secret_file(home.secrets / "pepper"))
        self._cohort = cohort
        self.keys: list[str] = []
        """Key texts, oldest first."""
        self.size = 0

    def grow_to(self, size: int, *, callers: int) -> None:
        """Add accounts until there are ``size``, of whom at most ``callers`` have a key that can be sent."""
        self._add_callers(min(size, callers) - len(self.keys))
        first = self.size
        while first < size:
            last = min(first + _BATCH, size)
            self._add_fillers(first + 1, last)
            first = last
        self.size = max(self.size, size)
        with closing(self._engine.raw_connection()) as connection:
            # Otherwise the first callers who are measured would be the ones to move all of this into the database.
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._engine.dispose()

    def _add_callers(self, count: int) -> None:
        now = datetime.now(UTC)
        life = {"created_at_us": to_us(now), "revision": 1}
        accounts, grants, keys = [], [], []
        for _ in range(max(0, count)):
            account, grant, key = mint("acc", at=now), mint("grt", at=now), mint("key", at=now)
            text = key_text.mint(ENVIRONMENT, KeyId(key), entropy=secrets.token_bytes(24)).text
            accounts.append({"id": account, "name": "caller", "tier": "untrusted", "state": "active", "simulated": 1, **life})
            grants.append(
                {
                    "id": grant,
                    "account_id": account,
                    "cohort": self._cohort,
                    "state": "active",
                    "limited_to_percent": 100,
                    "starts_at_us": to_us(now),
                    "ends_at_us": to_us(now + _LIFE),
                    "simulated": 1,
                    **life,
                }
            )
            keys.append(
                {
                    "id": key,
                    "grant_id": grant,
                    "digest": self._pepper.of_key(text),
                    "label": "caller",
                    "scopes": '["api.chat"]',
                    "networks": "[]",
                    "state": "active",
                    "expires_at_us": to_us(now + _LIFE),
                    **life,
                }
            )
            self.keys.append(text)
        if keys:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(tables.accounts), accounts)
                connection.execute(sa.insert(tables.grants), grants)
                connection.execute(sa.insert(tables.keys), keys)
            self.size = max(self.size, len(self.keys))

    def _add_fillers(self, first: int, last: int) -> None:
        now = datetime.now(UTC)
        bound = {"first": first, "last": last, "cohort": self._cohort, "now": to_us(now), "end": to_us(now + _LIFE)}
        with self._engine.begin() as connection:
            for statement in _FILLERS:
                connection.execute(sa.text(statement), bound)
        time.sleep(0.01)  # let others write
