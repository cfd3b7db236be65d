"""An admitted exchange carried out: forwarded, relayed, stopped when it must be, and settled however it ends.

Frames of a stream go out whole and unchanged, as they arrive. The answer's head is held until there is something to send, so a
model server that fails at once still gets a status of its own. From the moment the upstream is called, the task may be woken by
cancellation: the exchange says why.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog

from headgate.gateway.errors import Faulty, Stopping, UpstreamFailed, UpstreamGarbage, UpstreamTimeout
from headgate.gateway.http.asgi import answer as send_answer
from headgate.gateway.model import Refusal, Unit
from headgate.gateway.service.door import Ending
from headgate.gateway.service.underway import Stop
from headgate.gateway.upstream import NotReached
from headgate.gateway.wire.answers import NotAnAnswer, Usage, look
from headgate.gateway.wire.headers import to_client, to_upstream
from headgate.gateway.wire.refusals import body_of, frame_of, headers_of, status_of
from headgate.gateway.wire.sse import Frames, FrameTooLong
from headgate.kernel.errors import HeadgateError
from headgate.traffic.model import OutcomeStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.gateway.http.asgi import Headers, Receive, Scope, Send
    from headgate.gateway.model import Settings
    from headgate.gateway.service.door import Door
    from headgate.gateway.service.instants import ForwardClock
    from headgate.gateway.service.quota import Standing
    from headgate.gateway.service.underway import Underway
    from headgate.gateway.upstream import Answer, Upstreams
    from headgate.gateway.wire.chat import ChatRequest
    from headgate.gateway.wire.sse import Frame

_LOG = structlog.get_logger("headgate.gateway")
_LAST_WORD_S = 5.0
"""How long a client that is being cut off may take to read why."""
_DRAIN_S = 0.05
"""How long the end of an upstream's answer is waited for after its last frame, so that the connection can be used again."""
_DONE = b"[DONE]"


