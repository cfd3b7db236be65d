"""One worker: the gateway under ``/v1``, the control API beside it, one ASGI application for both.

``run`` is all that a worker process does. The gateway comes first and uses no framework; what it does not serve goes to the web
application. ``/healthz`` says that the process lives; ``/readyz`` that it may be sent requests.

Told to end (SIGTERM), a worker retires: ``/readyz`` says 503 and every answer asks its client to come on another connection
next time, while it still serves whoever comes; after a moment it accepts no more, and what is open runs on until it has ended by
itself or its time is over; then it is cut the way its protocol ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from typing import TYPE_CHECKING, Annotated

import structlog
import uvloop
from fastapi import Header

from headgate import __version__
from headgate.access.http import routes as access_routes
from headgate.adapters.serving import Bounds, Server
from headgate.adapters.telemetry import Counting, Tracing, Watching
from headgate.bootstrap.bridges.feed import LedgerFeed
from headgate.bootstrap.bridges.policies import ReleasePolicies
from headgate.bootstrap.bridges.principals import AccessPrincipals, KeyUses
from headgate.bootstrap.bridges.screens import RuleScreen
from headgate.bootstrap.bridges.talking import InThisProcess
from headgate.bootstrap.faces import faces
from headgate.bootstrap.home import secret_file
from headgate.bootstrap.http import web_application
from headgate.bootstrap.processes import numbers
from headgate.bootstrap.processes.collecting import collect_everything, keep_what_is_here
from headgate.bootstrap.processes.numbers import Numbers
from headgate.bootstrap.processes.parent import end_with_parent
from headgate.bootstrap.processes.supervisor import READY
from headgate.bootstrap.terminal import NoToken
from headgate.bootstrap.wiring import House, open_house
from headgate.evidence.http import routes as evidence_routes
from headgate.gateway.http import Gateway
from headgate.gateway.model import Settings as GatewaySettings
from headgate.gateway.store import SqlLeases, SqlObjects
from headgate.kernel.errors import HeadgateError, Unavailable
from headgate.ledger.http import routes as ledger_routes
from headgate.releases.http import routes as release_routes
from headgate.safety.http import routes as safety_routes
from headgate.traffic.spool import Spool, Sync

if TYPE_CHECKING:
    import socket

    from fastapi import FastAPI

    from headgate.bootstrap.home import Home
    from headgate.bootstrap.settings import Settings
    from headgate.gateway.http.asgi import Receive, Scope, Send
    from headgate.kernel.actor import Actor
    from headgate.traffic.model import Admission, Outcome

log = structlog.get_logger()

_LAST_S = 3.0
"""How long answers that are not the gateway's may take to end, once its own have."""
_TELL_USES_S = 60.0


class Recorder:
    """The gateway's ``Recorder``: this worker's spool, and a note of which keys are in use."""

    def __init__(self, spool: Spool, uses: KeyUses) -> None:
        self._spool = spool
        self._uses = uses

    async def admit(self, admission: Admission) -> None:
        await self._spool.admit(admission)
        self._uses.note(admission.key_id, admission.at)

    def settle(self, outcome: Outcome) -> asyncio.Future[None]:
        return self._spool.settle(outcome)


