"""A stream on its way from the model server to the client, frame by frame, past the output screen where the stage has one.

``hold_back`` keeps every frame until the text up to it has been looked at: a window of text, or a moment, at a time. ``trail``
lets frames go and looks at the same windows behind them, at the same moments. Either way, what is found ends the stream as its
protocol ends one. What the client was shown is followed by a reading of its own, so that the end fits what it saw and not what
was kept from it.

Frames are carried in the call that brings their bytes: nobody is woken for them unless the client, the screen or a store has to
be waited for.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from headgate.gateway.errors import UpstreamFailed, UpstreamGarbage
from headgate.gateway.model import OutputScreen, Refusal
from headgate.gateway.service.screening import Window
from headgate.gateway.service.underway import Stop
from headgate.gateway.wire.sse import Frames, FrameTooLong
from headgate.gateway.wire.surface import NotAnAnswer
from headgate.gateway.wire.unpacking import Unpacking
from headgate.kernel.eager import Begun
from headgate.kernel.errors import HeadgateError
from headgate.traffic.model import Screened

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from headgate.gateway.http.asgi import Headers
    from headgate.gateway.http.outlet import Outlet
    from headgate.gateway.model import Settings
    from headgate.gateway.service.door import Door
    from headgate.gateway.service.instants import ForwardClock
    from headgate.gateway.service.underway import Underway
    from headgate.gateway.upstream import Answer
    from headgate.gateway.wire.sse import Frame
    from headgate.gateway.wire.surface import Created, Passing, Reading

_DRAIN_S = 0.05
"""How long what comes after the last frame is waited for: a server's own end, so that the connection can be used again."""
_LONGEST_HELD_BYTES = 64 * 1024
"""Frames of more bytes than this are looked at, however little text they hold."""


class Withheld(HeadgateError):
    """The output screen has stopped a stream; not for a caller: the relay ends the stream with the refusal."""

    code = "output.withheld"

    def __init__(self, refusal: Refusal, shown: Reading, headers: Headers) -> None:
        super().__init__("the output screen stopped the stream")
        self.refusal = refusal
        self.shown = shown
        self.headers = headers


