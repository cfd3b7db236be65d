"""What an epoch's sample adds up to: queries over the sample's own rows and the floor's runs, never over its draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from headgate.kernel.clock import from_us
from headgate.safety.errors import HazardUnknown
from headgate.safety.model import Harm, LabelledTraffic, LookData, Segment, Standing
from headgate.safety.store.opening import value_of
from headgate.safety.store.tables import batches, epochs, runs, standings

if TYPE_CHECKING:
    from collections.abc import Sequence

_COUNTED = (Standing.HARM.value, Standing.UNREVIEWABLE.value, Standing.PENDING.value)


def labelled(connection: sa.Connection, epoch: str, hazard: str, *, overdue_us: int) -> LabelledTraffic:
    """Return the numbers of one epoch and hazard.

    Args:
        connection: A snapshot.
        epoch: Which epoch.
        hazard: Which hazard.
        overdue_us: A sampled draw that was queued at this instant or earlier and still waits counts as harm.

    Raises:
        HazardUnknown: The epoch's labels do not answer for the hazard.
    """
    state = of_epoch(connection, epoch, hazard)
    if state is None:
        return LabelledTraffic(epoch, hazard, (), (), labels=0, pending=0, frontier=0, drawn=0, uniform=True)
    ours = (standings.c.epoch == epoch, standings.c.hazard == hazard)
    waiting = (*ours, standings.c.standing == Standing.PENDING.value, standings.c.drawn_at_us > overdue_us)
    first_waiting, pending = connection.execute(
        sa.select(sa.func.min(standings.c.position), sa.func.count()).where(*waiting)
    ).one()
    frontier = state.tossed if first_waiting is None else min(state.tossed, first_waiting - 1)
    behind = (*ours, standings.c.position <= frontier)
    return LabelledTraffic(
        epoch=epoch,
        hazard=hazard,
        segments=segments(floors(connection, epoch), 1, frontier),
        harms=tuple(harm for _, harm in harms_behind(connection, epoch, hazard, frontier)),
        labels=connection.execute(sa.select(sa.func.count()).select_from(standings).where(*behind)).scalar_one(),
        pending=pending,
        frontier=frontier,
        drawn=state.position,
        uniform=bool(value_of(state.plan)["uniform"]),
    )


def looks(connection: sa.Connection, epoch: str, hazard: str, *, after: int, every_us: int, now_us: int) -> tuple[LookData, ...]:
    """Return the closed windows whose draws follow position ``after``; see ``LookData`` for what they promise.

    Args:
        connection: A snapshot.
        epoch: Which epoch.
        hazard: Which hazard.
        after: Leave out windows that end at this draw or before.
        every_us: A window's length.
        now_us: Only windows that ended by now are closed.

    Raises:
        HazardUnknown: The epoch's labels do not answer for the hazard.
        ValueError: ``every_us`` is not positive.
    """
    if every_us <= 0:
        raise ValueError("a window has a positive length")
    state = of_epoch(connection, epoch, hazard)
    if state is None:
        return ()
    number = sa.cast((batches.c.at_us - state.committed_at_us) // every_us, sa.BigInteger).label("number")
    windows = connection.execute(
        sa.select(number, sa.func.min(batches.c.first).label("first"), sa.func.max(batches.c.last).label("last"))
        .where(batches.c.epoch == epoch)
        .group_by(number)
        .order_by(number)
    ).all()
    harms = connection.execute(
        sa.select(standings.c.position, standings.c.pi, standings.c.pi0)
        .where(
            standings.c.epoch == epoch,
            standings.c.hazard == hazard,
            standings.c.standing == Standing.HARM.value,
            standings.c.position > after,
        )
        .order_by(standings.c.position)
    ).all()
    runs_of = floors(connection, epoch)
    found: list[LookData] = []
    next_harm = 0
    for window in windows:
        closed_us = state.committed_at_us + (window.number + 1) * every_us
        if closed_us > now_us or window.last > state.tossed:
            break
        if window.last <= after:
            continue
        inside: list[Harm] = []
        while next_harm < len(harms) and harms[next_harm].position <= window.last:
            inside.append(Harm(harms[next_harm].pi, harms[next_harm].pi0))
            next_harm += 1
        first = max(window.first, after + 1)
        found.append(
            LookData(
                requests=window.last - first + 1,
                segments=segments(runs_of, first, window.last),
                harms=tuple(inside),
                upto_label_seq=state.label_seq,
                upto_position=window.last,
                closed_at=from_us(closed_us),
            )
        )
    return tuple(found)


def of_epoch(connection: sa.Connection, epoch: str, hazard: str) -> Any:
    """Return an epoch's row, or ``None`` when it was never opened.

    Raises:
        HazardUnknown: Its labels do not answer for the hazard.
    """
    row = connection.execute(sa.select(epochs).where(epochs.c.epoch == epoch)).one_or_none()
    if row is not None and hazard not in value_of(row.hazards):
        raise HazardUnknown(
            f"Labels of epoch {epoch} do not answer for {hazard}.",
            help="A hazard added later is answered for from the next epoch on.",
        )
    return row


def harms_behind(connection: sa.Connection, epoch: str, hazard: str, frontier: int) -> tuple[tuple[int, Harm], ...]:
    """Return the harms before the frontier with their places, in order.

    Whatever still waits behind the frontier is overdue, by the frontier's definition, and counts.
    """
    rows = connection.execute(
        sa.select(standings.c.position, standings.c.pi, standings.c.pi0)
        .where(
            standings.c.epoch == epoch,
            standings.c.hazard == hazard,
            standings.c.position <= frontier,
            standings.c.standing.in_(_COUNTED),
        )
        .order_by(standings.c.position)
    )
    return tuple((row.position, Harm(row.pi, row.pi0)) for row in rows)


def floors(connection: sa.Connection, epoch: str) -> Sequence[Any]:
    """Return the epoch's runs of equal floor, each with its first draw."""
    return connection.execute(sa.select(runs.c.first, runs.c.pi0).where(runs.c.epoch == epoch).order_by(runs.c.first)).all()


def segments(runs_of: Sequence[Any], first: int, last: int) -> tuple[Segment, ...]:
    """Return the runs of equal floor within draws ``first`` to ``last``."""
    found: list[Segment] = []
    for place, run in enumerate(runs_of):
        end = runs_of[place + 1].first - 1 if place + 1 < len(runs_of) else last
        requests = min(end, last) - max(run.first, first) + 1
        if requests > 0:
            found.append(Segment(requests, run.pi0))
    return tuple(found)