class Relay:
    """Carries one exchange out.

    Args:
        door: Where it is settled.
        upstreams: Where it goes.
        underway: The exchange.
        request: What was asked for.
        scope: The client's request.
        send: Where the answer goes.
        settings: The worker's settings.
        clock: For deadlines.
    """

    def __init__(
        self,
        *,
        door: Door,
        upstreams: Upstreams,
        underway: Underway,
        request: ChatRequest,
        scope: Scope,
        send: Send,
        settings: Settings,
        clock: ForwardClock,
    ) -> None:
        self._door = door
        self._upstreams = upstreams
        self._underway = underway
        self._upstream = underway.admitted.policy.upstream
        self._request = request
        self._scope = scope
        self._send = send
        self._settings = settings
        self._clock = clock
        self._started = False
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._truncated = False
        self._usage: Usage | None = None
        self._head: tuple[int, Headers] | None = None
        self._whole_stream = False
        self._error_seen = False

    async def run(self, receive: Receive, path: str) -> None:
        """Carry it out; when this returns, it is settled."""
        task = asyncio.current_task()
        assert task is not None
        watch = asyncio.create_task(self._watch(receive))
        ending = Ending(OutcomeStatus.UPSTREAM_FAILED, None, detail="a fault of the gateway's own")
        try:
            self._underway.until(
                self._clock.monotonic() + self._upstream.connect_s + self._upstream.first_byte_s, Stop.UPSTREAM_SILENT
            )
            self._underway.wake(task)
            ending = await self._forward(path)
        except HeadgateError as error:
            self._underway.leave()
            ending = await self._failed(error)
        except asyncio.CancelledError:
            if self._underway.stop is None:
                ending = self._ending(OutcomeStatus.CLIENT_GONE, "the worker was stopped")
                raise
            task.uncancel()
            self._underway.leave()
            ending = await self._stopped(self._underway.stop)
        except Exception:  # noqa: BLE001 - a fault of ours must be settled and answered for like any other end
            _LOG.exception("exchange.fault", exchange=self._underway.exchange_id)
            self._underway.leave()
            ending = await self._failed(Faulty("Headgate has a fault of its own.", help="Report the request id."))
        finally:
            self._underway.leave()
            watch.cancel()
            await self._door.settle(self._underway, ending)

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._underway.end(Stop.CLIENT_GONE)

    async def _forward(self, path: str) -> Ending:
        admitted = self._underway.admitted
        headers = to_upstream(self._scope["headers"], request_id=self._underway.exchange_id, api_key=self._upstream.api_key)
        async with self._upstreams.post(self._upstream, path, headers, self._request.forwarded(admitted)) as answer:
            self._silent_until()
            if not (self._underway.call.stream and answer.status == HTTPStatus.OK):
                return await self._whole(answer)
            if not answer.header("content-type").lower().startswith("text/event-stream"):
                raise _garbage("A stream was asked for and something else came.")
            return await self._stream(answer)

    # A whole answer.

    async def _whole(self, answer: Answer) -> Ending:
        body = await self._read_all(answer)
        status = answer.status
        if 300 <= status < 400:  # noqa: PLR2004 - redirects: where an answer comes from is the plan's matter
            raise _garbage("The model server redirects, which is not followed.")
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED):
            # Passed on, it would tell the client that the client's own key is bad.
            raise UpstreamFailed(
                "The model server refuses Headgate's own credential.", rule="upstream", help="Tell its operator."
            )
        if status < 300:  # noqa: PLR2004 - success
            try:
                self._usage = look(body).usage
            except NotAnAnswer:
                raise _garbage("The model server's answer is not JSON.") from None
        self._keep(body)
        self._underway.leave()
        await send_answer(self._send, status, self._response_headers(answer), body)
        self._started = True
        if status < 300:  # noqa: PLR2004 - success
            return self._ending(OutcomeStatus.COMPLETED, http_status=status)
        if status < 500:  # noqa: PLR2004 - the upstream would not run it
            return self._ending(OutcomeStatus.UPSTREAM_REFUSED, http_status=status, spent_nothing=True)
        return self._ending(OutcomeStatus.UPSTREAM_FAILED, f"the upstream answered {status}", http_status=status)

    async def _read_all(self, answer: Answer) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while (chunk := await answer.read()) is not None:
            self._silent_until()
            chunks.append(chunk)
            size += len(chunk)
            if size > self._settings.max_answer_bytes:
                raise _garbage("The model server's answer is larger than any answer may be.")
        return b"".join(chunks)

    # A stream.

    async def _stream(self, answer: Answer) -> Ending:
        frames = Frames()
        self._head = (answer.status, self._response_headers(answer))
        while (chunk := await answer.read()) is not None:
            out: list[bytes] = []
            try:
                for frame in frames.feed(chunk):
                    if self._observe(frame):
                        out.append(frame.raw)
                    if self._whole_stream:
                        break
            except (NotAnAnswer, FrameTooLong):
                await self._pass_on(out)
                raise _garbage("The model server's stream is not one.") from None
            await self._pass_on(out)
            if self._whole_stream:
                self._underway.leave()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LAST_WORD_S):
                        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
                await _drain(answer)
                return self._streamed()
            self._silent_until()
        raise UpstreamFailed("The model server closed the stream before its end.", rule="upstream", help="Try again.")

    def _observe(self, frame: Frame) -> bool:
        """Learn from a frame; return whether it goes to the client.

        Raises:
            NotAnAnswer: It carries something that is not a chunk.
        """
        if frame.data == _DONE:
            self._whole_stream = True
        elif frame.data is not None:
            seen = look(frame.data)
            self._usage = seen.usage or self._usage
            self._error_seen = self._error_seen or seen.error
            self._underway.relayed_frames += 1
            return self._request.wants_usage or not seen.only_usage
        return True

    def _streamed(self) -> Ending:
        if self._error_seen:
            return self._ending(OutcomeStatus.UPSTREAM_FAILED, "the stream reported an error", http_status=self._status_sent())
        return self._ending(OutcomeStatus.COMPLETED, http_status=self._status_sent())

    async def _pass_on(self, out: Iterable[bytes]) -> None:
        body = b"".join(out)
        if not body:
            return
        self._underway.until(self._clock.monotonic() + self._settings.send_idle_s, Stop.CLIENT_STALLED)
        if not self._started:
            assert self._head is not None
            status, headers = self._head
            self._started = True
            await self._send({"type": "http.response.start", "status": status, "headers": headers})
        self._keep(body)
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    # Ends that are not the upstream's own.

    async def _failed(self, error: HeadgateError) -> Ending:
        status = await self._last_word(Refusal(error), None)
        return self._ending(
            OutcomeStatus.UPSTREAM_FAILED, error.code, http_status=status, spent_nothing=isinstance(error, NotReached)
        )

    async def _stopped(self, stop: Stop) -> Ending:
        match stop:
            case Stop.REVOKED:
                assert self._underway.revoked is not None
                refusal = self._underway.revoked
                status = await self._last_word(refusal, "access_revoked")
                return self._ending(OutcomeStatus.CUT, refusal.error.code, http_status=status)
            case Stop.CLIENT_GONE if self._whole_stream:
                return self._streamed()  # it left between the last frame and the end of the connection
            case Stop.CLIENT_GONE:
                return self._ending(OutcomeStatus.CLIENT_GONE, http_status=self._status_sent())
            case Stop.CLIENT_STALLED:
                return self._ending(OutcomeStatus.CLIENT_GONE, "the client stopped reading", http_status=self._status_sent())
            case Stop.UPSTREAM_SILENT:
                error = UpstreamTimeout(
                    "The model server was silent for too long.", rule="upstream", help="Try again, or ask for a shorter answer."
                )
                status = await self._last_word(Refusal(error), None)
                return self._ending(OutcomeStatus.UPSTREAM_FAILED, error.code, http_status=status)
            case Stop.SHUT_DOWN:
                error = Stopping("This worker is being stopped.", help="Try again.")
                status = await self._last_word(Refusal(error), None)
                return self._ending(OutcomeStatus.CUT, error.code, http_status=status)

    async def _last_word(self, refusal: Refusal, type_: str | None) -> int:
        """Tell the client why there is no more: as the end of its stream, or as the answer when none has begun."""
        status = self._status_sent() or status_of(refusal.error)
        try:
            async with asyncio.timeout(_LAST_WORD_S):
                if self._started:
                    frame = frame_of(refusal, self._settings, type_=type_)
                    self._keep(frame)
                    await self._send({"type": "http.response.body", "body": frame, "more_body": True})
                    await self._send({"type": "http.response.body", "body": b"", "more_body": False})
                else:
                    headers = [*headers_of(refusal), (b"x-request-id", self._underway.exchange_id.encode())]
                    await send_answer(self._send, status, headers, body_of(refusal, self._settings, type_=type_))
        except TimeoutError:
            _LOG.info("client.would_not_read", exchange=self._underway.exchange_id)
        return status

    def _ending(
        self, status: OutcomeStatus, detail: str | None = None, *, http_status: int | None = None, spent_nothing: bool = False
    ) -> Ending:
        truncated = "; the record of the answer is cut short" if self._truncated else ""
        return Ending(
            status,
            http_status,
            prompt_tokens=None if self._usage is None else self._usage.prompt_tokens,
            completion_tokens=None if self._usage is None else self._usage.completion_tokens,
            spent_nothing=spent_nothing,
            answer=b"".join(self._kept),
            detail=f"{detail or ''}{truncated}".removeprefix("; ") or None,
        )

    def _status_sent(self) -> int | None:
        return self._head[0] if self._started and self._head is not None else None

    def _keep(self, body: bytes) -> None:
        room = self._settings.max_recorded_bytes - self._kept_bytes
        if len(body) > room:
            self._truncated = True
            body = body[: max(0, room)]
        if body:
            self._kept.append(body)
            self._kept_bytes += len(body)

    def _silent_until(self) -> None:
        end_s = self._underway.started_s + self._upstream.total_s
        self._underway.until(min(end_s, self._clock.monotonic() + self._upstream.idle_s), Stop.UPSTREAM_SILENT)

    def _response_headers(self, answer: Answer) -> Headers:
        headers = to_client(answer.headers, request_id=self._underway.exchange_id)
        headers += _limits(self._door.standing(self._underway))
        admitted = self._underway.admitted
        if admitted.stripped:
            headers.append((b"x-headgate-stripped", ",".join(admitted.stripped).encode()))
        if admitted.output_cap is not None:
            headers.append((b"x-headgate-max-output-tokens", str(admitted.output_cap).encode()))
        return headers


