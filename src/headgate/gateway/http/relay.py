"""An admitted exchange carried out: forwarded, relayed, stopped when it must be, and settled however it ends.

Frames of a stream go out whole and unchanged, as they arrive, or when the output screen has seen them. The answer's head is
held until there is something to send, so a model server that fails at once still gets a status of its own. From the moment the
upstream is called, the task may be woken by cancellation: the exchange says why.
"""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog

from headgate.gateway.errors import Faulty, Stopping, UpstreamFailed, UpstreamGarbage, UpstreamTimeout
from headgate.gateway.http.calls import OUR_CREDENTIAL
from headgate.gateway.http.outlet import Outlet
from headgate.gateway.http.streaming import Streaming, Withheld
from headgate.gateway.http.unread import Unread, can_be_passed_on
from headgate.gateway.model import OutputScreen, Refusal
from headgate.gateway.service.door import Ending
from headgate.gateway.service.underway import Stop
from headgate.gateway.upstream import NotReached
from headgate.gateway.wire.headers import to_client, to_upstream
from headgate.gateway.wire.openai import header_value
from headgate.gateway.wire.paths import onward_query
from headgate.gateway.wire.surface import NotAnAnswer, texts_of
from headgate.gateway.wire.unpacking import unpacked
from headgate.kernel.errors import HeadgateError
from headgate.traffic.model import OutcomeStatus, Screened

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.gateway.http.asgi import Headers, Receive, Scope, Send
    from headgate.gateway.model import Settings, Upstream
    from headgate.gateway.service.door import Door
    from headgate.gateway.service.instants import ForwardClock
    from headgate.gateway.service.underway import Underway
    from headgate.gateway.upstream import Answer, Upstreams
    from headgate.gateway.wire.surface import Body, Carried, FormSurface, Surface

_LOG = structlog.get_logger("headgate.gateway")
_WATCH_AFTER_S = 0.1
"""How long an exchange lasts before anybody looks whether its client has left."""
_LOOKED_AT = frozenset({OutputScreen.HOLD_BACK, OutputScreen.TRAIL})


