"""``/v1/batches``: batches of rows that were taken through the door when they were uploaded, and are again now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.gateway import errors
from headgate.gateway.http.keeping import garbage
from headgate.gateway.model import ObjectKind, Refusal
from headgate.gateway.service.kept import Heard
from headgate.gateway.upstream import NotReached
from headgate.gateway.wire.batches import batch as batches
from headgate.gateway.wire.batches.kinds import refused_now, remembered, written
from headgate.gateway.wire.files import file as files
from headgate.gateway.wire.paths import turned_away
from headgate.gateway.wire.surface import NotAnAnswer
from headgate.kernel.errors import HeadgateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.gateway.http.asgi import Receive, Scope, Send
    from headgate.gateway.http.errand import Errands
    from headgate.gateway.http.keeping import Asked, Keeping
    from headgate.gateway.model import Admitted, StoredObject
    from headgate.gateway.service.batches import Batches
    from headgate.gateway.service.underway import Underway
    from headgate.gateway.wire.batches.batch import Wanted
    from headgate.gateway.wire.surface import Surface

_ROOT = "/v1/batches"
_USUAL = 20


class BatchPaths:
    """Answers everything below ``/v1/batches``.

    Args:
        keeping: Whose things are, and the way to upstreams.
        batches: Records rows and their answers.
        errands: Carries the creation of batches out.
        surfaces: The ways in that batch rows may ask, by their ``url``.
    """

    def __init__(self, *, keeping: Keeping, batches: Batches, errands: Errands, surfaces: Mapping[str, Surface]) -> None:
        self._keeping = keeping
        self._batches = batches
        self._errands = errands
        self._surfaces = surfaces

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> Refusal | None:
        """Answer a request; return why it is refused, if it is.

        Raises:
            HeadgateError: It is refused.
        """
        asked = await self._keeping.asked(scope, send)
        if isinstance(asked, Refusal):
            return asked
        parts = scope["path"].removeprefix(_ROOT).strip("/").split("/")
        match scope["method"], parts:
            case "POST", [""]:
                return await self._create(asked, receive)
            case "GET", [""]:
                return await self._keeping.page(asked, ObjectKind.BATCH, batches.SURFACE, self._show, usual=_USUAL)
            case "GET", [batch_id] if batch_id:
                return await self._one(asked, batch_id, "GET", "")
            case "POST", [batch_id, "cancel"] if batch_id:
                return await self._one(asked, batch_id, "POST", "/cancel")
            case _:
                return turned_away(scope["path"], scope["method"])

    async def _create(self, asked: Asked, receive: Receive) -> Refusal | None:
        with self._keeping.intake.of(asked.principal.account_id) as taking:
            body = await taking.json(asked.scope, receive)
        wanted = batches.read_wanted(body)
        file = await self._keeping.kept.find(ObjectKind.FILE, wanted.input_file_id, asked.principal)
        kinds = remembered(file.detail)
        if file.detail.get("purpose") != files.BATCH or not kinds:
            not_scanned = errors.NotScanned(
                "The file was not uploaded as a batch.", rule="rows are looked at", help="Upload it with the purpose batch."
            )
            return Refusal(not_scanned, "input_file_id")
        surface = self._surfaces.get(wanted.endpoint)
        if surface is None or {kind.surface for kind in kinds} != {surface.name}:
            return Refusal(
                errors.WrongType("endpoint must be the path that all rows of the file ask.", param="endpoint"), "endpoint"
            )
        admitted = self._keeping.kept.may(
            file, asked.principal, surface=batches.SURFACE, client_ip=asked.client_ip, capabilities=frozenset()
        )
        refusal = admitted if isinstance(admitted, Refusal) else self._rows_refused(file, asked)
        if refusal is not None:
            return refusal
        # The batch itself is not counted: its rows are.
        underway = await self._keeping.door.admit(
            asked.caller, files.Creation(asked.call(batches.SURFACE, file.model)), body, metered=False
        )
        if isinstance(underway, Refusal):
            return underway
        return await self._errands.run(
            underway,
            receive,
            asked.send,
            lambda: self._begin(asked, underway, wanted, file),
            within_s=underway.admitted.policy.upstream.total_s,
        )

    async def _begin(self, asked: Asked, underway: Underway, wanted: Wanted, file: StoredObject) -> Heard | Refusal:
        run = await self._batches.open(underway, file)
        if isinstance(run, Refusal):
            return run
        refusal = self._rows_refused(file, asked)  # again: recording them took a while
        if refusal is not None:
            await self._batches.abandon(run)
            return refusal
        upstream = file.at(underway.admitted.policy.upstream)
        try:
            heard = await self._keeping.calls.ask(upstream, "POST", batches.PATH, wanted.document.text.encode())
            batch = batches.read_batch(heard.body) if heard.well else None
        except NotReached:
            await self._batches.abandon(run)
            raise
        except NotAnAnswer:
            await self._batches.lose(run)
            raise garbage() from None
        except BaseException:
            await self._batches.lose(run)
            raise
        if batch is None:
            await self._batches.abandon(run)
            return heard
        underway.leave()  # it runs now, so it must be bound
        detail = {
            "endpoint": wanted.endpoint,
            "kinds": written(remembered(file.detail)),
            "server": heard.server,
            "ip": asked.client_ip,
        }
        try:
            stored = await self._batches.begun(run, batch, file.model, detail)
        except HeadgateError:
            await self._call_off(underway, file, batch.id)
            raise
        return _as_seen(heard, await self._batches.seen(stored, heard.body, underway.admitted))

    async def _call_off(self, underway: Underway, file: StoredObject, batch_id: str) -> None:
        """Have a batch cancelled that nobody can be told of; what it has cost by then stays charged."""
        try:
            upstream = file.at(underway.admitted.policy.upstream)
            await self._keeping.calls.ask(upstream, "POST", f"{batches.PATH}/{batch_id}/cancel")
        except HeadgateError:
            return

    async def _show(self, stored: StoredObject, admitted: Admitted) -> Heard:
        heard = await self._keeping.ask(stored, admitted, "GET", f"{batches.PATH}/{stored.id}")
        return await self._seen(stored, heard, admitted)

    async def _one(self, asked: Asked, batch_id: str, method: str, verb: str) -> Refusal | None:
        found = await self._keeping.find(asked, ObjectKind.BATCH, batch_id, batches.SURFACE)
        if isinstance(found, Refusal):
            return found
        stored, admitted = found
        heard = await self._keeping.ask(stored, admitted, method, f"{batches.PATH}/{batch_id}{verb}")
        try:
            heard = await self._seen(stored, heard, admitted)
        except NotAnAnswer:
            raise garbage() from None
        await self._keeping.pass_on(asked.send, heard)
        return None

    async def _seen(self, stored: StoredObject, heard: Heard, admitted: Admitted) -> Heard:
        return _as_seen(heard, await self._batches.seen(stored, heard.body, admitted)) if heard.well else heard

    def _rows_refused(self, file: StoredObject, asked: Asked) -> Refusal | None:
        door, principal = self._keeping.door, asked.principal
        return refused_now(
            remembered(file.detail), file.model, lambda call: door.judge(call, principal), client_ip=asked.client_ip
        )


def _as_seen(heard: Heard, body: bytes) -> Heard:
    return Heard(heard.status, heard.headers, body, heard.server)
