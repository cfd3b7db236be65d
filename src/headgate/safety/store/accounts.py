"""What accounts did in their first span of use: one query over their draws, one over the items that are not harmless."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from headgate.kernel.clock import from_us
from headgate.safety.model import Harm, Standing
from headgate.safety.ports import ConfirmedHarm
from headgate.safety.sampling.accounts import CleanAccounts, HarmfulAccount, LabelledAccounts
from headgate.safety.store.numbers import of_epoch
from headgate.safety.store.tables import batches, draws, epochs, newcomers, standings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

_COUNTS = (Standing.HARM.value, Standing.UNREVIEWABLE.value, Standing.PENDING.value)


@dataclass(frozen=True, slots=True)
class Use:
    """What one account did in its first span of use; once that is over and its coins are tossed, it is final."""

    account_id: str
    first: int
    last: int
    exchanges: int
    labels: int
    floor: float
    came_at_us: int


@dataclass(frozen=True, slots=True)
class _Item:
    position: int
    standing: str
    waits: bool
    drawn: Harm


def uses(connection: sa.Connection, epoch: str, *, after: int, over_us: int, span_us: int) -> tuple[Use, ...]:
    """Return the final first uses of the accounts that came behind position ``after``, up to the first that is not final.

    Args:
        connection: A snapshot.
        epoch: Which epoch.
        after: The first draw of the last account that is known already; 0 for none.
        over_us: What began at this instant or earlier is over.
        span_us: How long each account is observed.
    """
    tossed = connection.execute(sa.select(epochs.c.tossed).where(epochs.c.epoch == epoch)).scalar_one_or_none() or 0
    ends = (
        sa.select(batches.c.last)
        .where(batches.c.epoch == newcomers.c.epoch, batches.c.at_us < newcomers.c.at_us + span_us)
        .order_by(batches.c.at_us.desc(), batches.c.last.desc())
        .limit(1)
        .correlate(newcomers)
        .scalar_subquery()
    )
    rows = connection.execute(
        sa.select(
            newcomers.c.account_id,
            newcomers.c.position,
            newcomers.c.at_us,
            sa.func.max(draws.c.position).label("last"),
            sa.func.count().label("exchanges"),
            sa.func.sum(sa.case((draws.c.sampled.is_(True), 1), else_=0)).label("labels"),
            sa.func.sum(draws.c.pi0).label("floors"),
            sa.func.min(draws.c.pi0).label("least"),
            sa.func.max(draws.c.pi0).label("most"),
        )
        .select_from(newcomers)
        .join(
            draws,
            sa.and_(
                draws.c.epoch == newcomers.c.epoch,
                draws.c.account_id == newcomers.c.account_id,
                draws.c.position <= ends,
            ),
        )
        .where(newcomers.c.epoch == epoch, newcomers.c.position > after, newcomers.c.at_us <= over_us)
        .group_by(newcomers.c.position, newcomers.c.account_id, newcomers.c.at_us)
        .order_by(newcomers.c.position)
    )
    found: list[Use] = []
    for row in rows:
        if row.last > tossed:
            break
        # a mean of equal numbers is that number, and rounding must not make it another
        mean = row.least if row.least == row.most else min(max(row.floors / row.exchanges, row.least), row.most)
        found.append(Use(row.account_id, row.position, row.last, row.exchanges, int(row.labels), mean, row.at_us))
    return tuple(found)


def labelled(
    connection: sa.Connection, epoch: str, hazard: str, used: Sequence[Use], *, span: timedelta, overdue_us: int
) -> LabelledAccounts:
    """Return the accounts of an epoch up to the frontier, with what the sample shows of one hazard.

    Args:
        connection: A snapshot.
        epoch: Which epoch.
        hazard: Which hazard.
        used: The final first uses of its accounts, in order, from the first.
        span: How long each account is observed.
        overdue_us: A sampled draw that was queued at this instant or earlier and still waits counts as harm.

    Raises:
        HazardUnknown: The epoch's labels do not answer for the hazard.
    """
    return course(connection, epoch, hazard, used, span=span, overdue_us=overdue_us, most=1)[-1][1]


def course(
    connection: sa.Connection,
    epoch: str,
    hazard: str,
    used: Sequence[Use],
    *,
    span: timedelta,
    overdue_us: int,
    most: int,
) -> tuple[tuple[Use | None, LabelledAccounts], ...]:
    """Return the same for ever more of the accounts, each with the last of them; there is always one, with all of them.

    Args:
        connection: A snapshot.
        epoch: Which epoch.
        hazard: Which hazard.
        used: The final first uses of its accounts, in order, from the first.
        span: How long each account is observed.
        overdue_us: A sampled draw that was queued at this instant or earlier and still waits counts as harm.
        most: How many cuts there may be, at least 1.

    Raises:
        HazardUnknown: The epoch's labels do not answer for the hazard.
    """
    if of_epoch(connection, epoch, hazard) is None:
        return ((None, LabelledAccounts(epoch, hazard, span, (), (), came=0)),)
    items = _items(connection, epoch, hazard, overdue_us=overdue_us)
    counted: list[tuple[Use, Sequence[_Item]]] = []
    for use in used:
        inside = [item for item in items.get(use.account_id, ()) if item.position <= use.last]
        if any(item.waits for item in inside):
            break
        counted.append((use, inside))
    came = connection.execute(sa.select(sa.func.count()).select_from(newcomers).where(newcomers.c.epoch == epoch)).scalar_one()
    every = -(-len(counted) // most) or 1
    ends = [*range(every, len(counted), every), len(counted)]
    return tuple(
        (counted[end - 1][0] if end else None, _gathered(LabelledAccounts(epoch, hazard, span, (), (), came), counted[:end]))
        for end in ends
    )


def _gathered(of: LabelledAccounts, counted: Sequence[tuple[Use, Sequence[_Item]]]) -> LabelledAccounts:
    clean: dict[float, Counter[str]] = defaultdict(Counter)
    harmful: list[HarmfulAccount] = []
    for use, inside in counted:
        if inside:
            harms = tuple(item.drawn for item in inside if item.standing == Standing.HARM.value)
            doubtful = tuple(item.drawn for item in inside if item.standing != Standing.HARM.value)
            harmful.append(HarmfulAccount(use.exchanges, use.labels, use.floor, harms, doubtful))
        else:
            clean[use.floor].update(accounts=1, exchanges=use.exchanges, labels=use.labels)
    groups = (CleanAccounts(group["accounts"], group["exchanges"], group["labels"], floor) for floor, group in clean.items())
    return replace(of, clean=tuple(groups), harmful=tuple(harmful))


def confirmed(connection: sa.Connection, epoch: str, hazard: str) -> tuple[ConfirmedHarm, ...]:
    """Return whose exchanges show a hazard, as confirmed by reviewers, in the order of their labels."""
    rows = connection.execute(
        sa.select(draws.c.account_id, draws.c.at_us)
        .join(standings, sa.and_(draws.c.epoch == standings.c.epoch, draws.c.position == standings.c.position))
        .where(standings.c.epoch == epoch, standings.c.hazard == hazard, standings.c.standing == Standing.HARM.value)
        .order_by(standings.c.label_seq, standings.c.position)
    )
    return tuple(ConfirmedHarm(row.account_id, from_us(row.at_us)) for row in rows)


def _items(connection: sa.Connection, epoch: str, hazard: str, *, overdue_us: int) -> Mapping[str, Sequence[_Item]]:
    """Return the sampled draws that are not known to be harmless, by account, in order."""
    rows = connection.execute(
        sa.select(standings, draws.c.account_id)
        .join(draws, sa.and_(draws.c.epoch == standings.c.epoch, draws.c.position == standings.c.position))
        .where(standings.c.epoch == epoch, standings.c.hazard == hazard, standings.c.standing.in_(_COUNTS))
        .order_by(standings.c.position)
    )
    found: dict[str, list[_Item]] = defaultdict(list)
    for row in rows:
        waits = row.standing == Standing.PENDING.value and row.drawn_at_us > overdue_us
        found[row.account_id].append(_Item(row.position, row.standing, waits, Harm(row.pi, row.pi0)))
    return found
