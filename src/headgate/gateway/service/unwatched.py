"""Telemetry where nobody watches."""
# ruff: noqa: ARG002 - it looks at nothing that it is told

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from headgate.gateway.model import Admitted, Call
    from headgate.gateway.ports import Trace
    from headgate.kernel.ids import ExchangeId
    from headgate.traffic.model import Outcome


class Unwatched:
    """Counts nothing and follows nothing."""

    def refused(self, surface: str, code: str) -> None:
        return

    def begun(
        self, exchange_id: ExchangeId, call: Call, admitted: Admitted, at: datetime, headers: Sequence[tuple[bytes, bytes]]
    ) -> Trace | None:
        return None

    def settled(
        self, call: Call, admitted: Admitted, outcome: Outcome, *, first_byte_s: float | None, trace: Trace | None
    ) -> None:
        return

    def followed(self, delay_s: float) -> None:
        return
