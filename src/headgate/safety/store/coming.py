"""Who came to an epoch, noted as their draws are, and read with what stands of them: see ``sampling.newcomers``.

The table has a row for each account, not for each draw, so that nothing has to count draws. It is written in the transaction
that writes the draws.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from headgate.safety.errors import HazardUnknown
from headgate.safety.model import OTHER, Standing
from headgate.safety.sampling.newcomers import FIRST_DAYS, Newcomer, Newcomers, Shown
from headgate.safety.store.opening import value_of
from headgate.safety.store.tables import corrections, draws, epochs, newcomers, opinions, standings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from headgate.safety.model import Draw

_MICROSECOND = FIRST_DAYS.resolution
_FIRST_US = FIRST_DAYS // _MICROSECOND
_PLACEHOLDERS = 500


def note(connection: sa.Connection, epoch: str, drawn: Sequence[Draw], *, at_us: int) -> None:
    """Note whose draws these are, within the transaction that records them at ``at_us``."""
    by_account: dict[str, list[Draw]] = defaultdict(list)
    for draw in drawn:
        by_account[draw.account_id].append(draw)
    came = _came(connection, epoch, tuple(by_account))
    new = [
        {
            "epoch": epoch,
            "account_id": account,
            "position": theirs[0].position,
            "at_us": at_us,
            "last": theirs[-1].position,
            "exchanges": len(theirs),
            "labels": 0,
            "pi0": min(draw.pi0 for draw in theirs),
        }
        for account, theirs in by_account.items()
        if account not in came
    ]
    again = [
        {
            "account": account,
            "newest": theirs[-1].position,
            "more": len(theirs),
            "floor": min(draw.pi0 for draw in theirs),
        }
        for account, theirs in by_account.items()
        if account in came and at_us < came[account] + _FIRST_US
    ]
    if new:
        connection.execute(sa.insert(newcomers), new)
    if again:
        floor: sa.BindParameter[float] = sa.bindparam("floor")
        more: sa.BindParameter[int] = sa.bindparam("more")
        connection.execute(
            sa.update(newcomers)
            .where(newcomers.c.epoch == epoch, newcomers.c.account_id == sa.bindparam("account"))
            .values(
                last=sa.bindparam("newest"),
                exchanges=newcomers.c.exchanges + more,
                pi0=sa.case((newcomers.c.pi0 > floor, floor), else_=newcomers.c.pi0),
            ),
            again,
        )


def note_coins(connection: sa.Connection, epoch: str, sent: Sequence[Draw]) -> None:
    """Note whose draws the coins sent to review; those that come after an account's first days are not counted."""
    place: sa.BindParameter[int] = sa.bindparam("place")
    if sent:
        connection.execute(
            sa.update(newcomers)
            .where(newcomers.c.epoch == epoch, newcomers.c.account_id == sa.bindparam("account"), newcomers.c.last >= place)
            .values(labels=newcomers.c.labels + 1),
            [{"account": draw.account_id, "place": draw.position} for draw in sent],
        )


def read(connection: sa.Connection, epoch: str, hazard: str, *, now_us: int, overdue_us: int) -> Newcomers:
    """Return the accounts of an epoch with what the sample of their first days showed of a hazard.

    Args:
        connection: A snapshot.
        epoch: Which epoch; one that was never opened has nobody.
        hazard: Which hazard.
        now_us: Whoever came less than their first days ago still waits.
        overdue_us: A sampled draw that was queued at this instant or earlier and still waits counts as harm.

    Raises:
        HazardUnknown: The epoch's labels do not answer for the hazard.
    """
    state = connection.execute(sa.select(epochs).where(epochs.c.epoch == epoch)).one_or_none()
    if state is None:
        return Newcomers(epoch, hazard, (), (), 0)
    if hazard not in value_of(state.hazards):
        raise HazardUnknown(
            f"Labels of epoch {epoch} do not answer for {hazard}.",
            help="A hazard added later is answered for from the next epoch on.",
        )
    found = _found(connection, epoch, hazard)
    named = _named(connection, epoch) if hazard == OTHER else {}
    counted: list[Newcomer] = []
    waiting: list[str] = []
    pending = 0
    rows = connection.execute(sa.select(newcomers).where(newcomers.c.epoch == epoch).order_by(newcomers.c.position))
    for row in rows:
        theirs = [item for item in found.get(row.account_id, ()) if item.position <= row.last]
        open_items = sum(item.standing == Standing.PENDING.value and item.drawn_at_us > overdue_us for item in theirs)
        pending += open_items
        if waiting or open_items or row.last > state.tossed or row.at_us + _FIRST_US > now_us:
            waiting.append(row.account_id)
            continue
        shown = tuple(Shown(item.pi, item.standing == Standing.HARM.value, named.get(item.exchange_id, ())) for item in theirs)
        counted.append(Newcomer(row.account_id, row.exchanges, row.labels, row.pi0, shown))
    return Newcomers(epoch, hazard, tuple(counted), tuple(waiting), pending)


