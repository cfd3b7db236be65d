"""``/v1/fine_tuning/jobs``, and the models that come of them.

A job learns from files that were looked at row by row when they were uploaded, and is for a model whose stage gives the right to
fine-tune. What comes of it, a model, its checkpoints, files of results, is bound to the job's owner before anybody is told of it.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from headgate.gateway import errors
from headgate.gateway.http.keeping import garbage
from headgate.gateway.model import Call, ObjectKind, Refusal
from headgate.gateway.wire.files import file as files
from headgate.gateway.wire.fine_tuning import job as jobs
from headgate.gateway.wire.paths import turned_away
from headgate.gateway.wire.surface import NotAnAnswer
from headgate.kernel.errors import HeadgateError

if TYPE_CHECKING:
    from headgate.gateway.http.asgi import Receive, Scope, Send
    from headgate.gateway.http.errand import Errands
    from headgate.gateway.http.keeping import Asked, Keeping
    from headgate.gateway.model import Admitted, StoredObject
    from headgate.gateway.service.kept import Heard
    from headgate.gateway.service.tuned import Tuned
    from headgate.gateway.service.underway import Underway
    from headgate.gateway.wire.fine_tuning.job import Wanted

_ROOT = "/v1/fine_tuning"
_USUAL = 20


class JobPaths:
    """Answers everything below ``/v1/fine_tuning``, and requests to delete a tuned model.

    Args:
        keeping: Whose things are, and the way to upstreams.
        tuned: Models that came of jobs.
        errands: Carries the creation of jobs out.
    """

    def __init__(self, *, keeping: Keeping, tuned: Tuned, errands: Errands) -> None:
        self._keeping = keeping
        self._tuned = tuned
        self._errands = errands

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> Refusal | None:
        """Answer a request; return why it is refused, if it is.

        Raises:
            HeadgateError: It is refused.
        """
        asked = await self._keeping.asked(scope, send)
        if isinstance(asked, Refusal):
            return asked
        match scope["method"], scope["path"].removeprefix(_ROOT).strip("/").split("/"):
            case "POST", ["jobs"]:
                return await self._create(asked, receive)
            case "GET", ["jobs"]:
                return await self._keeping.page(asked, ObjectKind.FINE_TUNING_JOB, jobs.SURFACE, self._show, usual=_USUAL)
            case "GET", ["jobs", job_id] if job_id:
                return await self._one(asked, job_id, "GET", "")
            case ("GET", ["jobs", job_id, "events" | "checkpoints" as what]) | (
                "POST",
                ["jobs", job_id, "cancel" | "pause" | "resume" as what],
            ) if job_id:
                return await self._one(asked, job_id, scope["method"], f"/{what}")
            case _:
                return turned_away(scope["path"], scope["method"])

    async def delete_model(self, scope: Scope, send: Send, name: str) -> Refusal | None:
        """Delete a tuned model of the caller's; return why that is refused, if it is.

        Raises:
            HeadgateError: It is refused.
        """
        asked = await self._keeping.asked(scope, send)
        if isinstance(asked, Refusal):
            return asked
        found = await self._keeping.find(asked, ObjectKind.TUNED_MODEL, name, jobs.SURFACE)
        if isinstance(found, Refusal):
            return found
        stored, admitted = found
        heard = await self._keeping.ask(stored, admitted, "DELETE", f"/models/{quote(name, safe='/:')}")
        if heard.well:
            await self._keeping.kept.forget(stored)
            self._tuned.forget(name)
        await self._keeping.pass_on(asked.send, heard)
        return None

    async def _create(self, asked: Asked, receive: Receive) -> Refusal | None:
        with self._keeping.intake.of(asked.principal.account_id) as taking:
            body = await taking.json(asked.scope, receive)
        wanted = jobs.read_wanted(body)
        await self._keeping.door.learn(wanted.model)
        learnt = [
            (field, await self._keeping.kept.find(ObjectKind.FILE, file_id, asked.principal))
            for field, file_id in wanted.files.items()
        ]
        call = _call(wanted, [file for _, file in learnt], asked)
        admitted = self._keeping.door.judge(call, asked.principal)
        if isinstance(admitted, Refusal):
            return admitted
        for field, file in learnt:
            if file.detail.get("purpose") != files.FINE_TUNE or file.release_id != admitted.policy.release_id:
                not_scanned = errors.NotScanned(
                    f"{field} was not uploaded for the fine-tuning of this model.",
                    rule="rows are looked at",
                    help="Upload it with the purpose fine-tune, and name the model in the header x-headgate-model.",
                )
                return Refusal(not_scanned, field)
        underway = await self._keeping.door.admit(asked.caller, files.Creation(call), body)
        if isinstance(underway, Refusal):
            return underway
        return await self._errands.run(
            underway,
            receive,
            asked.send,
            lambda: self._begin(asked, underway, wanted, learnt[0][1]),
            within_s=underway.admitted.policy.upstream.total_s,
        )

    async def _begin(self, asked: Asked, underway: Underway, wanted: Wanted, file: StoredObject) -> Heard:
        admitted = underway.admitted
        upstream = file.at(admitted.policy.upstream)
        heard = await self._keeping.calls.ask(upstream, "POST", jobs.PATH, wanted.forwarded(admitted.policy.upstream.model))
        if not heard.well:
            return heard
        underway.leave()  # it runs now, so it must be bound
        try:
            job = jobs.read_job(heard.body)
        except NotAnAnswer:
            raise garbage() from None
        detail = {"capabilities": sorted(underway.call.capabilities), "server": heard.server, "ip": asked.client_ip}
        base = self._tuned.base_of(wanted.model)
        try:
            stored = await self._keeping.kept.bind(ObjectKind.FINE_TUNING_JOB, job.id, admitted, base, detail)
        except HeadgateError:
            await self._call_off(underway, file, job.id)
            raise
        await self._seen(stored, heard)
        return heard

    async def _call_off(self, underway: Underway, file: StoredObject, job_id: str) -> None:
        """Have a job cancelled that nobody can be told of."""
        try:
            upstream = file.at(underway.admitted.policy.upstream)
            await self._keeping.calls.ask(upstream, "POST", f"{jobs.PATH}/{job_id}/cancel")
        except HeadgateError:
            return

    async def _show(self, stored: StoredObject, admitted: Admitted) -> Heard:
        heard = await self._keeping.ask(stored, admitted, "GET", f"{jobs.PATH}/{stored.id}")
        await self._seen(stored, heard)
        return heard

    async def _one(self, asked: Asked, job_id: str, method: str, what: str) -> Refusal | None:
        found = await self._keeping.find(asked, ObjectKind.FINE_TUNING_JOB, job_id, jobs.SURFACE)
        if isinstance(found, Refusal):
            return found
        stored, admitted = found
        query = asked.scope["query_string"].decode("latin-1") if method == "GET" and what else ""
        heard = await self._keeping.ask(stored, admitted, method, f"{jobs.PATH}/{job_id}{what}{'?' if query else ''}{query}")
        try:
            if what == "/checkpoints":
                await self._seen_checkpoints(stored, heard)
            elif what != "/events":
                await self._seen(stored, heard)
        except NotAnAnswer:
            raise garbage() from None
        await self._keeping.pass_on(asked.send, heard)
        return None

    async def _seen(self, stored: StoredObject, heard: Heard) -> None:
        """Bind what has come of a job to its owner.

        Raises:
            NotAnAnswer: What the upstream says is not this job.
            Unavailable: It cannot be bound, so nobody may be told.
        """
        if not heard.well:
            return
        job = jobs.read_job(heard.body)
        if job.id != stored.id:
            raise NotAnAnswer
        kept, server = self._keeping.kept, stored.detail.get("server")
        for file_id in job.files:
            await kept.inherit(stored, ObjectKind.FILE, file_id, {"purpose": files.RESULTS, "job": job.id, "server": server})
        if job.tuned_model is not None:
            await self._bind_model(stored, job.tuned_model)

    async def _seen_checkpoints(self, stored: StoredObject, heard: Heard) -> None:
        if heard.status == HTTPStatus.OK:
            for name in jobs.read_checkpoints(heard.body):
                await self._bind_model(stored, name)

    async def _bind_model(self, stored: StoredObject, name: str) -> None:
        detail = {"job": stored.id, "server": stored.detail.get("server")}
        await self._keeping.kept.inherit(stored, ObjectKind.TUNED_MODEL, name, detail)
        self._tuned.forget(name)  # it may have been looked up in vain before


def _call(wanted: Wanted, learnt: list[StoredObject], asked: Asked) -> Call:
    capabilities = wanted.capabilities.union(*(file.detail.get("capabilities", ()) for file in learnt))
    return asked.call(jobs.SURFACE, wanted.model, capabilities)
