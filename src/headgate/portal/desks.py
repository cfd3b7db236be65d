"""Whom the portal asks: services of the subjects, and the gateway of this very process, which alone lets words through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping, Sequence

    from headgate.access.service import Access
    from headgate.gateway.model import Api, ModelPolicy, StageRule
    from headgate.kernel.clock import Clock
    from headgate.safety.service.reports import Reports


class Talking(Protocol):
    """The way to models for somebody on the chat page."""

    async def conversable(self, key_text: str, client_ip: str | None) -> Sequence[tuple[ModelPolicy, StageRule]]:
        """Return the models that they may talk to now, each under its rule.

        Raises:
            HeadgateError: Their session, seat or terms do not allow it, or that cannot be looked up.
        """
        ...

    async def converse(
        self,
        api: Api,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Carry one message out; admitted, screened, recorded and cut like any other request."""
        ...


@dataclass(frozen=True, slots=True)
class Desks:
    """The services behind the portal.

    Attributes:
        access: Who gets in.
        talking: The way to models.
        reports: What visitors report.
        clock: The time.
    """

    access: Access
    talking: Talking
    reports: Reports
    clock: Clock
