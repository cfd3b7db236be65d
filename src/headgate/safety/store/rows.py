"""Epochs, draws and signals as rows say them, with the review duty that an epoch keeps as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from headgate.kernel.clock import from_us
from headgate.safety.model import Draw
from headgate.safety.ports import EpochState
from headgate.safety.sampling.probability import Flagged, Stratum, WatchPlan
from headgate.safety.store.opening import instant, text_of, value_of
from headgate.safety.store.tables import draws, epochs, seeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.safety.model import Signal


def state_of(connection: sa.Connection, epoch: str) -> EpochState | None:
    """Return an epoch's sampling so far; ``None`` where it never began."""
    row = connection.execute(
        sa.select(epochs, seeds.c.seed).join(seeds, seeds.c.epoch == epochs.c.epoch).where(epochs.c.epoch == epoch)
    ).one_or_none()
    if row is None:
        return None
    return EpochState(
        epoch=row.epoch,
        release_id=row.release_id,
        hazards=tuple(value_of(row.hazards)),
        plan=_plan(row.plan),
        seed=bytes(row.seed),
        commitment=row.commitment,
        committed_at=from_us(row.committed_at_us),
        closed_at=instant(row.closed_at_us),
        revealed_at=instant(row.revealed_at_us),
        pi0=row.pi0,
        position=row.position,
        tossed=row.tossed,
    )


DRAW = (
    *(draws.c.epoch, draws.c.position, draws.c.exchange_id, draws.c.at_us, draws.c.account_id),
    *(draws.c.score, draws.c.flagged, draws.c.pi0, draws.c.pi),
)
"""The columns that say a draw."""


def draw_of(row: Sequence[Any]) -> Draw:
    """Return the draw that a row of ``DRAW`` says."""
    epoch, position, exchange_id, at_us, account_id, score, flagged, pi0, pi = row
    return Draw(epoch, position, exchange_id, from_us(at_us), account_id, score, flagged, pi0, pi)


def signal_columns(signal: Signal) -> dict[str, Any]:
    """Return what is kept of a signal."""
    return {
        "hazard": signal.hazard,
        "score": signal.score,
        "why": signal.why,
        "detector": signal.detector,
        "rule_id": signal.rule_id,
        "flags": signal.flags,
        "blocks": signal.blocks,
    }


def plan_text(plan: WatchPlan) -> str:
    """Return a review duty as an epoch's row keeps it."""
    return text_of(
        {
            "flagged": plan.flagged.value,
            "sample_per_week": plan.sample_per_week,
            "strata": [[stratum.score_at_least, stratum.multiplier] for stratum in plan.strata],
            "uniform": plan.uniform,
        }
    )


def _plan(text: str) -> WatchPlan:
    value = value_of(text)
    strata = tuple(Stratum(start, multiplier) for start, multiplier in value["strata"])
    return WatchPlan(Flagged(value["flagged"]), value["sample_per_week"], strata, value["uniform"])
