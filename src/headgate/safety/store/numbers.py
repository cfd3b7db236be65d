"""What an epoch's sample adds up to: queries over the sample's own rows and the floor's runs, never over its draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from headgate.kernel.still import EVER, Lasting
from headgate.safety.errors import HazardUnknown
from headgate.safety.model import LabelledTraffic, Segment
from headgate.safety.store.opening import value_of
from headgate.safety.store.tables import epochs, runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.safety.store.sample import Samples

_EPOCH = sa.select(epochs).where(epochs.c.epoch == sa.bindparam("epoch"))
_FLOORS = sa.select(runs.c.first, runs.c.pi0).where(runs.c.epoch == sa.bindparam("epoch")).order_by(runs.c.first)


def labelled(
    connection: sa.Connection, samples: Samples, epoch: str, hazard: str, *, overdue_us: int
) -> Lasting[LabelledTraffic]:
    """Return the numbers of one epoch and hazard, and until which ``overdue_us`` they are these.

    Args:
        connection: A snapshot.
        samples: What is known of samples.
        epoch: Which epoch.
        hazard: Which hazard.
        overdue_us: A sampled draw that was queued at this instant or earlier and still waits counts as harm.

    Raises:
        HazardUnknown: The epoch's labels do not answer for the hazard.
    """
    state = of_epoch(connection, epoch, hazard)
    if state is None:
        nothing = LabelledTraffic(epoch, hazard, (), (), labels=0, pending=0, frontier=0, drawn=0, uniform=True)
        return Lasting(nothing, overdue_us, EVER)
    sample = samples.of(connection, state, hazard)
    waits = sample.waiting(overdue_us=overdue_us)
    waiting = sample.places[waits]
    frontier = min(state.tossed, int(waiting[0]) - 1) if waiting.size else state.tossed
    found = LabelledTraffic(
        epoch=epoch,
        hazard=hazard,
        segments=segments(floors(connection, epoch), 1, frontier),
        harms=samples.harms_upto(epoch, hazard, sample, frontier),
        labels=sample.upto(frontier),
        pending=waiting.size,
        frontier=frontier,
        drawn=state.position,
        uniform=bool(value_of(state.plan)["uniform"]),
    )
    return Lasting(found, overdue_us, int(sample.drawn_at_us[waits].min()) if waiting.size else EVER)


def of_epoch(connection: sa.Connection, epoch: str, hazard: str) -> Any:
    """Return an epoch's row, or ``None`` when it was never opened.

    Raises:
        HazardUnknown: Its labels do not answer for the hazard.
    """
    row = connection.execute(_EPOCH, {"epoch": epoch}).one_or_none()
    if row is not None and hazard not in value_of(row.hazards):
        raise HazardUnknown(
            f"Labels of epoch {epoch} do not answer for {hazard}.",
            help="A hazard added later is answered for from the next epoch on.",
        )
    return row


def floors(connection: sa.Connection, epoch: str) -> Sequence[Any]:
    """Return the epoch's runs of equal floor, each with its first draw."""
    return connection.execute(_FLOORS, {"epoch": epoch}).all()


def segments(runs_of: Sequence[Any], first: int, last: int) -> tuple[Segment, ...]:
    """Return the runs of equal floor within draws ``first`` to ``last``."""
    found: list[Segment] = []
    for place, run in enumerate(runs_of):
        end = runs_of[place + 1].first - 1 if place + 1 < len(runs_of) else last
        requests = min(end, last) - max(run.first, first) + 1
        if requests > 0:
            found.append(Segment(requests, run.pi0))
    return tuple(found)
