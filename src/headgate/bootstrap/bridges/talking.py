"""The chat page reaches the gateway of its own process: there is no way between them that anybody outside could take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.kernel.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping, Sequence

    from headgate.gateway.http import Gateway
    from headgate.gateway.model import Api, ModelPolicy, StageRule


class NotServing(Unavailable):
    """This process carries no messages: it has not started, or has no gateway."""

    code = "chat_page.not_serving"


class InThisProcess:
    """The portal's ``Talking`` over a gateway, once it has started.

    Attributes:
        gateway: The gateway; ``None`` until then.
    """

    def __init__(self) -> None:
        self.gateway: Gateway | None = None

    async def conversable(self, key_text: str, client_ip: str | None) -> Sequence[tuple[ModelPolicy, StageRule]]:
        return await self._serving().conversable(key_text, client_ip)

    async def converse(
        self,
        api: Api,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        await self._serving().converse(api, scope, receive, send)

    def _serving(self) -> Gateway:
        if self.gateway is None:
            raise NotServing("This worker carries no messages yet.", help="Try again in a moment.")
        return self.gateway
