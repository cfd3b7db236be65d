"""Exposure: who has had access under which epoch, counted once for each exchange.

The counts stand in the system of record, by epoch, account, organisation and UTC day, and outlive the exchanges' content. A
round of collecting adds newly settled exchanges and moves its cursor in one transaction, so a count is right after any crash
and with any number of collectors. The same transaction adds to what each epoch comes to, so that nothing has to sum it up; who
was seen is learned from the rows that are new. What counts is decided by ``counts``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, assert_never

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from headgate.kernel.clock import from_us, to_us
from headgate.kernel.recent import Recent
from headgate.kernel.still import Still, restless
from headgate.traffic.cursors import advance, position
from headgate.traffic.errors import CursorMoved
from headgate.traffic.keys import day_of
from headgate.traffic.model import Exchange, Exposure, OutcomeStatus
from headgate.traffic.store import counted, daily, reaching

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from headgate.kernel.ids import EpochId, ReleaseId
    from headgate.traffic.settlements import Settlements

CONSUMER = "exposure"
"""The name under which the counts keep their cursor."""
_REMEMBERED = 256
"""Epochs of which it is remembered who was seen; those that were asked for last."""


def counts(exchange: Exchange) -> bool:
    """Return whether an exchange is exposure: somebody saw, or may have seen, what the model said.

    A stage is not to be left on the strength of errors, so what certainly showed nobody anything does not count:

    =====================================  ==================================================
    COMPLETED, UNKNOWN                     yes
    CUT, CLIENT_GONE                       if any byte of an answer was passed on
    UPSTREAM_FAILED                        if an answer had begun: not an error's body
    UPSTREAM_REFUSED                       no
    =====================================  ==================================================
    """
    match exchange.status:
        case OutcomeStatus.COMPLETED | OutcomeStatus.UNKNOWN:
            return True
        case OutcomeStatus.CUT | OutcomeStatus.CLIENT_GONE:
            return exchange.response_bytes > 0
        case OutcomeStatus.UPSTREAM_FAILED:
            return exchange.response_bytes > 0 and (exchange.http_status or HTTPStatus.OK) < HTTPStatus.BAD_REQUEST
        case OutcomeStatus.UPSTREAM_REFUSED:
            return False
        case _:
            assert_never(exchange.status)


@dataclass(frozen=True, slots=True)
class AccountDay:
    """How often one account was served on one UTC day.

    Attributes:
        account_id: Who.
        organisation_id: Its organisation then; ``None`` for none.
        day: ``YYYY-MM-DD``.
        exchanges: How often.
    """

    account_id: str
    organisation_id: str | None
    day: str
    exchanges: int


@dataclass(slots=True)
class _Seen:
    """Whom an epoch's rows name, as far as a turn of counting; rows are added, and never change whom they name."""

    turn: int = -1
    accounts: set[str] = field(default_factory=set[str])
    organisations: set[str] = field(default_factory=set[str])
    days: set[str] = field(default_factory=set[str])


class _Key(NamedTuple):
    """What is counted apart."""

    epoch: str
    account_id: str
    organisation_id: str
    day: str


@dataclass(slots=True)
class _Sum:
    exchanges: int = 0
    tokens: int = 0
    first_us: int = 2**63 - 1
    last_us: int = 0


