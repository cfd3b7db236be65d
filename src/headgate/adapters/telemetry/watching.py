"""The gateway's ``Telemetry``: counters always, spans where somebody receives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.adapters.telemetry.tracing import SpanTrace, Tracing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from headgate.adapters.telemetry.counting import Counting
    from headgate.gateway.model import Admitted, Call
    from headgate.gateway.ports import Trace
    from headgate.kernel.ids import ExchangeId
    from headgate.traffic.model import Outcome


class Watching:
    """Watches one worker's gateway.

    Args:
        counting: Counts.
        tracing: Makes spans; ``None`` where nobody receives them.
    """

    def __init__(self, counting: Counting, tracing: Tracing | None) -> None:
        self._counting = counting
        self._tracing = tracing
        self.refused = counting.refused
        self.followed = counting.followed

    def begun(
        self, exchange_id: ExchangeId, call: Call, admitted: Admitted, at: datetime, headers: Sequence[tuple[bytes, bytes]]
    ) -> Trace | None:
        return None if self._tracing is None else self._tracing.begun(exchange_id, call, admitted, at, headers)

    def settled(
        self, call: Call, admitted: Admitted, outcome: Outcome, *, first_byte_s: float | None, trace: Trace | None
    ) -> None:
        self._counting.settled(call, admitted, outcome, first_byte_s)
        if self._tracing is not None and isinstance(trace, SpanTrace):
            self._tracing.settled(trace, outcome, first_byte_s)
