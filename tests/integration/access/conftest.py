from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Annotated

import httpx
import pytest
from fastapi import Header

from headgate.access.errors import StaffTokenMalformed
from headgate.access.http import routes
from headgate.access.service import Access
from headgate.access.store import SqlStore, metadata
from headgate.adapters.database import open_sqlite
from headgate.adapters.serving import Server
from headgate.bootstrap.http import web_application
from headgate.bootstrap.processes.ports import listener
from headgate.kernel.actor import Role
from headgate.kernel.clock import SystemClock
from headgate.ledger import store as ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
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

    listening = listener("127.0.0.1", 0)
    port = listening.getsockname()[1]
    loop = asyncio.new_event_loop()

    async def serve() -> Server:
        server = Server(web_application([routes(access, asking)]))
        server.listen(listening)
        return server

    server = loop.run_until_complete(serve())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    asyncio.run_coroutine_threadsafe(server.close(1), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
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
