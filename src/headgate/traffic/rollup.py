"""Exposure: who has had access under which epoch, counted once for each exchange.

The counts stand in the system of record, by epoch, account, organisation and UTC day, and outlive the exchanges' content. A
round of collecting adds newly settled exchanges and moves its cursor in one transaction, so a count is right after any crash
and with any number of collectors. What counts is decided by ``counts``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, assert_never

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from headgate.kernel.clock import from_us, to_us
from headgate.traffic.cursors import advance, position
from headgate.traffic.errors import CursorMoved
from headgate.traffic.keys import day_of
from headgate.traffic.model import Exchange, Exposure, OutcomeStatus
from headgate.traffic.store import daily, reaching

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from headgate.kernel.ids import EpochId, ReleaseId
    from headgate.traffic.log import ExchangeLog

CONSUMER = "exposure"
"""The name under which the counts keep their cursor."""
_SUMMED = 256
"""Sums that are remembered; a release has one for itself and one for each of its stages."""


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
class _Sum:
    exchanges: int = 0
    tokens: int = 0
    first_us: int = 2**63 - 1
    last_us: int = 0


class Exposures:
    """The counts of who has had access.

    Args:
        log: The exchange log.
        engine: The system of record.
    """

    def __init__(self, log: ExchangeLog, engine: sa.Engine) -> None:
        self._log = log
        self._engine = engine
        self._summed: dict[Hashable, tuple[dict[str, int], Exposure]] = {}
        self._summing = Lock()

    def collect(self, limit: int) -> int:
        """Count newly settled exchanges, at most ``limit``, each once; return how many were taken from the log.

        Zero means that every settled exchange is counted. When another collector takes the same exchanges first, the
        next ones are tried.

        Raises:
            LogUnavailable: The log or the database does not answer; nothing was counted.
        """
        while True:
            seen = self.cursor()
            taken, after = self._log.settled_after(seen, limit)
            if not taken:
                return 0
            try:
                with reaching("the exposure counts"), self._engine.begin() as connection:
                    advance(connection, CONSUMER, seen=seen, to=after)
                    for key, added in _sums(taken).items():
                        _add(connection, key, added)
            except (CursorMoved, IntegrityError):
                continue
            return len(taken)

    def cursor(self) -> dict[str, int]:
        """Return the last outcome that was counted from each spool.

        Raises:
            LogUnavailable: The database does not answer.
        """
        with reaching("the exposure counts"), self._engine.execution_options(read_only=True).connect() as connection:
            return position(connection, CONSUMER)

    def exposure(self, epochs: Sequence[EpochId]) -> Exposure:
        """Return the exposure under any of some epochs; of no epochs there is none.

        Raises:
            LogUnavailable: The database does not answer.
        """
        return self._exposure(tuple(epochs), daily.c.epoch.in_(epochs))

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
        return self._exposure(release_id, daily.c.epoch.startswith(f"{release_id}/", autoescape=True))

    def _exposure(self, name: Hashable, of: sa.ColumnElement[bool]) -> Exposure:
        """Sum up what is asked for by ``name``, unless nothing was counted since it was summed up last.

        The cursor is read first: what is counted in between makes the next look sum up again.
        """
        counted = self.cursor()
        last = self._summed.get(name)
        if last is not None and last[0] == counted:
            return last[1]
        found = self._sum(of)
        with self._summing:
            self._summed[name] = (counted, found)
            while len(self._summed) > _SUMMED:
                del self._summed[next(iter(self._summed))]
        return found

    def _sum(self, of: sa.ColumnElement[bool]) -> Exposure:
        query = sa.select(
            sa.func.count(sa.distinct(daily.c.account_id)).label("accounts"),
            sa.func.count(sa.distinct(sa.func.nullif(daily.c.organisation_id, ""))).label("organisations"),
            sa.func.coalesce(sa.func.sum(daily.c.exchanges), 0).label("exchanges"),
            sa.func.coalesce(sa.func.sum(daily.c.tokens), 0).label("tokens"),
            sa.func.count(sa.distinct(daily.c.day)).label("active_days"),
            sa.func.min(daily.c.first_us).label("first_us"),
            sa.func.max(daily.c.last_us).label("last_us"),
        ).where(of)
        with reaching("the exposure counts"), self._engine.execution_options(read_only=True).connect() as connection:
            row = connection.execute(query).one()
        return Exposure(
            accounts=row.accounts,
            organisations=row.organisations,
            exchanges=int(row.exchanges),
            tokens=int(row.tokens),
            active_days=row.active_days,
            first_at=None if row.first_us is None else from_us(row.first_us),
            last_at=None if row.last_us is None else from_us(row.last_us),
        )


def _sums(taken: Iterable[Exchange]) -> dict[tuple[str, str, str, str], _Sum]:
    sums: defaultdict[tuple[str, str, str, str], _Sum] = defaultdict(_Sum)
    for exchange in taken:
        if counts(exchange):
            day = day_of(exchange.at).isoformat()
            row = sums[exchange.epoch, exchange.account_id, exchange.organisation_id or "", day]
            at_us = to_us(exchange.at)
            row.exchanges += 1
            row.tokens += exchange.charged_tokens
            row.first_us = min(row.first_us, at_us)
            row.last_us = max(row.last_us, at_us)
    return sums


def _add(connection: sa.Connection, key: tuple[str, str, str, str], added: _Sum) -> None:
    epoch, account_id, organisation_id, day = key
    of = daily.c
    update = (
        sa.update(daily)
        .where(of.epoch == epoch, of.account_id == account_id, of.organisation_id == organisation_id, of.day == day)
        .values(
            exchanges=of.exchanges + added.exchanges,
            tokens=of.tokens + added.tokens,
            first_us=sa.case((of.first_us < added.first_us, of.first_us), else_=added.first_us),
            last_us=sa.case((of.last_us > added.last_us, of.last_us), else_=added.last_us),
        )
    )
    if connection.execute(update).rowcount == 0:
        connection.execute(
            sa.insert(daily).values(
                epoch=epoch,
                account_id=account_id,
                organisation_id=organisation_id,
                day=day,
                exchanges=added.exchanges,
                tokens=added.tokens,
                first_us=added.first_us,
                last_us=added.last_us,
            )
        )