class Exposures:
    """The counts of who has had access.

    Args:
        settlements: The exchange log.
        engine: The system of record.
        still: Remembers what nothing was written about since.
    """

    def __init__(self, settlements: Settlements, engine: sa.Engine, still: Still | None = None) -> None:
        self._settlements = settlements
        self._engine = engine
        self._still = still or restless()
        self._known: Recent[str, _Seen] = Recent(_REMEMBERED)
        self._learning = Lock()

    def collect(self, limit: int) -> int:
        """Count newly settled exchanges, at most ``limit``, each once; return how many were taken from the log.

        Zero means that every settled exchange is counted. When another collector takes the same exchanges first, the
        next ones are tried.

        Raises:
            LogUnavailable: The log or the database does not answer; nothing was counted.
        """
        while True:
            seen = self.cursor()
            taken, after = self._settlements.settled_after(seen, limit)
            if not taken:
                return 0
            sums = _sums(taken)
            try:
                with reaching("the exposure counts"), self._engine.begin() as connection:
                    advance(connection, CONSUMER, seen=seen, to=after)
                    _add(connection, sums, _add_up(connection, sums))
            except (CursorMoved, IntegrityError):
                continue
            return len(taken)

    def cursor(self) -> dict[str, int]:
        """Return the last outcome that was counted from each spool.

        Raises:
            LogUnavailable: The database does not answer.
        """
        return dict(self._still.once((Exposures, "cursor"), self._cursor))

    def _cursor(self) -> dict[str, int]:
        with reaching("the exposure counts"), self._engine.execution_options(read_only=True).connect() as connection:
            return position(connection, CONSUMER)

    def exposure(self, epochs: Sequence[EpochId]) -> Exposure:
        """Return the exposure under any of some epochs; of no epochs there is none.

        Raises:
            LogUnavailable: The database does not answer.
        """
        names = tuple(dict.fromkeys(epochs))
        return self._still.once((Exposures, names), lambda: self._exposure(counted.c.epoch.in_(names)))

    def days_of(self, epoch: EpochId, *, since: str, until: str) -> list[AccountDay]:
        """Return how often each account was served on each day under an epoch.

        Args:
            epoch: Which epoch.
            since: The first UTC day, ``YYYY-MM-DD``.
            until: The day after the last.

        Raises:
            LogUnavailable: The database does not answer.
        """
        of = daily.c
        query = (
            sa.select(of.account_id, of.organisation_id, of.day, of.exchanges)
            .where(of.epoch == epoch, of.day >= since, of.day < until)
            .order_by(of.day, of.account_id, of.organisation_id)
        )
        with reaching("the exposure counts"), self._engine.execution_options(read_only=True).connect() as connection:
            return [
                AccountDay(row.account_id, row.organisation_id or None, row.day, row.exchanges)
                for row in connection.execute(query)
            ]

    def release_exposure(self, release_id: ReleaseId) -> Exposure:
        """Return the exposure of a whole release.

        Raises:
            LogUnavailable: The database does not answer.
        """
        return self._exposure(counted.c.epoch.startswith(f"{release_id}/", autoescape=True))

    def _exposure(self, of: sa.ColumnElement[bool]) -> Exposure:
        with reaching("the exposure counts"), self._engine.execution_options(read_only=True).connect() as connection:
            sums = connection.execute(sa.select(counted).where(of).order_by(counted.c.epoch)).all()
            with self._learning:
                seen = [self._seen(connection, row.epoch, row.turn) for row in sums]
                accounts, organisations, days = (
                    (_together(sets) for sets in zip(*((s.accounts, s.organisations, s.days) for s in seen), strict=True))
                    if seen
                    else (0, 0, 0)
                )
        return Exposure(
            accounts=accounts,
            organisations=organisations,
            exchanges=sum(row.exchanges for row in sums),
            tokens=sum(row.tokens for row in sums),
            active_days=days,
            first_at=from_us(min(row.first_us for row in sums)) if sums else None,
            last_at=from_us(max(row.last_us for row in sums)) if sums else None,
        )

    def _seen(self, connection: sa.Connection, epoch: str, turn: int) -> _Seen:
        """Return who was seen under an epoch as far as a turn of counting: who is known, and whom rows name that came since."""
        seen = self._known.get(epoch)
        if seen is None or seen.turn > turn:  # the second: another database stands in the place of the old one
            seen = _Seen()
        if seen.turn < turn:
            rows = sa.select(daily.c.account_id, daily.c.organisation_id, daily.c.day).where(
                daily.c.epoch == epoch, daily.c.turn > seen.turn
            )
            for account_id, organisation_id, day in connection.execute(rows):
                seen.accounts.add(account_id)
                seen.days.add(day)
                if organisation_id:
                    seen.organisations.add(organisation_id)
            seen.turn = turn
        self._known.put(epoch, seen)
        return seen


