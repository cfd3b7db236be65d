"""Safety reads the exchange log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from headgate.kernel.actor import Actor, Permission
from headgate.kernel.errors import Invalid
from headgate.kernel.ids import ExchangeId
from headgate.safety.model import Content, Settled, SettledPage
from headgate.safety.ports import Spoken
from headgate.traffic import model as traffic
from headgate.traffic.errors import ContentDestroyed, ContentTampered, ExchangeNotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headgate.traffic.log import ExchangeLog
    from headgate.traffic.settlements import Settlements

COLLECTOR = Actor.system("collector", Permission.READ_CONTENT)
"""Who reads content for the detectors."""


class TrafficExchanges:
    """Safety's ``Exchanges`` over the exchange log.

    Args:
        log: The exchange log.
        settlements: The same, a page at a time.
    """

    def __init__(self, log: ExchangeLog, settlements: Settlements) -> None:
        self._log = log
        self._settlements = settlements

    def settled_after(self, cursor: str | None, limit: int) -> SettledPage:
        exchanges, after = self._settlements.settled_after(places(cursor), limit)
        return SettledPage(tuple(_settled(exchange) for exchange in exchanges), json.dumps(after, sort_keys=True))

    def contents(self, exchange_ids: Sequence[str]) -> Mapping[str, Content]:
        wanted = [ExchangeId(exchange_id) for exchange_id in exchange_ids]
        found = self._log.contents(wanted, COLLECTOR, "scored by detectors")
        return {
            exchange_id: Content(content.request, content.response)
            for exchange_id, content in found.items()
            if isinstance(content, traffic.Content)
        }

    def read(self, exchange_id: str, *, by: Actor, why: str) -> Content | None:
        try:
            content = self._log.content(ExchangeId(exchange_id), by, why)
        except (ContentDestroyed, ContentTampered, ExchangeNotFound):
            return None
        return Content(content.request, content.response)

    def whose(self, exchange_id: str) -> Spoken | None:
        try:
            exchange = self._log.get(ExchangeId(exchange_id))
        except ExchangeNotFound:
            return None
        return Spoken(exchange.account_id, exchange.release_id)


def places(cursor: str | None) -> dict[str, int]:
    """Return how far safety's collector has come in each spool, from the bookmark that it keeps.

    Raises:
        Invalid: The bookmark cannot be read.
    """
    read: object = {} if cursor is None else json.loads(cursor)
    if not isinstance(read, dict) or not all(isinstance(place, int) for place in read.values()):  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        raise Invalid("The collector's place in the exchange log cannot be read.", help="Run `headgate ledger verify`.")
    return {str(spool): int(place) for spool, place in read.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _settled(exchange: traffic.Exchange) -> Settled:
    return Settled(
        exchange_id=exchange.exchange_id,
        epoch=exchange.epoch,
        account_id=exchange.account_id,
        at=exchange.at,
        status=exchange.status.value,
        http_status=exchange.http_status,
        response_bytes=exchange.response_bytes,
    )
