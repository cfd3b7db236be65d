"""An admitted exchange that is not a question to a model: an upload, a batch, a job. Done, settled and answered for.

Like any exchange it is on record before the upstream hears of it, it ends at once when access is taken away or the client leaves,
and it is settled once, however it ends. What an upstream has made by then and nobody could be told of is undone by whoever
carries the errand out.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import structlog

from headgate.gateway.errors import Faulty, Stopping, UpstreamTimeout
from headgate.gateway.http.asgi import ClientGone, answer
from headgate.gateway.model import Refusal
from headgate.gateway.service.door import Ending
from headgate.gateway.service.underway import Stop
from headgate.gateway.wire.headers import limits, to_client
from headgate.kernel.errors import HeadgateError
from headgate.traffic.model import OutcomeStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headgate.gateway.http.asgi import Receive, Send
    from headgate.gateway.http.outlet import Outlet
    from headgate.gateway.service.door import Door
    from headgate.gateway.service.instants import ForwardClock
    from headgate.gateway.service.kept import Heard
    from headgate.gateway.service.underway import Underway

_Done = TypeVar("_Done", "Heard | Refusal", "Heard | Refusal | None")
_AS_LONG_AS_IT_TAKES_S = math.inf
"""Of what is handed out in pieces, each piece has its own time: the upstream's to say it, the client's to take it."""
_LOG = structlog.get_logger("headgate.gateway")


@dataclass(frozen=True, slots=True)
class Errands:
    """Carries errands out.

    Attributes:
        door: Where they are settled.
        clock: For deadlines.
    """

    door: Door
    clock: ForwardClock

    async def run(
        self,
        underway: Underway,
        receive: Receive,
        send: Send,
        errand: Callable[[], Awaitable[Heard | Refusal]],
        *,
        within_s: float,
    ) -> Refusal | None:
        """Carry one out; when this returns, it is settled.

        Args:
            underway: The exchange.
            receive: Tells that the client has left.
            send: Where the answer goes.
            errand: What is to be done; returns the upstream's answer, or why there is none.
            within_s: How long it may take.
        """
        done = await self._carry_out(underway, receive, errand, _as_it_is, within_s=within_s)
        return done if isinstance(done, Refusal) else await self._answer(underway, send, done)

    async def hand_out(
        self,
        underway: Underway,
        receive: Receive,
        send: Send,
        outlet: Outlet,
        errand: Callable[[], Awaitable[Heard | Refusal | None]],
    ) -> Refusal | None:
        """Carry one out that answers for itself, in pieces and for as long as they are taken; what is begun is never refused.

        Args:
            underway: The exchange.
            receive: Tells that the client has left.
            send: Where the answer goes.
            outlet: The same, where it is said in pieces.
            errand: What is to be done; returns nothing when it has answered, the upstream's answer, or why there is none.
        """

        def said(ending: Ending) -> Ending:
            if outlet.status is None:
                return ending
            cut_short = "the record of the answer is cut short" if outlet.truncated else None
            detail = "; ".join(filter(None, (ending.detail, cut_short))) or None
            return ending._replace(http_status=outlet.status, answer=outlet.kept, detail=detail)

        done = await self._carry_out(underway, receive, errand, said, within_s=_AS_LONG_AS_IT_TAKES_S)
        if done is None or outlet.status is not None:
            return None
        return done if isinstance(done, Refusal) else await self._answer(underway, send, done)

    async def _carry_out(
        self,
        underway: Underway,
        receive: Receive,
        errand: Callable[[], Awaitable[_Done]],
        said: Callable[[Ending], Ending],
        *,
        within_s: float,
    ) -> _Done | Refusal:
        task = asyncio.current_task()
        assert task is not None
        watch = asyncio.create_task(_watch(receive, underway))
        ending = _without("a fault of the gateway's own")
        done: _Done | Refusal
        try:
            underway.until(self.clock.monotonic() + within_s, Stop.UPSTREAM_SILENT)
            underway.wake(task)
            done = await errand()
            ending = _ended(done)
        except HeadgateError as error:
            done = Refusal(error, getattr(error, "param", None))
            ending = _without(error.code)
        except ClientGone:
            ending = _without("the client stopped reading", OutcomeStatus.CLIENT_GONE)
            raise
        except asyncio.CancelledError:
            if underway.stop is None:
                raise
            task.uncancel()
            done = _stopped(underway)
            left = underway.stop is Stop.CLIENT_GONE
            ending = _without(None, OutcomeStatus.CLIENT_GONE) if left else _without(done.error.code, OutcomeStatus.CUT)
        except Exception:  # noqa: BLE001 - a fault of ours must be settled and answered for like any other end
            _LOG.exception("errand.fault", exchange=underway.exchange_id)
            done = Refusal(Faulty("Headgate has a fault of its own.", help="Report the request id."))
        finally:
            underway.leave()
            watch.cancel()
            await self.door.settle(underway, said(ending))
        return done

    async def _answer(self, underway: Underway, send: Send, done: Heard) -> None:
        headers = to_client(done.headers, request_id=underway.exchange_id)
        headers = [pair for pair in headers if pair[0] != b"content-encoding"]
        headers += limits(self.door.standing(underway))
        await answer(send, done.status, headers, done.body)


async def _watch(receive: Receive, underway: Underway) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    underway.end(Stop.CLIENT_GONE)


def _as_it_is(ending: Ending) -> Ending:
    return ending


def _ended(done: Heard | Refusal | None) -> Ending:
    if done is None:
        return Ending(OutcomeStatus.COMPLETED, None, prompt_tokens=0, completion_tokens=0)
    if isinstance(done, Refusal):
        return _without(done.error.code, OutcomeStatus.CUT)
    status = OutcomeStatus.COMPLETED if done.well else OutcomeStatus.UPSTREAM_REFUSED
    return Ending(status, done.status, prompt_tokens=0, completion_tokens=0, answer=done.body)


def _without(detail: str | None, status: OutcomeStatus = OutcomeStatus.UPSTREAM_FAILED) -> Ending:
    """Return the end of an errand that came to nothing."""
    return Ending(status, None, prompt_tokens=0, completion_tokens=0, detail=detail)


def _stopped(underway: Underway) -> Refusal:
    match underway.stop:
        case Stop.REVOKED if underway.revoked is not None:
            return underway.revoked
        case Stop.UPSTREAM_SILENT:
            return Refusal(UpstreamTimeout("The model server was silent for too long.", rule="upstream", help="Try again."))
        case _:
            return Refusal(Stopping("This request was broken off.", help="Try again."))