class Relay:
    """Carries one exchange out.

    Args:
        door: Where it is settled.
        upstreams: Where it goes.
        underway: The exchange.
        surface: The way in that it came by.
        request: What was asked for.
        scope: The client's request.
        send: Where the answer goes.
        settings: The worker's settings.
        clock: For deadlines.
        upstream: The servers to ask, where they are not all of the model's.
        errand: The method and the path, where they are not the surface's.
    """

    def __init__(
        self,
        *,
        door: Door,
        upstreams: Upstreams,
        underway: Underway,
        surface: Surface | FormSurface,
        request: Carried,
        scope: Scope,
        send: Send,
        settings: Settings,
        clock: ForwardClock,
        upstream: Upstream | None = None,
        errand: tuple[str, str] | None = None,
    ) -> None:
        admitted = underway.admitted
        self._door = door
        self._upstreams = upstreams
        self._underway = underway
        self._upstream = upstream or admitted.policy.upstream
        self._method, self._path = errand or ("POST", surface.path + onward_query(scope["query_string"]))
        self._surface = surface
        self._request: Carried | None = request
        self._scope = scope
        self._settings = settings
        self._clock = clock
        self._screened = admitted.rule.output_screen in _LOOKED_AT
        self._reading = request.reading(texts=self._screened)
        held_back = request.call.stream and admitted.rule.output_screen is OutputScreen.HOLD_BACK
        self._shown = request.reading(texts=True) if held_back else self._reading
        if self._screened and not request.call.scannable:
            underway.output_screened = Screened.UNSCANNED
        self._outlet = Outlet(send, most_kept_bytes=settings.max_recorded_bytes)
        self._stream: Streaming | None = None
        self._unread: Unread | None = None
        self._watching: asyncio.Task[None] | None = None

    async def run(self, receive: Receive) -> Ending:
        """Carry it out; when this returns how it ended, it is settled."""
        task = asyncio.current_task()
        assert task is not None
        watch = task.get_loop().call_later(_WATCH_AFTER_S, self._watch_from_now, receive)
        ending = Ending(OutcomeStatus.UPSTREAM_FAILED, None, detail="a fault of the gateway's own")
        try:
            self._underway.until(
                self._clock.monotonic() + self._upstream.connect_s + self._upstream.first_byte_s, Stop.UPSTREAM_SILENT
            )
            self._underway.wake(task)
            ending = await self._forward()
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
            if self._watching is not None:
                self._watching.cancel()
            await self._door.settle(self._underway, ending)
        return ending

    def _watch_from_now(self, receive: Receive) -> None:
        self._watching = asyncio.create_task(self._watch(receive))

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._underway.end(Stop.CLIENT_GONE)

    async def _forward(self) -> Ending:
        admitted = self._underway.admitted
        headers = to_upstream(
            self._scope["headers"],
            request_id=self._underway.exchange_id,
            account=admitted.principal.account_id,
            api_key=self._upstream.api_key,
            api=self._surface.api,
        )
        headers = self._door.onward(self._underway, self._scope["headers"], headers)
        async with self._upstreams.send(self._upstream, self._method, self._path, headers, self._onward()) as answer:
            if self._upstream.replicas:
                self._underway.server = answer.server
            keep_waiting = partial(_keep_waiting, answer, self._underway, self._upstream, self._clock)
            keep_waiting()
            if not (self._underway.call.stream and answer.status == HTTPStatus.OK and _is_stream(answer)):
                if self._surface.unread and answer.status == HTTPStatus.OK and can_be_passed_on(answer):
                    return await self._passed_on(answer, keep_waiting)
                return await self._whole(answer)
            self._stream = Streaming(
                door=self._door,
                underway=self._underway,
                reading=self._reading,
                shown=self._shown,
                outlet=self._outlet,
                settings=self._settings,
                clock=self._clock,
                keep_waiting=keep_waiting,
            )
            await self._stream.carry(answer, self._response_headers(answer))
            return self._streamed()

    def _onward(self) -> bytes | Body | None:
        """Return the body for the upstream, and let the request go: an answer may last long, and a prompt may be large."""
        request, self._request = self._request, None
        assert request is not None, "an exchange is forwarded once"
        return request.forwarded(self._underway.admitted) or None

    async def _passed_on(self, answer: Answer, keep_waiting: Callable[[], None]) -> Ending:
        """Pass on an answer that nobody reads, as it comes."""
        self._unread = Unread(
            underway=self._underway,
            outlet=self._outlet,
            settings=self._settings,
            clock=self._clock,
            keep_waiting=keep_waiting,
        )
        await self._unread.carry(answer, self._response_headers(answer))
        return self._ending(OutcomeStatus.COMPLETED)

    # A whole answer.

    async def _whole(self, answer: Answer) -> Ending:
        body = await self._read_all(answer)
        status = answer.status
        headers = self._response_headers(answer)
        if 300 <= status < 400:  # noqa: PLR2004 - redirects: where an answer comes from is the plan's matter
            raise garbage("The model server redirects, which is not followed.")
        if status in OUR_CREDENTIAL:
            # Passed on, it would tell the client that the client's own key is bad.
            raise UpstreamFailed(
                "The model server refuses Headgate's own credential.", rule="upstream", help="Tell its operator."
            )
        if status < 300:  # noqa: PLR2004 - success
            body, headers = await self._looked_at(body, headers, answer.header("content-encoding"))
        else:
            self._outlet.keep(body)
        self._underway.leave()
        self._underway.answered(self._clock.monotonic())
        await self._outlet.whole(status, headers, body)
        if status < 300:  # noqa: PLR2004 - success
            blocked = self._underway.output_screened is Screened.BLOCKED
            return self._ending(OutcomeStatus.CUT if blocked else OutcomeStatus.COMPLETED, "withheld" if blocked else None)
        if status < 500:  # noqa: PLR2004 - the upstream would not run it
            return self._ending(OutcomeStatus.UPSTREAM_REFUSED, spent_nothing=True)
        return self._ending(OutcomeStatus.UPSTREAM_FAILED, f"the upstream answered {status}")

    async def _looked_at(self, body: bytes, headers: Headers, encoding: str) -> tuple[bytes, Headers]:
        """Return the answer as it may be shown: as it came, or withheld."""
        try:
            plain = unpacked(body, encoding, most_bytes=self._settings.max_answer_bytes) if encoding else body
            pieces = self._reading.whole(plain)
        except NotAnAnswer:
            raise garbage("The model server's answer is not what this surface answers with.") from None
        for created in self._reading.created():
            await self._door.bind(self._underway, created)
        self._outlet.keep(plain)
        if not self._screened:
            return body, headers
        verdict = await self._door.screening.answer(self._underway.admitted, texts_of(pieces)) if pieces else Screened.PASSED
        if isinstance(verdict, Screened):
            if self._underway.output_screened is not Screened.UNSCANNED:
                self._underway.output_screened = verdict
            return body, headers
        self._underway.output_screened = Screened.BLOCKED
        kept = [pair for pair in headers if pair[0] != b"content-encoding"]
        kept.append((b"x-headgate-withheld", header_value(verdict.error.code)))
        return self._reading.withheld_whole(plain, verdict, self._settings), kept

    async def _read_all(self, answer: Answer) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while (chunk := await answer.read()) is not None:
            chunks.append(chunk)
            size += len(chunk)
            if size > self._settings.max_answer_bytes:
                raise garbage("The model server's answer is larger than any answer may be.")
        return b"".join(chunks)

    def _streamed(self) -> Ending:
        if self._reading.failed:
            return self._ending(OutcomeStatus.UPSTREAM_FAILED, "the stream reported an error")
        return self._ending(OutcomeStatus.COMPLETED)

    # Ends that are not the upstream's own.

    async def _failed(self, error: HeadgateError) -> Ending:
        if isinstance(error, Withheld):
            return await self._withheld(error)
        await self._last_word(Refusal(error), None)
        return self._ending(OutcomeStatus.UPSTREAM_FAILED, error.code, spent_nothing=isinstance(error, NotReached))

    async def _withheld(self, withheld: Withheld) -> Ending:
        """End a stream that the output screen has stopped."""
        self._underway.output_screened = Screened.BLOCKED
        refusal = withheld.refusal
        if self._outlet.status is None:
            await self._outlet.begin(HTTPStatus.OK, self._withheld_headers(withheld))
        if not await self._outlet.last_words(withheld.shown.withheld(refusal, self._settings)):
            _LOG.info("client.would_not_read", exchange=self._underway.exchange_id)
        return self._ending(OutcomeStatus.CUT, refusal.error.code)

    def _withheld_headers(self, withheld: Withheld) -> Headers:
        return [*withheld.headers, (b"x-headgate-withheld", header_value(withheld.refusal.error.code))]

    async def _stopped(self, stop: Stop) -> Ending:
        match stop:
            case Stop.REVOKED:
                assert self._underway.revoked is not None
                refusal = self._underway.revoked
                await self._last_word(refusal, "access_revoked")
                return self._ending(OutcomeStatus.CUT, refusal.error.code)
            case Stop.CLIENT_GONE if self._reading.ended and self._outlet.status is not None:
                return self._streamed()  # it left between the last frame and the end of the connection
            case Stop.CLIENT_GONE:
                return self._ending(OutcomeStatus.CLIENT_GONE)
            case Stop.CLIENT_STALLED:
                return self._ending(OutcomeStatus.CLIENT_GONE, "the client stopped reading")
            case Stop.UPSTREAM_SILENT:
                error = UpstreamTimeout(
                    "The model server was silent for too long.", rule="upstream", help="Try again, or ask for a shorter answer."
                )
                await self._last_word(Refusal(error), None)
                return self._ending(OutcomeStatus.UPSTREAM_FAILED, error.code)
            case Stop.SHUT_DOWN:
                error = Stopping("This worker is being stopped.", help="Try again.")
                await self._last_word(Refusal(error), None)
                return self._ending(OutcomeStatus.CUT, error.code)

    async def _last_word(self, refusal: Refusal, type_: str | None) -> None:
        """Tell the client why there is no more: as the end of its stream, or as the answer when none has begun."""
        if self._outlet.status is not None and self._unread is not None:
            return  # words would be taken for more of it: it is left without its end
        if self._outlet.status is not None:
            shown = self._reading if self._stream is None else self._stream.shown
            took = await self._outlet.last_words(shown.cut(refusal, self._settings, type_=type_))
        else:
            took = await self._refuse(refusal, type_)
        if not took:
            _LOG.info("client.would_not_read", exchange=self._underway.exchange_id)

    async def _refuse(self, refusal: Refusal, type_: str | None) -> bool:
        dialect = self._surface.dialect
        request_id = self._underway.exchange_id
        headers = [*dialect.headers(refusal), *dialect.identified(request_id)]
        body = dialect.body(refusal, self._settings, type_=type_, request_id=request_id)
        try:
            async with asyncio.timeout(5.0):
                await self._outlet.whole(dialect.status(refusal), headers, body)
        except TimeoutError:
            return False
        return True

    def _ending(self, status: OutcomeStatus, detail: str | None = None, *, spent_nothing: bool = False) -> Ending:
        truncated = "; the record of the answer is cut short" if self._outlet.truncated else ""
        usage = self._reading.usage
        return Ending(
            status,
            self._outlet.status,
            prompt_tokens=None if usage is None else usage.prompt_tokens,
            completion_tokens=None if usage is None else usage.completion_tokens,
            spent_nothing=spent_nothing,
            answer=self._outlet.kept,
            detail=f"{detail or ''}{truncated}".removeprefix("; ") or None,
        )

    def _response_headers(self, answer: Answer) -> Headers:
        headers = to_client(answer.headers, request_id=self._underway.exchange_id, api=self._surface.api)
        headers += self._surface.dialect.limits(self._door.standing(self._underway), now=self._clock.now())
        admitted = self._underway.admitted
        if admitted.stripped:
            headers.append((b"x-headgate-stripped", ",".join(admitted.stripped).encode()))
        if admitted.output_cap is not None:
            headers.append((b"x-headgate-max-output-tokens", str(admitted.output_cap).encode()))
        return headers


def _keep_waiting(answer: Answer, underway: Underway, upstream: Upstream, clock: ForwardClock) -> None:
    """From here on, let the model server be silent for so long at a time, and talk for so long in all.

    Whoever is given it is the relay's own, so it does not know the relay: neither would be let go of at once.
    """
    end_s = underway.started_s + upstream.total_s
    from_s = clock.monotonic()
    underway.follow(lambda: min(end_s, max(from_s, answer.heard_s) + upstream.idle_s), Stop.UPSTREAM_SILENT)


def _is_stream(answer: Answer) -> bool:
    return answer.header("content-type").lower().startswith("text/event-stream")


def garbage(message: str) -> UpstreamGarbage:
    """Return the error for what a model server should not have sent."""
    return UpstreamGarbage(message, rule="upstream", help="Tell its operator.")
