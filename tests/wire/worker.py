"""A gateway worker as a process of its own: ``python worker.py <config.json>``. Records in a real spool."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from headgate.adapters.database import open_sqlite
from headgate.adapters.serving import Server
from headgate.bootstrap.processes.ports import listener
from headgate.gateway.http import Gateway
from headgate.gateway.model import Limits, Settings
from headgate.gateway.store import SqlLeases, SqlObjects
from headgate.kernel.clock import SystemClock
from headgate.kernel.units import Rate
from headgate.traffic.keys import DayKeys, MasterKey
from headgate.traffic.spool import Spool
from wire.kit import KEY, World, a_policy, a_principal, a_rule


async def main(told: dict[str, Any]) -> None:
    engine = open_sqlite(Path(told["database"]))
    clock = SystemClock()
    home = Path(told["home"])
    rule = a_rule(limits=Limits(requests=Rate(told["requests"], 3600), concurrency=told.get("concurrency")))
    world = World(a_policy(told["upstream"], rule))
    world.principals = {KEY: a_principal()}
    gateway = Gateway(
        Settings(worker=told["worker"], end_user_key=b"k" * 32, slot_ttl_s=told.get("slot_ttl_s", 60.0)),
        policies=world,
        principals=world,
        feed=world,
        leases=SqlLeases(engine, owner=told["worker"], slot_ttl_s=told.get("slot_ttl_s", 60.0)),
        recorder=Spool.open(
            home / "traffic", told["worker"], DayKeys(engine, MasterKey.load_or_create(home / "master"), clock), clock
        ),
        objects=SqlObjects(engine),
    )
    await gateway.start()
    Server(gateway).listen(listener("127.0.0.1", told["port"]))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