def _sums(taken: Iterable[Exchange]) -> dict[_Key, _Sum]:
    sums: defaultdict[_Key, _Sum] = defaultdict(_Sum)
    for exchange in taken:
        if counts(exchange):
            day = day_of(exchange.at).isoformat()
            row = sums[_Key(exchange.epoch, exchange.account_id, exchange.organisation_id or "", day)]
            at_us = to_us(exchange.at)
            row.exchanges += 1
            row.tokens += exchange.charged_tokens
            row.first_us = min(row.first_us, at_us)
            row.last_us = max(row.last_us, at_us)
    return sums


def _together(sets: Iterable[set[str]]) -> int:
    """Return how many there are in any of some sets."""
    first, *others = sets
    return len(first.union(*others)) if others else len(first)


def _add_up(connection: sa.Connection, sums: Mapping[_Key, _Sum]) -> dict[str, int]:
    """Add to what each epoch comes to, and return the turn of counting that this is of each."""
    whole: defaultdict[str, _Sum] = defaultdict(_Sum)
    for key, added in sums.items():
        row = whole[key.epoch]
        row.exchanges += added.exchanges
        row.tokens += added.tokens
        row.first_us, row.last_us = min(row.first_us, added.first_us), max(row.last_us, added.last_us)
    turns: dict[str, int] = {}
    for epoch, added in whole.items():
        turn = connection.execute(_TURN, {"in_epoch": epoch}).scalar_one_or_none()
        if turn is None:
            connection.execute(sa.insert(counted), {"epoch": epoch, "turn": 0, **asdict(added)})
        else:
            connection.execute(_MORE_IN_ALL, {"in_epoch": epoch, **_added(added)})
        turns[epoch] = 0 if turn is None else turn + 1
    return turns


def _add(connection: sa.Connection, sums: Mapping[_Key, _Sum], turns: Mapping[str, int]) -> None:
    """Add to the rows of accounts and days that are there, and make the others: many rows by few statements.

    The write lock of an embedded database is everybody's, and callers' limits wait for it.
    """
    there = _there(connection, sums)
    more = [{f"in_{name}": value for name, value in key._asdict().items()} | _added(sums[key]) for key in sums if key in there]
    new = [{**key._asdict(), **asdict(sums[key]), "turn": turns[key.epoch]} for key in sums if key not in there]
    if more:
        connection.execute(_MORE_OF_A_DAY, more)
    if new:
        connection.execute(sa.insert(daily), new)


def _there(connection: sa.Connection, keys: Collection[_Key]) -> set[_Key]:
    """Return those of some keys that have a row."""
    found: set[_Key] = set()
    accounts: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for key in keys:
        accounts[key.epoch, key.day].add(key.account_id)
    for (epoch, day), names in accounts.items():
        rows = connection.execute(_OF_A_DAY, {"in_epoch": epoch, "in_day": day, "names": list(names)})
        found.update(_Key(epoch, account_id, organisation_id, day) for account_id, organisation_id in rows)
    return found


def _added(added: _Sum) -> dict[str, int]:
    return {f"added_{name}": value for name, value in asdict(added).items()}


def _more(table: sa.Table) -> dict[str, sa.ColumnElement[int]]:
    """Return what a row of counts holds with some more."""
    of = table.c
    exchanges, tokens, first_us, last_us = (
        sa.bindparam(f"added_{name}", type_=sa.BigInteger) for name in ("exchanges", "tokens", "first_us", "last_us")
    )
    return {
        "exchanges": of.exchanges + exchanges,
        "tokens": of.tokens + tokens,
        "first_us": sa.case((of.first_us < first_us, of.first_us), else_=first_us),
        "last_us": sa.case((of.last_us > last_us, of.last_us), else_=last_us),
    }


def _named(table: sa.Table, *names: str) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == sa.bindparam(f"in_{name}") for name in names]


_TURN = sa.select(counted.c.turn).where(*_named(counted, "epoch")).with_for_update()
_MORE_IN_ALL = sa.update(counted).where(*_named(counted, "epoch")).values(turn=counted.c.turn + 1, **_more(counted))
_OF_A_DAY = sa.select(daily.c.account_id, daily.c.organisation_id).where(
    *_named(daily, "epoch", "day"), daily.c.account_id.in_(sa.bindparam("names", expanding=True))
)
_MORE_OF_A_DAY = sa.update(daily).where(*_named(daily, *_Key._fields)).values(**_more(daily))
