"""How a worker is doing, as its health, its numbers and its tests ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headgate.gateway.upstream import ServerStanding


@dataclass(frozen=True, slots=True)
class Stats:
    """How a worker is doing.

    Attributes:
        ready: Whether it should be sent requests: it has started, follows the ledger, and is not stopping.
        in_flight: Requests being handled.
        open: Exchanges under way.
        streams: Those of them that are streams.
        admitted: Exchanges admitted since it started.
        refused: Refusals since it started, by code.
        endings: Settled exchanges since it started, by outcome.
        unrecorded_endings: Endings that could not be recorded.
        policy_seq: The ledger sequence that its policy reflects.
        policy_age_s: Seconds since the system of record last answered.
        stale: Whether gated models are refused because of that.
        servers: How the model servers are doing that it has asked.
    """

    ready: bool
    in_flight: int
    open: int
    streams: int
    admitted: int
    refused: Mapping[str, int]
    endings: Mapping[str, int]
    unrecorded_endings: int
    policy_seq: int
    policy_age_s: float
    stale: bool
    servers: Sequence[ServerStanding]
