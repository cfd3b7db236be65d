"""``/v1/files``: uploads that are looked at before the upstream is sent a byte, and files that only their owner can reach.

An upload waits on disk while it is decided on. A batch's rows go through the door one by one, and go up as they would be
forwarded one by one; a file for fine-tuning goes up as it came, once every row of it was looked at; other files go up as they
came, and what they may be used for is decided when they are used.

Which model an upload is for is said by the rows of a batch. Any other file names none, so it is for the one model that the
caller may have files for; where there are several, the caller says which in the header ``x-headgate-model`` or the query
parameter ``model``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from headgate.gateway import errors
from headgate.gateway.http.asgi import header
from headgate.gateway.http.contents import Contents
from headgate.gateway.http.keeping import garbage, not_admitted
from headgate.gateway.http.scratch import scratch
from headgate.gateway.model import Call, ObjectKind, Refusal
from headgate.gateway.wire.batches.kinds import refused_now, remembered, written
from headgate.gateway.wire.files import file as files
from headgate.gateway.wire.fine_tuning.job import CAPABILITY
from headgate.gateway.wire.fine_tuning.job import SURFACE as FINE_TUNING
from headgate.gateway.wire.headers import to_upstream
from headgate.gateway.wire.multipart import FormLimits, Splice
from headgate.gateway.wire.paths import turned_away
from headgate.gateway.wire.surface import NotAnAnswer
from headgate.kernel.errors import HeadgateError
from headgate.traffic.model import Screened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from headgate.gateway.http.asgi import Receive, Scope, Send
    from headgate.gateway.http.errand import Errands
    from headgate.gateway.http.keeping import Asked, Keeping
    from headgate.gateway.http.multipart import Form, Uploads
    from headgate.gateway.http.scratch import Scratch
    from headgate.gateway.model import Admitted, ModelPolicy, StoredObject
    from headgate.gateway.service.batches import Batches
    from headgate.gateway.service.kept import Heard
    from headgate.gateway.service.rows import Rows
    from headgate.gateway.service.underway import Underway
    from headgate.gateway.wire.multipart import Part
    from headgate.gateway.wire.surface import Body, Surface

_ROOT = "/v1/files"
_USUAL = 100
_FORM_BYTES = 2 * 1024 * 1024
"""What a form may hold besides its file."""
_MODEL_HEADER = b"x-headgate-model"


@dataclass(frozen=True, slots=True)
class _Upload:
    """An upload that may go up.

    Attributes:
        call: What it asks for.
        body: As it is to be sent.
        detail: What must be remembered about the file.
        unread: Whether nobody has looked at what it holds.
    """

    call: Call
    body: Body
    detail: dict[str, Any]
    unread: bool = False


class Files:
    """Answers everything below ``/v1/files``.

    Args:
        keeping: Whose things are, and the way to upstreams.
        uploads: Where forms are taken in.
        rows: Takes rows through the door.
        batches: Knows whether a batch's answers are on record.
        errands: Carries uploads out.
        surfaces: The ways in that batch rows may ask, by their ``url``.
    """

    def __init__(
        self,
        *,
        keeping: Keeping,
        uploads: Uploads,
        rows: Rows,
        batches: Batches,
        errands: Errands,
        surfaces: Mapping[str, Surface],
    ) -> None:
        self._keeping = keeping
        self._uploads = uploads
        self._rows = rows
        self._errands = errands
        self._contents = Contents(keeping=keeping, batches=batches, errands=errands, surfaces=surfaces)
        self._settings = keeping.settings

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
                return await self._upload(asked, receive)
            case "GET", [""]:
                return await self._keeping.page(asked, ObjectKind.FILE, files.SURFACE, self._show, usual=_USUAL)
            case "GET" | "DELETE" as method, [file_id] if file_id:
                return await self._one(asked, file_id, method)
            case "GET", [file_id, "content"] if file_id:
                return await self._contents.hand_out(asked, receive, file_id)
            case _:
                return turned_away(scope["path"], scope["method"])

    # Uploads.

    async def _upload(self, asked: Asked, receive: Receive) -> Refusal | None:
        open_models = self._keeping.open_models(asked.principal, files.SURFACE)
        if not open_models:  # before the body is read: whoever may have no files sends no megabytes
            return not_admitted(files.SURFACE)
        limits = FormLimits(total_bytes=self._settings.max_file_bytes + _FORM_BYTES, file_bytes=self._settings.max_file_bytes)
        async with (
            self._uploads.receive(
                asked.scope, receive, whose=asked.principal.account_id, limits=limits, within_s=self._settings.body_s
            ) as form,
            scratch(self._settings.uploads_dir) as rewritten,
        ):
            upload = await self._looked_at(asked, form, rewritten, open_models)
            if isinstance(upload, Refusal):
                return upload
            said = {key: value for key, value in upload.detail.items() if key != "kinds"}
            underway = await self._keeping.door.admit(asked.caller, files.Creation(upload.call), json.dumps(said).encode())
            if isinstance(underway, Refusal):
                return underway
            if upload.unread and underway.screened is Screened.PASSED:
                underway.screened = Screened.UNSCANNED
            return await self._errands.run(
                underway,
                receive,
                asked.send,
                lambda: self._send_up(asked, underway, upload),
                within_s=underway.admitted.policy.upstream.total_s,
            )

    async def _looked_at(self, asked: Asked, form: Form, rewritten: Scratch, open_models: list[ModelPolicy]) -> _Upload | Refusal:
        """Look at an upload, and return it as it may go up, or why it may not."""
        purpose, part = form.parts.text("purpose"), form.parts.file("file")
        if purpose not in files.PURPOSES:
            return Refusal(
                errors.PurposeUnknown(
                    "purpose must be one that is served.", rule="purpose", help=f"Served: {', '.join(sorted(files.PURPOSES))}."
                ),
                "purpose",
            )
        if part is None:
            return Refusal(errors.WrongType("file must be one file.", param="file"), "file")
        detail = {"purpose": purpose, "bytes": part.size, "sha256": part.sha256, "filename": part.filename}
        if purpose == files.BATCH:
            return await self._batch(asked, form, part, rewritten, detail)
        if purpose == files.FINE_TUNE:
            return await self._training(asked, form, part, open_models, detail)
        policy = _one_of(open_models, asked)
        if isinstance(policy, Refusal):
            return policy
        call = asked.call(files.SURFACE, policy.model, frozenset({"file_input"}))
        return _Upload(call, form.body(), detail, unread=True)

    async def _batch(self, asked: Asked, form: Form, part: Part, rewritten: Scratch, detail: dict[str, Any]) -> _Upload | Refusal:
        most_bytes = self._settings.max_batch_file_bytes
        if part.size > most_bytes:
            too_large = errors.TooLarge(f"The file is larger than {most_bytes:,} bytes.", rule="largest batch", help="Send two.")
            return Refusal(too_large, "file")
        scanned = await self._rows.batch(
            form.content(part),
            asked.principal,
            client_ip=asked.client_ip,
            sink=rewritten,
            delimiter=form.parts.delimiter,
        )
        if isinstance(scanned, Refusal):
            return scanned
        detail |= {
            "sha256": scanned.sha256,
            "bytes": scanned.size,
            "rows": scanned.rows,
            "kinds": written(scanned.kinds),
        }
        return _Upload(asked.call(files.SURFACE, scanned.model, frozenset()), _Replaced(form, part, rewritten), detail)

    async def _training(
        self, asked: Asked, form: Form, part: Part, open_models: list[ModelPolicy], detail: dict[str, Any]
    ) -> _Upload | Refusal:
        principal = asked.principal
        tunable = [
            policy
            for policy in self._keeping.open_models(principal, FINE_TUNING)
            if policy in open_models and CAPABILITY in policy.rules[principal.cohort].capabilities
        ]
        if not tunable:
            return not_admitted(FINE_TUNING)
        policy = _one_of(tunable, asked)
        if isinstance(policy, Refusal):
            return policy
        admitted = self._keeping.door.judge(asked.call(files.SURFACE, policy.model, frozenset({CAPABILITY})), principal)
        if isinstance(admitted, Refusal):
            return admitted
        scanned = await self._rows.training(form.content(part), admitted)
        if isinstance(scanned, Refusal):
            return scanned
        capabilities = scanned.capabilities | {CAPABILITY}
        detail |= {"rows": scanned.rows, "capabilities": sorted(capabilities)}
        return _Upload(asked.call(files.SURFACE, policy.model, capabilities), form.body(), detail)

    async def _send_up(self, asked: Asked, underway: Underway, upload: _Upload) -> Heard | Refusal:
        admitted = underway.admitted
        upstream = admitted.policy.upstream
        refusal = self._rows_refused(upload.detail, upload.call.model, asked)  # again: the rows took a while
        if refusal is not None:
            return refusal
        headers = to_upstream(
            asked.scope["headers"], request_id=underway.exchange_id, account=asked.principal.account_id, api_key=upstream.api_key
        )
        calls, kept = self._keeping.calls, self._keeping.kept
        heard = await calls.send(upstream, "POST", files.PATH, headers, upload.body)
        if not heard.well:
            return heard
        underway.leave()  # it is there now, so it must be bound
        try:
            file_id = files.kept_id(heard.body)
        except NotAnAnswer:
            raise garbage() from None
        try:
            await kept.bind(ObjectKind.FILE, file_id, admitted, upload.call.model, {**upload.detail, "server": heard.server})
        except HeadgateError:
            await self._take_back(upstream_file=file_id, underway=underway)
            raise
        return heard

    async def _take_back(self, *, upstream_file: str, underway: Underway) -> None:
        """Have a file deleted that nobody can be told of; if that fails too, nobody can reach it all the same."""
        try:
            await self._keeping.calls.ask(underway.admitted.policy.upstream, "DELETE", f"{files.PATH}/{upstream_file}")
        except HeadgateError:
            return

    def _rows_refused(self, detail: Mapping[str, Any], model: str, asked: Asked) -> Refusal | None:
        door, principal = self._keeping.door, asked.principal
        return refused_now(remembered(detail), model, lambda call: door.judge(call, principal), client_ip=asked.client_ip)

    # What is kept.

    async def _show(self, stored: StoredObject, admitted: Admitted) -> Heard:
        return await self._keeping.ask(stored, admitted, "GET", f"{files.PATH}/{stored.id}")

    async def _one(self, asked: Asked, file_id: str, method: str) -> Refusal | None:
        found = await self._keeping.find(asked, ObjectKind.FILE, file_id, files.SURFACE)
        if isinstance(found, Refusal):
            return found
        stored, admitted = found
        heard = await self._keeping.ask(stored, admitted, method, f"{files.PATH}/{file_id}")
        if method == "DELETE" and heard.well:
            await self._keeping.kept.forget(stored)
        await self._keeping.pass_on(asked.send, heard)
        return None


class _Replaced:
    """A form with the content of its file replaced."""

    def __init__(self, form: Form, part: Part, content: Scratch) -> None:
        filename = (part.filename or "rows.jsonl").replace('"', "%22")
        lines = [form.parts.delimiter, b'Content-Disposition: form-data; name="file"; filename="%b"' % filename.encode()]
        if part.content_type:
            lines.append(b"Content-Type: " + part.content_type.encode("latin-1"))
        self._head = b"\r\n".join((*lines, b"", b""))
        self._around = form.body([Splice(part.whole, self._head)])
        self._content = content
        self.length = self._around.length + content.length + 2

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield it in blocks."""
        async for block in self._around:
            yield block
            if block is self._head:
                async for row in self._content:
                    yield row
                yield b"\r\n"


def _one_of(models: list[ModelPolicy], asked: Asked) -> ModelPolicy | Refusal:
    """Return the model that a file is for which names none."""
    query = parse_qs(asked.scope["query_string"].decode("latin-1"))
    named = header(asked.scope, _MODEL_HEADER) or (query.get("model") or [""])[-1]
    if named:
        found = next((policy for policy in models if policy.model == named), None)
        if found is not None:
            return found
        missing = errors.ModelNotFound(
            f"The model {named[:100]!r} does not exist or does not admit this for you.", rule="model", help=_SAY_WHICH
        )
        return Refusal(missing, "model")
    if len({policy.release_id for policy in models}) == 1:
        return models[0]
    unclear = errors.ReleaseUnclear("Nothing says which model this file is for.", rule="one model to a file", help=_SAY_WHICH)
    return Refusal(unclear, "model")


_SAY_WHICH = "Name the model in the header x-headgate-model or the query parameter model."
