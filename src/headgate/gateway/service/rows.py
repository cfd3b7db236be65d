"""Rows of an uploaded file, each taken through the door before the upstream is sent a byte of any.

A batch is requests that are made later. So each row is compiled by what compiles the same request when it is made now, passes
the same decision and the same screen, and goes up as it would be forwarded. A file for fine-tuning is what a model learns, so
each row is looked at, and a row that nobody can look at teaches nobody. One row that may not go refuses the whole file, and the
refusal names it: what was uploaded is all sent or none of it.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from headgate.gateway import errors
from headgate.gateway.model import ILLEGIBLE, Refusal
from headgate.gateway.wire.batches.kinds import Kinds
from headgate.gateway.wire.batches.row import read_row
from headgate.gateway.wire.fine_tuning.row import read_training_row
from headgate.gateway.wire.jsonl import Lines, at_line
from headgate.gateway.wire.surface import referring
from headgate.kernel.errors import HeadgateError
from headgate.traffic.model import Screened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from headgate.gateway.model import Admitted, Call, Principal, Settings
    from headgate.gateway.service.door import Door
    from headgate.gateway.service.ownership import Ownership
    from headgate.gateway.wire.batches.kinds import Kind
    from headgate.gateway.wire.batches.row import Row
    from headgate.gateway.wire.surface import Request, Surface

_PARAM = "file"
_ID_BYTES = 16


class Sink(Protocol):
    """Where rows go that may be sent up."""

    async def write(self, data: bytes) -> None:
        """Take in more."""
        ...


@dataclass(frozen=True, slots=True)
class ScannedBatch:
    """A batch file of which every row may go.

    Attributes:
        model: The served name that all rows name.
        kinds: What the rows ask for.
        rows: How many there are.
        sha256: The digest of what is sent up, in hexadecimal.
        size: Its length in bytes.
    """

    model: str
    kinds: tuple[Kind, ...]
    rows: int
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class ScannedTraining:
    """A file for fine-tuning of which every row was looked at.

    Attributes:
        capabilities: Rights that its rows make use of.
        rows: How many there are.
    """

    capabilities: frozenset[str]
    rows: int


@dataclass(frozen=True, slots=True)
class LookedAt:
    """A row that may go.

    Attributes:
        call: What it asks for, of the model by its served name.
        admitted: What it is admitted under.
        screened: What the input screen said of it.
    """

    call: Call
    admitted: Admitted
    screened: Screened


class Rows:
    """Takes rows through the door.

    Args:
        door: Decides, and looks.
        ownership: Whose the things are that rows name.
        surfaces: The ways in that batch rows may ask, by their ``url``.
        settings: How large rows may be, and how many.
    """

    def __init__(self, *, door: Door, ownership: Ownership, surfaces: Mapping[str, Surface], settings: Settings) -> None:
        self._door = door
        self._ownership = ownership
        self._surfaces = surfaces
        self._settings = settings

    async def batch(
        self,
        blocks: AsyncIterator[bytes],
        principal: Principal,
        *,
        client_ip: str | None,
        sink: Sink,
        delimiter: bytes,
    ) -> ScannedBatch | Refusal:
        """Take every row of a batch file through the door.

        Args:
            blocks: The file.
            principal: Who uploads it.
            client_ip: Where it comes from.
            sink: Takes the rows as they are sent up.
            delimiter: What must stand in no row, because it ends the part of the form that they are sent up in.

        Returns:
            What the file holds; or the first reason why one of its rows may not go.
        """
        kinds = Kinds()
        digest = hashlib.sha256()
        model = ""
        size = rows = 0
        seen: set[bytes] = set()
        try:
            async for number, line in self._lines(blocks):
                rows += 1
                self._must_not_exceed(rows)
                row = read_row(
                    line,
                    number,
                    surfaces=self._surfaces,
                    client_ip=client_ip,
                    end_user_key=self._settings.end_user_key,
                )
                _must_go_with(row, model, seen)
                model = row.request.call.model
                looked = await self.look_at(row, principal)
                if isinstance(looked, Refusal):
                    return Refusal(at_line(number, looked.error, custom_id=row.custom_id), _PARAM)
                data = row.forwarded(looked.admitted)
                _must_not_hold(data, delimiter, number)
                kinds.add(looked.call, looked.admitted)
                digest.update(data)
                digest.update(b"\n")
                size += len(data) + 1
                await sink.write(data + b"\n")
        except HeadgateError as error:
            return Refusal(error, _PARAM)
        if not rows:
            return Refusal(_no_row(), _PARAM)
        return ScannedBatch(model, kinds.all(), rows, digest.hexdigest(), size)

    async def look_at(self, row: Row, principal: Principal, *, model: str | None = None) -> LookedAt | Refusal:
        """Take one row through the door.

        Args:
            row: The row.
            principal: Whose it is.
            model: The served name, where the row calls the model what its upstream does.

        Returns:
            What it is admitted under; or why it is not.

        Raises:
            Unavailable: What it names cannot be looked up.
        """
        request: Request = row.request
        naming = referring(request)
        if naming is not None:
            owned = await self._ownership.own(principal, naming.references, client_ip=request.call.client_ip)
            if isinstance(owned, Refusal):
                return owned
            request = naming.continuing(owned)
        call = request.call if model is None else replace(request.call, model=model)
        await self._door.learn(call.model)
        decision = self._door.judge(call, principal)
        if isinstance(decision, Refusal):
            return decision
        if not decision.rule.input_screen:
            return LookedAt(call, decision, Screened.NOT_ASKED)
        screened = await self._door.screening.prompt(decision, request.texts(), legible=call.legible)
        return screened if isinstance(screened, Refusal) else LookedAt(call, decision, screened)

    async def training(self, blocks: AsyncIterator[bytes], admitted: Admitted) -> ScannedTraining | Refusal:
        """Look at every row of a file for fine-tuning.

        Args:
            blocks: The file.
            admitted: What the upload is admitted under.

        Returns:
            What the file holds; or the first reason why one of its rows may not be learnt from.
        """
        capabilities: set[str] = set()
        rows = 0
        try:
            async for number, line in self._lines(blocks):
                rows += 1
                row = read_training_row(line, number)
                capabilities |= row.capabilities
                screened = await self._door.screening.prompt(admitted, row.texts, legible=ILLEGIBLE.isdisjoint(row.capabilities))
                if isinstance(screened, Refusal):
                    return Refusal(at_line(number, screened.error), _PARAM)
                if screened is not Screened.PASSED:
                    return Refusal(
                        errors.ScreenUnavailable(
                            "No screen can look at the file now, and what nobody looked at is not learnt from.",
                            rule="fine-tuning files are looked at",
                        )
                    )
        except HeadgateError as error:
            return Refusal(error, _PARAM)
        return ScannedTraining(frozenset(capabilities), rows) if rows else Refusal(_no_row(), _PARAM)

    def _must_not_exceed(self, rows: int) -> None:
        if rows > self._settings.max_batch_rows:
            raise errors.RowMalformed(
                f"The file has more than {self._settings.max_batch_rows:,} rows.",
                rule="most rows of a batch",
                help="Send several files.",
            )

    async def _lines(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, bytes]]:
        lines = Lines(most_bytes=self._settings.max_body_bytes)
        async for block in blocks:
            for numbered in lines.feed(block):
                yield numbered
                await asyncio.sleep(0)  # a file of many rows leaves the others their turns
        for numbered in lines.finish():
            yield numbered


def _must_go_with(row: Row, model: str, seen: set[bytes]) -> None:
    """Refuse a row that does not go with the rows before it, and remember it.

    Raises:
        ModelsMixed: It names another model.
        RowMalformed: It is called what another row is called.
    """
    if model and row.request.call.model != model:
        raise errors.ModelsMixed(
            f"Line {row.number} names another model than the lines before it.",
            rule="one model to a batch file",
            help="Send one file for each model.",
        )
    mark = hashlib.blake2b(row.custom_id.encode(), digest_size=_ID_BYTES).digest()
    if mark in seen:
        raise errors.RowMalformed(
            f"Line {row.number}: custom_id {row.custom_id[:100]!r} stands on an earlier line too.",
            rule="batch row",
            help="Give each row a custom_id of its own.",
        )
    seen.add(mark)


def _must_not_hold(data: bytes, delimiter: bytes, number: int) -> None:
    if delimiter in data:
        raise errors.RowMalformed(
            f"Line {number}: the form's boundary stands in it.",
            rule="request body",
            help="Choose a boundary that is not in the content.",
        )


def _no_row() -> HeadgateError:
    return errors.RowMalformed("The file has no row.", rule="rows", help="Send one JSON object to a line.")
