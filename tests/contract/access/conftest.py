from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from headgate.access.service import Access
from headgate.access.store import SqlStore, metadata
from headgate.adapters.database import open_sqlite
from headgate.kernel.actor import Actor, Permission
from headgate.ledger import store as ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

    from headgate.access.model import Account, Grant, Issued, Key
    from headgate.ledger.model import Recorded

NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class Hands:
    """A clock whose hands a test moves."""

    at: datetime = NOON

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


@dataclass
class House:
    """Access over a real database, and shorthand for getting somebody in."""

    path: Path
    engine: sa.Engine
    clock: Hands = field(default_factory=Hands)
    by: Actor = field(default_factory=lambda: Actor.system("test", *Permission))

    def __post_init__(self) -> None:
        self.access = self.opened()

    def opened(self, **options: Any) -> Access:
        usual: dict[str, Any] = {"pepper": b"p" * 32, "environment": "test", "clock": self.clock}
        return Access(SqlStore(self.engine), **(usual | options))

    def cohort(self, name: str = "trusted", seats: int | None = 10, terms: str | None = None) -> str:
        self.access.cohorts.add(name, seats=seats, terms_version=terms, by=self.by)
        return name

    def account(self, name: str = "Ada", **options: Any) -> Account:
        return self.access.accounts.add(name, **options, by=self.by)

    def grant(self, cohort: str = "trusted", account: Account | None = None, days: float = 30) -> Grant:
        account = account or self.account()
        return self.access.grants.add(account.id, cohort, ends_at=self.clock.now() + days * DAY, by=self.by)

    def key(self, grant: Grant | None = None, **options: Any) -> Issued[Key]:
        grant = grant or self.grant()
        usual: dict[str, Any] = {"scopes": ["api.chat"]}
        return self.access.keys.add(grant.id, **(usual | options), by=self.by)

    def works(self, text: str, peer: str = "192.0.2.7") -> Any:
        return self.access.authenticate(text, peer, self.clock.now())

    def ledger(self) -> list[Recorded]:
        with self.engine.connect() as connection:
            return ledger.tail(connection, 0, 10_000)

    def kinds(self) -> list[str]:
        return [recorded.entry.kind for recorded in self.ledger()]

    def statements(self) -> list[str]:
        """Return a list that every statement is added to from now on."""
        asked: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            asked.append(statement)

        event.listen(self.engine, "before_cursor_execute", note)
        return asked

    def bytes_on_disk(self) -> bytes:
        return b"".join(file.read_bytes() for file in self.path.parent.iterdir() if file.is_file())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    path = tmp_path / "headgate.db"
    engine = open_sqlite(path)
    metadata.create_all(engine)
    ledger.metadata.create_all(engine)
    yield House(path, engine)
    engine.dispose()