async def _drain(answer: Answer) -> None:
    with suppress(TimeoutError, HeadgateError):  # the answer was complete; only the connection is lost
        async with asyncio.timeout(_DRAIN_S):
            await answer.read()


def _limits(standings: Iterable[Standing]) -> Headers:
    tightest: dict[str, Standing] = {}
    for standing in standings:
        if standing.unit in (Unit.REQUESTS, Unit.TOKENS):
            name = standing.unit.value
            if name not in tightest or standing.remaining < tightest[name].remaining:
                tightest[name] = standing
    return [
        pair
        for name, standing in tightest.items()
        for pair in (
            (f"x-ratelimit-limit-{name}".encode(), str(standing.limit).encode()),
            (f"x-ratelimit-remaining-{name}".encode(), str(standing.remaining).encode()),
            (f"x-ratelimit-reset-{name}".encode(), _duration(standing.reset_s)),
        )
    ]


def _duration(seconds: float) -> bytes:
    """Return a span as the OpenAI headers write it: ``6m0s``, ``1s``, ``12ms``."""
    if seconds < 1:
        return f"{int(seconds * 1000)}ms".encode()
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    text = f"{rest}s"
    if whole >= 60:  # noqa: PLR2004 - seconds in a minute
        text = f"{minutes}m{text}"
    return (f"{hours}h{text}" if hours else text).encode()


def _garbage(message: str) -> UpstreamGarbage:
    return UpstreamGarbage(message, rule="upstream", help="Tell its operator.")
