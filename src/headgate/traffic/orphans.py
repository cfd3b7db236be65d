"""Settling what a dead worker left open.

A worker holds its spool's lock for as long as it lives, and the kernel lets go of it when it dies by whatever cause. Whoever
then holds the lock may write the missing outcomes: ``UNKNOWN``, charged in full, because what is not known is never
refunded. All of a spool's orphans are settled in one commit under the lock, and an exchange has one outcome, so two
stewards, or one that is killed half-way, settle each exchange once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.kernel.clock import Clock, to_us
from headgate.traffic.errors import SpoolUnreadable
from headgate.traffic.layout import Layout, holding_dead
from headgate.traffic.model import OutcomeStatus, Screened
from headgate.traffic.spool_reader import opened_file

if TYPE_CHECKING:
    from pathlib import Path

_SETTLE = f"""
INSERT INTO outcome (exchange_id, settled_us, status, charged_tokens, usage_exact, duration_ms, screened,
                     output_screened, response_bytes, detail)
SELECT exchange_id, :now, '{OutcomeStatus.UNKNOWN.value}', reserved_tokens, 0, max(0, :now - at_us) / 1000.0,
       '{Screened.UNSCANNED.value}', '{Screened.UNSCANNED.value}', 0, 'the worker died before it said how this ended'
FROM admission AS a
WHERE NOT EXISTS (SELECT 1 FROM outcome AS o WHERE o.exchange_id = a.exchange_id)
ORDER BY admission_seq
"""  # noqa: S608 - enum values of this package only


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a round of settling did.

    Attributes:
        settled: Exchanges that were settled as unknown.
        unreadable: Dead workers' spools that could not be read; they are tried again next time, and need a person if it lasts.
    """

    settled: int
    unreadable: tuple[str, ...]


def settle_orphans(directory: Path, clock: Clock) -> Settlement:
    """Settle the exchanges that dead workers left open, in every spool whose lock is free.

    Raises:
        LogUnavailable: The directory cannot be read.
    """
    layout = Layout(directory)
    settled = 0
    unreadable: list[str] = []
    for spool in layout.spool_names():
        with holding_dead(layout, spool) as dead:
            if not dead:
                continue
            try:
                settled += _settle(layout.spool_path(spool), now_us=to_us(clock.now()))
            except SpoolUnreadable:
                unreadable.append(spool)
    return Settlement(settled, tuple(unreadable))


def _settle(path: Path, *, now_us: int) -> int:
    with opened_file(path, writable=True) as connection:
        return 0 if connection is None else connection.execute(_SETTLE, {"now": now_us}).rowcount
