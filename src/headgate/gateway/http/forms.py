"""Surfaces that take a form: taken in to disk, read, decided on, and only then sent on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.gateway.errors import ScopeMissing
from headgate.gateway.http.asgi import client_ip, key_text
from headgate.gateway.http.multipart import FormCarried, Uploads
from headgate.gateway.http.relay import Relay
from headgate.gateway.model import Refusal

if TYPE_CHECKING:
    from headgate.gateway.http.asgi import Receive, Scope, Send
    from headgate.gateway.http.intake import Intake
    from headgate.gateway.model import Settings
    from headgate.gateway.service.door import Door
    from headgate.gateway.service.instants import ForwardClock
    from headgate.gateway.upstream import Upstreams
    from headgate.gateway.wire.surface import FormSurface


class Forms:
    """Carries out requests that come as forms.

    Args:
        intake: Takes them in.
        door: Who admits and settles them.
        upstreams: Where they go.
        settings: Where forms wait, and how long a client may take to send one.
        clock: For deadlines.
    """

    def __init__(self, *, intake: Intake, door: Door, upstreams: Upstreams, settings: Settings, clock: ForwardClock) -> None:
        self._door = door
        self._upstreams = upstreams
        self._settings = settings
        self._clock = clock
        self._uploads = Uploads(intake, settings.uploads_dir, most_bytes=settings.max_uploads_bytes)

    async def exchange(self, surface: FormSurface, scope: Scope, receive: Receive, send: Send) -> Refusal | None:
        """Carry out one request; return why not, where nothing was answered.

        Raises:
            HeadgateError: It is no form, or too large, or slow, or nobody can tell whether it may go ahead.
            ClientGone: The client left before it had sent its request.
        """
        ip = client_ip(scope)
        caller = await self._door.identify(key_text(scope), ip)
        if isinstance(caller, Refusal):
            return caller
        if surface.name not in caller.principal.scopes:  # whatever the model is; so nobody uploads a file for nothing
            return Refusal(
                ScopeMissing(
                    f"This key lacks the scope {surface.name}.",
                    rule="key scopes",
                    help="Use or ask for a key of the same grant with this scope.",
                )
            )
        async with self._uploads.receive(
            scope, receive, whose=caller.principal.account_id, limits=surface.limits, within_s=self._settings.body_s
        ) as form:
            request = FormCarried(surface.compile(form.parts, ip, self._settings.end_user_key), form)
            underway = await self._door.admit(caller, request, form.parts.account())
            if isinstance(underway, Refusal):
                return underway
            relay = Relay(
                door=self._door,
                upstreams=self._upstreams,
                underway=underway,
                surface=surface,
                request=request,
                scope=scope,
                send=send,
                settings=self._settings,
                clock=self._clock,
            )
            await relay.run(receive)
        return None
