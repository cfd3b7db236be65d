"""What a file holds, handed out: an exchange like any other, on record before the model server is asked, and ended with access.

The answers of a batch go through the door again when they are fetched, row by row past the output screen where the stage asks
for one. A row that is withheld is replaced by an error row, and the header ``x-headgate-withheld-rows`` says how many there are.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import TYPE_CHECKING

from headgate.gateway import errors
from headgate.gateway.http.asgi import ClientGone
from headgate.gateway.http.calls import NotGiven
from headgate.gateway.http.keeping import garbage
from headgate.gateway.http.outlet import Outlet
from headgate.gateway.http.scratch import scratch
from headgate.gateway.model import ObjectKind, Refusal
from headgate.gateway.wire.batches.answers import read_answer
from headgate.gateway.wire.batches.kinds import refused_now, remembered
from headgate.gateway.wire.files import file as files
from headgate.gateway.wire.jsonl import Lines
from headgate.gateway.wire.surface import NotAnAnswer
from headgate.traffic.model import Screened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from headgate.gateway.http.asgi import Headers, Receive
    from headgate.gateway.http.errand import Errands
    from headgate.gateway.http.keeping import Asked, Keeping
    from headgate.gateway.http.scratch import Scratch
    from headgate.gateway.model import Admitted, StoredObject
    from headgate.gateway.service.batches import Batches
    from headgate.gateway.service.kept import Heard
    from headgate.gateway.service.underway import Underway
    from headgate.gateway.wire.surface import Surface

_SAYS_MORE = (Screened.NOT_ASKED, Screened.PASSED, Screened.UNSCANNED, Screened.BLOCKED)
"""What is said of several rows together is what is said of the one further on here."""


class Contents:
    """Hands files out.

    Args:
        keeping: Whose things are, and the way to upstreams.
        batches: Knows whether a batch's answers are on record, and looks at them.
        errands: Carries it out, and settles it.
        surfaces: The ways in that batch rows may ask, by their ``url``.
    """

    def __init__(self, *, keeping: Keeping, batches: Batches, errands: Errands, surfaces: Mapping[str, Surface]) -> None:
        self._keeping = keeping
        self._batches = batches
        self._errands = errands
        self._surfaces = surfaces
        self._settings = keeping.settings

    async def hand_out(self, asked: Asked, receive: Receive, file_id: str) -> Refusal | None:
        """Answer a request for what a file holds; return why it is refused, if it is.

        Args:
            asked: Who asks.
            receive: Tells that the client has left.
            file_id: Which file.

        Raises:
            HeadgateError: It is refused.
        """
        found = await self._keeping.find(asked, ObjectKind.FILE, file_id, files.SURFACE)
        if isinstance(found, Refusal):
            return found
        stored, _ = found
        refusal = self._rows_refused(stored, asked)
        if refusal is not None:
            return refusal
        call = asked.call(files.SURFACE, stored.model)
        said = json.dumps({"id": file_id, "purpose": stored.detail.get("purpose")}).encode()
        underway = await self._keeping.door.admit(asked.caller, files.Creation(call), said, metered=False)
        if isinstance(underway, Refusal):
            return underway
        underway.screened = Screened.NOT_ASKED  # nothing was said that a screen could read
        outlet = Outlet(asked.send, most_kept_bytes=self._settings.max_recorded_bytes)
        return await self._errands.hand_out(
            underway, receive, asked.send, outlet, lambda: self._handed(asked, stored, underway, outlet)
        )

    async def _handed(self, asked: Asked, stored: StoredObject, underway: Underway, outlet: Outlet) -> Heard | Refusal | None:
        """Hand a file out, and return nothing; or why it is not."""
        admitted = underway.admitted
        headers: Headers = [
            (b"content-type", b"application/octet-stream"),
            (b"x-request-id", underway.exchange_id.encode()),
        ]
        path = f"{files.PATH}/{stored.id}/content"
        try:
            async with self._keeping.calls.content(stored.at(admitted.policy.upstream), path) as blocks:
                if stored.detail.get("purpose") != files.ANSWERS:
                    await self._stream(asked, stored, blocks, headers, outlet)
                    return None
                await self._on_record(asked, stored, admitted)
                async with scratch(self._settings.uploads_dir) as room:
                    withheld = await self._show_answers(stored, underway, blocks, room)
                    refusal = self._rows_refused(stored, asked)
                    if refusal is None:
                        headers.append((b"content-length", str(room.length).encode()))
                        if withheld:
                            headers.append((b"x-headgate-withheld-rows", str(withheld).encode()))
                        await self._stream(asked, stored, aiter(room), headers, outlet)
                return refusal
        except NotGiven as refused:
            if refused.heard.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            return refused.heard

    async def _on_record(self, asked: Asked, stored: StoredObject, admitted: Admitted) -> None:
        """See to it that answers are on record before they are shown.

        Raises:
            AnswersUnrecorded: They are not yet.
        """
        kept = self._keeping.kept
        batch = await kept.find(ObjectKind.BATCH, stored.detail["batch"], asked.principal)
        if not batch.detail.get("recorded"):
            heard = await self._keeping.ask(batch, admitted, "GET", f"/batches/{batch.id}")
            try:
                await self._batches.seen(batch, heard.body, admitted)
            except NotAnAnswer:
                raise garbage() from None
            batch = await kept.find(ObjectKind.BATCH, batch.id, asked.principal)
        if not batch.detail.get("recorded"):
            raise errors.AnswersUnrecorded(
                "The answers are not on record yet.", rule="every exchange is recorded", help="Try again."
            )

    async def _show_answers(self, stored: StoredObject, underway: Underway, blocks: AsyncIterator[bytes], room: Scratch) -> int:
        """Put the answers into ``room`` as they may be shown; return how many are withheld."""
        surface = self._surfaces[stored.detail["endpoint"]]
        lines = Lines(most_bytes=self._settings.max_answer_bytes)
        withheld = 0

        async def show(line: bytes) -> bool:
            row = read_answer(line)
            _, screened, refusal = await self._batches.look(underway.admitted, row, surface, stored)
            if _SAYS_MORE.index(screened) > _SAYS_MORE.index(underway.output_screened):
                underway.output_screened = screened
            await room.write((line if refusal is None else row.withheld(refusal, self._settings)) + b"\n")
            return refusal is not None

        try:
            async for block in blocks:
                for _, line in lines.feed(block):
                    withheld += await show(line)
                    await asyncio.sleep(0)
            for _, line in lines.finish():
                withheld += await show(line)
        except NotAnAnswer:
            raise garbage() from None
        return withheld

    async def _stream(
        self, asked: Asked, stored: StoredObject, blocks: AsyncIterator[bytes], headers: Headers, outlet: Outlet
    ) -> None:
        """Send a file; whoever loses access while it is sent gets no more of it."""
        await outlet.begin(HTTPStatus.OK, headers)
        async for block in blocks:
            if await self._lost(asked, stored):
                raise ClientGone
            try:
                async with asyncio.timeout(self._settings.send_idle_s):
                    await outlet.write(block)
            except TimeoutError:
                raise ClientGone from None
        await outlet.end()

    async def _lost(self, asked: Asked, stored: StoredObject) -> bool:
        """Return whether the caller may not have a file any more."""
        caller = await self._keeping.door.identify(asked.caller.key_text, asked.client_ip)
        if isinstance(caller, Refusal):
            return True
        decision = self._keeping.kept.may(
            stored, caller.principal, surface=files.SURFACE, client_ip=asked.client_ip, capabilities=frozenset()
        )
        return isinstance(decision, Refusal) or self._rows_refused(stored, asked) is not None

    def _rows_refused(self, stored: StoredObject, asked: Asked) -> Refusal | None:
        door, principal = self._keeping.door, asked.principal
        return refused_now(
            remembered(stored.detail), stored.model, lambda call: door.judge(call, principal), client_ip=asked.client_ip
        )