class Streaming:
    """Carries one stream.

    Args:
        door: Whom created objects are bound by, and who asks the screen.
        underway: The exchange.
        reading: Reads what the model server says.
        shown: Reads what the client has been shown of it; the same one where nothing is held back.
        outlet: The client's end.
        settings: How much may be held back, and for how long.
        clock: For deadlines.
        keep_waiting: Called when the client was waited for, and the model server is again.
    """

    def __init__(
        self,
        *,
        door: Door,
        underway: Underway,
        reading: Reading,
        shown: Reading,
        outlet: Outlet,
        settings: Settings,
        clock: ForwardClock,
        keep_waiting: Callable[[], None],
    ) -> None:
        mode = underway.admitted.rule.output_screen
        self._door = door
        self._underway = underway
        self._reading = reading
        self._outlet = outlet
        self._settings = settings
        self._clock = clock
        self._keep_waiting = keep_waiting
        self._holds = mode is OutputScreen.HOLD_BACK
        self._window = Window(settings.overlap_bytes) if self._holds or mode is OutputScreen.TRAIL else None
        self._held: list[Frame] = []
        self._held_bytes = 0
        self._unseen_since_s = 0.0
        self._is_due = False
        self._moment: asyncio.TimerHandle | None = None
        self._frames = Frames()
        self._unpacking = Unpacking("")
        self._answer: Answer | None = None
        self._headers: Headers = []
        self.shown = shown
        """What the client has been shown, read."""

    async def carry(self, answer: Answer, headers: Headers) -> None:
        """Carry it to its end.

        Args:
            answer: What the model server answers.
            headers: What goes with it to the client.

        Raises:
            Withheld: The output screen stopped it.
            UpstreamFailed: It broke off.
            UpstreamGarbage: It is not a stream.
        """
        self._answer = answer
        self._headers = [pair for pair in headers if pair[0] != b"content-encoding"]
        try:
            self._unpacking = Unpacking(answer.header("content-encoding"))
            await answer.flow(self._take)
            if self._reading.ended:
                await self._take_what_is_left(answer)
            await self._carry(self._frames.finish())
        except (NotAnAnswer, FrameTooLong):
            raise UpstreamGarbage("The model server's stream is not one.", rule="upstream", help="Tell its operator.") from None
        finally:
            if self._moment is not None:
                self._moment.cancel()
        await self._look(last=True)
        if not self._reading.complete:
            raise UpstreamFailed("The model server closed the stream before its end.", rule="upstream", help="Try again.")
        self._underway.leave()
        if self._outlet.status is None:
            await self._outlet.begin(answer.status, self._headers)
        await self._outlet.end()

    def _take(self, chunk: bytes) -> bool | Coroutine[Any, Any, bool]:
        """Take in what came, or that the moment has come for what was not looked at; return whether there should be more."""
        frames = self._frames.feed(self._unpacking.feed(chunk))
        if self._window is not None or len(frames) != 1 or self._outlet.status is None:
            return self._take_in(frames)
        passing = self._read(frames[0])  # nobody looks at it: it goes on as it is, and nearly always in this very call
        created = self._reading.created()
        if created:
            return self._bind_and_pass_on(created, frames if passing.forward else [])
        sending = self._outlet.pass_on(frames[0].raw) if passing.forward else None
        return not self._reading.ended if sending is None else self._wait_for_client(sending)

    async def _take_in(self, frames: list[Frame]) -> bool:
        await self._carry(frames)
        if self._is_due:
            self._is_due = False
            await self._look(last=True)
        return not self._reading.ended

    async def _bind_and_pass_on(self, created: Sequence[Created], frames: list[Frame]) -> bool:
        await self._bind(created)
        await self._pass_on(frames)
        return not self._reading.ended

    async def _bind(self, created: Sequence[Created]) -> None:
        for thing in created:
            await self._door.bind(self._underway, thing)

    async def _wait_for_client(self, sending: Begun[None]) -> bool:
        await self._reached(sending)
        return not self._reading.ended

    def _read(self, frame: Frame) -> Passing:
        passing = self._reading.frame(frame)
        if frame.data is not None:
            self._underway.relayed_frames += 1
        return passing

    async def _take_what_is_left(self, answer: Answer) -> None:
        with suppress(TimeoutError, UpstreamFailed, UpstreamGarbage):  # the answer was complete; only the connection is lost
            async with asyncio.timeout(_DRAIN_S):
                while (chunk := await answer.read()) is not None:
                    await self._carry(self._frames.feed(self._unpacking.feed(chunk)))

    async def _carry(self, frames: list[Frame]) -> None:
        """Take in frames as they came, and pass on what may go."""
        going: list[Frame] = []
        try:
            for frame in frames:
                passing = self._read(frame)
                if passing.forward:
                    going.append(frame)
                if passing.pieces and self._window is not None:
                    self._notice()
                    self._window.add(passing.pieces)
                    if self._window.size >= self._settings.window_bytes:  # a window is one however the bytes came in
                        await self._go(going)
                        going = []
        except NotAnAnswer:
            await self._go(going)
            raise
        if going:
            await self._go(going)

    async def _go(self, going: list[Frame]) -> None:
        await self._bind(self._reading.created())
        if not self._holds:
            await self._pass_on(going)
            if self._window is not None:
                await self._look(last=False)
            return
        assert self._window is not None
        if going:
            self._notice()
        self._held += going
        self._held_bytes += sum(len(frame.raw) for frame in going)
        await self._look(last=not self._window.size or self._held_bytes > _LONGEST_HELD_BYTES)

    def _notice(self) -> None:
        """Take note that there is something now that nobody has looked at, and that will be when its time has come."""
        if self._held or (self._window is not None and self._window.size):
            return
        self._unseen_since_s = self._clock.monotonic()
        if self._moment is None:
            self._moment = asyncio.get_running_loop().call_later(self._settings.window_s, self._at_the_moment)

    def _at_the_moment(self) -> None:
        """Look at what its time has come for; at what came later than this was set for, later."""
        self._moment = None
        if self._answer is None or not (self._held or (self._window is not None and self._window.size)):
            return
        left_s = self._unseen_since_s + self._settings.window_s - self._clock.monotonic()
        if left_s > 0:
            self._moment = asyncio.get_running_loop().call_later(left_s, self._at_the_moment)
        else:
            self._is_due = True
            self._answer.nudge()

    async def _look(self, *, last: bool) -> None:
        """Have the screen look at what it has not seen, if it is enough or ``last``; then let go what was held.

        Raises:
            Withheld: It may not be shown.
        """
        window = self._window
        if window is None or not (last or window.size >= self._settings.window_bytes):
            return
        if window.size:
            verdict = await self._door.screening.answer(self._underway.admitted, window.texts())
            if isinstance(verdict, Refusal):
                self._outlet.keep(b"".join(frame.raw for frame in self._held), sent=False)
                raise Withheld(verdict, self.shown, self._headers)
            window.looked()
            if self._underway.output_screened is not Screened.UNSCANNED:
                self._underway.output_screened = verdict
        held, self._held, self._held_bytes = self._held, [], 0
        for frame in held:
            self.shown.frame(frame)
        await self._pass_on(held)

    async def _pass_on(self, frames: list[Frame]) -> None:
        if not frames:
            return
        if self._outlet.status is None:
            self._underway.answered(self._clock.monotonic())
            await self._reached(Begun(self._outlet.begin(200, self._headers)))
        body = frames[0].raw if len(frames) == 1 else b"".join([frame.raw for frame in frames])
        sending = self._outlet.pass_on(body)
        if sending is not None:
            await self._reached(sending)

    async def _reached(self, sending: Begun[None]) -> None:
        """Wait for the client; meanwhile it is not the model server that may be late."""
        self._underway.until(self._clock.monotonic() + self._settings.send_idle_s, Stop.CLIENT_STALLED)
        await sending
        self._keep_waiting()
