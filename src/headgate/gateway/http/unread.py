"""An answer that nobody here can read, on its way to the client: bytes as they come, and hardly any of them held.

Sound is passed on like this. Whether a stage may serve what no screen reads was decided before it was asked for, and the record
says that nobody looked. The model server is read no faster than the client takes it, so an answer may be of any size. Such an
answer has no last words: where it is cut off it is left without its end, which breaks its connection off, and nobody takes the
part that they have for the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.gateway.service.underway import Stop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headgate.gateway.http.asgi import Headers
    from headgate.gateway.http.outlet import Outlet
    from headgate.gateway.model import Settings
    from headgate.gateway.service.instants import ForwardClock
    from headgate.gateway.service.underway import Underway
    from headgate.gateway.upstream import Answer


def can_be_passed_on(answer: Answer) -> bool:
    """Return whether an answer's bytes are what the client asked for: what was compressed unasked is unpacked for the record."""
    return answer.header("content-encoding").strip().lower() in ("", "identity")


class Unread:
    """Carries one answer that nobody reads.

    Args:
        underway: The exchange.
        outlet: The client's end.
        settings: How long a client may take to read.
        clock: For deadlines.
        keep_waiting: Called when the client was waited for, and the model server is again.
    """

    def __init__(
        self,
        *,
        underway: Underway,
        outlet: Outlet,
        settings: Settings,
        clock: ForwardClock,
        keep_waiting: Callable[[], None],
    ) -> None:
        self._underway = underway
        self._outlet = outlet
        self._settings = settings
        self._clock = clock
        self._keep_waiting = keep_waiting

    async def carry(self, answer: Answer, headers: Headers) -> None:
        """Carry it to its end.

        Args:
            answer: What the model server answers.
            headers: What goes with it to the client.

        Raises:
            UpstreamFailed: It broke off.
            UpstreamGarbage: Its framing is broken.
        """
        length = answer.header("content-length")
        if length:
            headers.append((b"content-length", length.encode()))
        chunk = await answer.read()  # before its head goes: what fails at once still gets a status of its own
        self._underway.answered(self._clock.monotonic())
        await self._reach(self._outlet.begin(answer.status, headers))
        while chunk is not None:
            await self._reach(self._outlet.write(chunk))
            chunk = await answer.read()
        self._underway.leave()
        await self._outlet.end()

    async def _reach(self, sending: Awaitable[None]) -> None:
        """Wait for the client; meanwhile it is not the model server that may be late."""
        self._underway.until(self._clock.monotonic() + self._settings.send_idle_s, Stop.CLIENT_STALLED)
        await sending
        self._keep_waiting()