class Worker:
    """The application of one worker process.

    Args:
        house: The installation.
        web: The control API and the pages.
        talking: How the chat page reaches the gateway.
    """

    def __init__(self, house: House, web: FastAPI, talking: InThisProcess) -> None:
        self._house = house
        self._web = web
        self._talking = talking
        self._gateway: Gateway | None = None
        self._spool: Spool | None = None
        self._numbers: Numbers | None = None
        self._tracing: Tracing | None = None
        self._feed = LedgerFeed(house.engine)
        self._uses = KeyUses(house.access)
        self._telling: asyncio.Task[None] | None = None
        self._retiring = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith("/v1/") or path == "/v1":
            assert self._gateway is not None, "nothing is listened to before the start"
            await self._gateway(scope, receive, send)
        elif path in ("/healthz", "/readyz"):
            await self._tell_health(path, send)
        elif path == numbers.PATH and numbers.may_read(scope, self._house.settings.metrics):
            await self._tell_numbers(scope, send)
        else:
            await self._web(scope, receive, send)

    async def serve(self, listener: socket.socket) -> None:
        """Serve from a socket that is bound, until this process is told to end and what was open has ended.

        Raises:
            HeadgateError: It cannot start.
        """
        settings = self._house.settings
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        await self._start()
        server = Server(self, Bounds(connections=settings.max_connections, late_s=settings.body_timeout_s))
        server.listen(listener)
        _tell_ready()
        await told.wait()
        log.info("worker.retiring", pid=os.getpid())
        self._retiring = True
        server.retire()
        await asyncio.sleep(settings.linger_s)
        await server.stop_accepting()
        await self._stop(server, settings.drain_s)
        collect_everything()
        log.info("worker.retired", pid=os.getpid())

    async def _start(self) -> None:
        house, settings = self._house, self._house.settings
        name = f"worker-{os.getpid()}"
        spool = Spool.open(house.home.traffic, name, house.day_keys, house.clock, sync=Sync[settings.spool_sync.upper()])
        gateway_settings = GatewaySettings(
            worker=name,
            end_user_key=secret_file(house.home.secrets / "end-users"),
            max_body_bytes=settings.max_body_bytes,
            uploads_dir=house.home.root,  # forms have no names there; a directory for temporary files may be memory
            max_undecided_bytes=settings.max_undecided_bytes,
            max_in_flight=settings.max_in_flight,
            body_s=settings.body_timeout_s,
            send_idle_s=settings.send_timeout_s,
            max_stale_s=settings.max_stale_s,
            max_recorded_bytes=settings.capture_bytes,
        )
        counting = Counting()
        self._tracing = Tracing.of(os.environ, version=__version__, worker=name)
        gateway = Gateway(
            gateway_settings,
            policies=ReleasePolicies(house.releases, self._feed.position, settings),
            principals=AccessPrincipals(house.access),
            feed=self._feed,
            leases=SqlLeases(
                house.engine, owner=name, slot_ttl_s=gateway_settings.slot_ttl_s, flush=settings.spool_sync == "full"
            ),
            recorder=Recorder(spool, self._uses),
            objects=SqlObjects(house.engine),
            screen=RuleScreen(house.detector),
            telemetry=Watching(counting, self._tracing),
            clock=house.clock,
        )
        await gateway.start()
        self._numbers = Numbers(
            house.home.metrics,
            name,
            counting,
            stats=gateway.stats,
            owed=lambda: spool.owed,
            retiring=lambda: self._retiring,
        )
        self._numbers.start()
        self._spool, self._gateway = spool, gateway
        self._talking.gateway = gateway
        self._telling = asyncio.create_task(self._tell_uses())
        keep_what_is_here()

    async def _stop(self, server: Server, drain_s: float) -> None:
        if self._telling is not None:
            self._telling.cancel()
        if self._gateway is not None:
            await self._gateway.stop(drain_s)
        await server.close(_LAST_S)
        if self._numbers is not None:
            await self._numbers.stop()
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.close)
        if self._spool is not None:
            await self._spool.close()
        await asyncio.to_thread(self._uses_once)
        self._feed.close()
        self._house.close()

    async def _tell_uses(self) -> None:
        while True:
            await asyncio.sleep(_TELL_USES_S)
            await asyncio.to_thread(self._uses_once)

    def _uses_once(self) -> None:
        with contextlib.suppress(Unavailable):  # told again with the next ones
            self._uses.tell()

    async def _tell_numbers(self, scope: Scope, send: Send) -> None:
        assert self._numbers is not None, "nothing is listened to before the start"
        accept = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"), "")
        body, media_type = await self._numbers.told(accept)
        headers = [(b"content-type", media_type.encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _tell_health(self, path: str, send: Send) -> None:
        stats = self._gateway.stats() if self._gateway else None
        may_be_sent_requests = stats is not None and stats.ready and not self._retiring
        well = stats is not None and (path == "/healthz" or may_be_sent_requests)
        body = json.dumps({"ok": well, "pid": os.getpid(), "policy_age_s": stats and round(stats.policy_age_s, 3)}).encode()
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200 if well else 503, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _tell_ready() -> None:
    """Tell whoever waits for this process to take over; nobody may be waiting any more."""
    told = os.environ.get(READY)
    if told is not None:
        with contextlib.suppress(OSError):
            os.write(int(told), b".")


def control_api(house: House, talking: InThisProcess) -> FastAPI:
    """Return the control API over a house; who calls is known by a staff token, checked at every call."""

    def caller(authorization: Annotated[str | None, Header()] = None) -> Actor:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NoToken("This is for staff.", help="Send your staff token: Authorization: Bearer hgs_…")
        return house.access.authenticate_staff(token.strip())

    return web_application(
        [
            release_routes(house.releases, caller),
            access_routes(house.access, caller),
            safety_routes(house.desk, caller),
            evidence_routes(house.filing, house.clock, caller),
            ledger_routes(house.ledger, caller),
        ],
        beside=faces(house, talking),
    )


def run(home: Home, settings: Settings, listener: socket.socket) -> None:
    """Be a worker of an installation until told to end.

    Args:
        home: The installation.
        settings: What it runs with.
        listener: A socket that is bound.

    Raises:
        SystemExit: It cannot start.
    """
    end_with_parent()
    house = open_house(home, settings)
    talking = InThisProcess()
    try:
        uvloop.run(Worker(house, control_api(house, talking), talking).serve(listener))
    except HeadgateError as error:
        log.error("worker.cannot_start", code=error.code, why=error.message)  # noqa: TRY400 - an answer, not a defect
        raise SystemExit(1) from None
