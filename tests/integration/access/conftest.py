from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import pytest
from fastapi import Header
from granian.constants import Interfaces
from granian.server.embed import Server

from headgate.access.errors import StaffTokenMalformed
from headgate.access.http import routes
from headgate.access.service import Access
from headgate.access.store import SqlStore, metadata
from headgate.adapters.database import open_sqlite
from headgate.bootstrap.http import web_application
from headgate.kernel.actor import Role
from headgate.kernel.clock import SystemClock
from headgate.ledger import store as ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from headgate.access.model import Issued, Staff
    from headgate.kernel.actor import Actor


@pytest.fixture
def access(tmp_path: Path) -> Iterator[Access]:
    engine = open_sqlite(tmp_path / "headgate.db")
    metadata.create_all(engine)
    ledger.metadata.create_all(engine)
    yield Access(SqlStore(engine), pepper=b"p" * 32, environment="test", clock=SystemClock())
    engine.dispose()


@pytest.fixture
def admin(access: Access) -> Issued[Staff]:
    return access.first_staff("Ada", roles=[Role.ADMIN])


@pytest.fixture
def address(access: Access) -> Iterator[str]:
    """Serve access on a real socket."""

    def asking(authorization: Annotated[str, Header()] = "") -> Actor:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise StaffTokenMalformed("Say who you are.")
        return access.authenticate_staff(token)

    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(web_application([routes(access, asking)]), address="127.0.0.1", port=port, interface=Interfaces.ASGI)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve(),))
    thread.start()
    _wait_for(lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close())
    yield f"http://127.0.0.1:{port}"
    loop.call_soon_threadsafe(server.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def staff(address: str, admin: Issued[Staff]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, headers={"authorization": f"Bearer {admin.secret}"}, trust_env=False) as client:
        yield client


@pytest.fixture
def stranger(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, trust_env=False) as client:
        yield client


def _wait_for(attempt: Callable[[], Any]) -> None:
    for _ in range(200):
        try:
            attempt()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("the server did not come up")
