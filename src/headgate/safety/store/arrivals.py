"""Accounts by when they came and by when their first use was over, in SQL: one query for the former, two for the latter."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import sqlalchemy as sa

from headgate.safety.model import Harm, Standing
from headgate.safety.sampling.arrivals import Arrival, Arrivals, FirstUse
from headgate.safety.store.numbers import of_epoch
from headgate.safety.store.tables import draws, epochs, newcomers, standings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headgate.safety.store.accounts import Use


def came(connection: sa.Connection, epoch: str, *, every_us: int, now_us: int) -> Arrivals:
    """Return who came to an epoch in its closed windows; nobody came to one that was never opened.

    Args:
        connection: A snapshot.
        epoch: Which epoch.
        every_us: A window's length.
        now_us: Only windows that ended by now are closed.

    Raises:
        ValueError: ``every_us`` is not positive.
    """
    _positive(every_us)
    state = connection.execute(
        sa.select(epochs.c.release_id, epochs.c.committed_at_us).where(epochs.c.epoch == epoch)
    ).one_or_none()
    if state is None:
        return Arrivals(frozenset(), ())
    began_us = state.committed_at_us
    before = connection.execute(
        sa.select(newcomers.c.account_id)
        .join(epochs, epochs.c.epoch == newcomers.c.epoch)
        .where(epochs.c.release_id == state.release_id, epochs.c.epoch != epoch, newcomers.c.at_us < began_us)
        .distinct()
    ).scalars()
    closed_us = began_us + (now_us - began_us) // every_us * every_us
    rows = connection.execute(
        sa.select(newcomers.c.account_id, newcomers.c.at_us)
        .where(newcomers.c.epoch == epoch, newcomers.c.at_us < closed_us)
        .order_by(newcomers.c.position)
    )
    arrivals = tuple(Arrival((row.at_us - began_us) // every_us, row.account_id) for row in rows)
    return Arrivals(frozenset(before), arrivals)


def first_uses(
    connection: sa.Connection, epoch: str, hazard: str, used: Sequence[Use], *, span_us: int, every_us: int, now_us: int
) -> tuple[FirstUse, ...]:
    """Return the first uses that were over in closed windows, with the harms that stand of one hazard, in order of the windows.

    Args:
        connection: A snapshot.
        epoch: Which epoch.
        hazard: Which hazard.
        used: The final first uses of its accounts, in order, from the first.
        span_us: How long each account is observed.
        every_us: A window's length.
        now_us: Only windows that ended by now are closed.

    Raises:
        HazardUnknown: The epoch's labels do not answer for the hazard.
        ValueError: ``every_us`` is not positive.
    """
    _positive(every_us)
    state = of_epoch(connection, epoch, hazard)
    if state is None:
        return ()
    # whoever is not final yet keeps the window open in which they will be, and all that follow
    waiting_us = connection.execute(
        sa.select(sa.func.min(newcomers.c.at_us)).where(
            newcomers.c.epoch == epoch, newcomers.c.position > (used[-1].first if used else 0)
        )
    ).scalar_one()
    last = (min(now_us, now_us if waiting_us is None else waiting_us + span_us) - state.committed_at_us) // every_us
    harms = _harms(connection, epoch, hazard)
    clean: dict[tuple[int, float], Counter[str]] = defaultdict(Counter)
    harmful: list[FirstUse] = []
    for use in used:
        window = (use.came_at_us + span_us - state.committed_at_us) // every_us
        if window >= last:
            break
        found = tuple(harm for position, harm in harms.get(use.account_id, ()) if position <= use.last)
        if found:
            harmful.append(FirstUse(window, 1, use.exchanges, use.labels, use.floor, found))
        else:
            clean[window, use.floor].update(accounts=1, exchanges=use.exchanges, labels=use.labels)
    groups = [
        FirstUse(window, group["accounts"], group["exchanges"], group["labels"], floor, ())
        for (window, floor), group in clean.items()
    ]
    return tuple(sorted([*groups, *harmful], key=lambda use: use.window))


def _harms(connection: sa.Connection, epoch: str, hazard: str) -> Mapping[str, Sequence[tuple[int, Harm]]]:
    rows = connection.execute(
        sa.select(standings.c.position, standings.c.pi, standings.c.pi0, draws.c.account_id)
        .join(draws, sa.and_(draws.c.epoch == standings.c.epoch, draws.c.position == standings.c.position))
        .where(standings.c.epoch == epoch, standings.c.hazard == hazard, standings.c.standing == Standing.HARM.value)
        .order_by(standings.c.position)
    )
    found: dict[str, list[tuple[int, Harm]]] = defaultdict(list)
    for row in rows:
        found[row.account_id].append((row.position, Harm(row.pi, row.pi0)))
    return found


def _positive(every_us: int) -> None:
    if every_us <= 0:
        raise ValueError("a window has a positive length")