def kinds(connection: sa.Connection, release_id: str) -> tuple[str, ...]:
    """Return what confirmed harms that a release does not list are called."""
    names = connection.execute(sa.select(epochs.c.epoch).where(epochs.c.release_id == release_id)).scalars()
    called = {kind for epoch in names.all() for words in _named(connection, epoch).values() for kind in words}
    return tuple(sorted(called))


def _came(connection: sa.Connection, epoch: str, accounts: Sequence[str]) -> dict[str, int]:
    """Return when each account that is known in the epoch came."""
    came: dict[str, int] = {}
    for start in range(0, len(accounts), _PLACEHOLDERS):
        part = accounts[start : start + _PLACEHOLDERS]
        query = sa.select(newcomers.c.account_id, newcomers.c.at_us).where(
            newcomers.c.epoch == epoch, newcomers.c.account_id.in_(part)
        )
        came.update({row.account_id: row.at_us for row in connection.execute(query)})
    return came


def _found(connection: sa.Connection, epoch: str, hazard: str) -> dict[str, list[Any]]:
    """Return what counts as harm, or waits, by account and in the order of the draws."""
    counts = (Standing.HARM.value, Standing.UNREVIEWABLE.value, Standing.PENDING.value)
    rows = connection.execute(
        sa.select(standings, draws.c.account_id)
        .join(draws, sa.and_(draws.c.epoch == standings.c.epoch, draws.c.position == standings.c.position))
        .where(standings.c.epoch == epoch, standings.c.hazard == hazard, standings.c.standing.in_(counts))
        .order_by(standings.c.position)
    )
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.account_id].append(row)
    return found


def _named(connection: sa.Connection, epoch: str) -> dict[str, tuple[str, ...]]:
    """Return what each exchange that stands as an unlisted harm is called: by its last correction, or by who found the harm."""
    stands = sa.and_(standings.c.epoch == epoch, standings.c.hazard == OTHER, standings.c.standing == Standing.HARM.value)
    corrected = connection.execute(
        sa.select(corrections.c.exchange_id, corrections.c.kind)
        .join(standings, standings.c.exchange_id == corrections.c.exchange_id)
        .where(stands)
        .order_by(corrections.c.exchange_id, corrections.c.ordinal)
    )
    last = {row.exchange_id: row.kind for row in corrected}
    said = connection.execute(
        sa.select(opinions.c.exchange_id, opinions.c.kind)
        .join(standings, standings.c.exchange_id == opinions.c.exchange_id)
        .where(stands, opinions.c.kind.is_not(None), opinions.c.withdrawn_at_us.is_(None))
    )
    words: dict[str, set[str]] = defaultdict(set)
    for row in said:
        if row.exchange_id not in last:
            words[row.exchange_id].add(row.kind)
    return {**_sorted(words.items()), **{item: (kind,) for item, kind in last.items() if kind is not None}}


def _sorted(words: Iterable[tuple[str, set[str]]]) -> dict[str, tuple[str, ...]]:
    return {item: tuple(sorted(kinds)) for item, kinds in words}
