"""The exchange log as everybody else reads it: across all workers, living and dead, sealed or not.

Metadata is read freely. Content is not: whoever reads an exchange says why, needs the permission, and stands in the ledger
before the first byte is handed out. A ledger that cannot be written keeps the content shut.
"""

from __future__ import annotations

from datetime import date
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING

from headgate.kernel.actor import Actor, Permission
from headgate.kernel.clock import Clock, to_us
from headgate.kernel.digest import digest_of
from headgate.traffic.errors import ContentDestroyed, ContentTampered, ExchangeNotFound, ProcessesOnly, ReasonMissing
from headgate.traffic.keys import DayKey, DayKeys, Direction
from headgate.traffic.layout import Layout
from headgate.traffic.model import Content, Exchange, Opened, Unreadable
from headgate.traffic.segments import Segments
from headgate.traffic.spool_reader import Condition, SpoolReader, StoredBodies
from headgate.traffic.store import Append, reaching

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    import sqlalchemy as sa

    from headgate.kernel.ids import AccountId, EpochId, ExchangeId, OrganisationId, ReleaseId
    from headgate.traffic.model import OutcomeStatus


class ExchangeLog:
    """Every exchange that is kept.

    Args:
        directory: The exchange log's directory; it is made when absent.
        engine: The system of record.
        day_keys: Opens bodies.
        append: Appends to the ledger.
        clock: Tells when content was read.
    """

    def __init__(self, directory: Path, engine: sa.Engine, day_keys: DayKeys, append: Append, clock: Clock) -> None:
        self._layout = Layout(directory)
        self._layout.make()
        self._spools = SpoolReader(self._layout)
        self._segments = Segments(self._layout)
        self._engine = engine
        self._day_keys = day_keys
        self._append = append
        self._clock = clock

    def settled_after(self, cursor: Mapping[str, int], limit: int) -> tuple[list[Exchange], dict[str, int]]:
        """Return the next settled exchanges, and the cursor after them.

        Within a spool they come in the order of their outcomes, none left out and none twice, whatever is sealed or
        restarted in between; across spools, by the instant at which they were settled.

        Args:
            cursor: Per spool the last outcome that was taken; empty at the beginning. Keep what is returned, whole.
            limit: The most exchanges to return.

        Raises:
            LogUnavailable: A spool or segment cannot be read; nothing is skipped.
        """
        ahead = [self._ahead(spool, cursor.get(spool, 0), limit) for spool in self._all_spools()]
        taken = list(islice(merge(*ahead, key=lambda exchange: exchange.settled_at), limit))
        after = dict(cursor)
        for exchange in taken:
            after[exchange.spool] = exchange.outcome_seq
        return taken, after

    def get(self, exchange_id: ExchangeId) -> Exchange | Opened:
        """Return an exchange: an ``Exchange`` once it is settled, an ``Opened`` while it is underway.

        Raises:
            ExchangeNotFound: None of that name is kept.
            LogUnavailable: A spool or segment cannot be read.
        """
        if not exchange_id.isascii():
            raise ExchangeNotFound("No exchange of that name is kept.")
        for spool in self._layout.spool_names():
            if (found := self._spools.find(spool, exchange_id)) is not None:
                return found
        if (sealed := self._segments.find(exchange_id)) is not None:
            return sealed
        raise ExchangeNotFound(f"No exchange {exchange_id} is kept.")

    def recent(
        self,
        *,
        limit: int,
        release_id: ReleaseId | None = None,
        epoch: EpochId | None = None,
        account_id: AccountId | None = None,
        organisation_id: OrganisationId | None = None,
        status: OutcomeStatus | None = None,
        since: datetime | None = None,
    ) -> list[Exchange]:
        """Return the exchanges that were settled last and meet every filter that is given, newest first.

        Args:
            limit: The most exchanges to return.
            release_id: Of this release.
            epoch: Of this epoch.
            account_id: Of this account.
            organisation_id: Of this organisation.
            status: That ended so.
            since: That were settled at this instant or later.

        Raises:
            LogUnavailable: A spool or segment cannot be read.
        """
        asked = {
            "release_id = ?": release_id,
            "epoch = ?": epoch,
            "account_id = ?": account_id,
            "organisation_id = ?": organisation_id,
            "status = ?": None if status is None else status.value,
            "settled_us >= ?": None if since is None else to_us(since),
        }
        conditions = [Condition(clause, parameter) for clause, parameter in asked.items() if parameter is not None]
        found = [exchange for spool in self._layout.spool_names() for exchange in self._spools.recent(spool, conditions, limit)]
        found += self._segments.recent(conditions, limit, since=since)
        once = {(exchange.spool, exchange.outcome_seq): exchange for exchange in found}
        return sorted(once.values(), key=lambda exchange: exchange.settled_at, reverse=True)[:limit]

    def underway(self, *, limit: int) -> list[Opened]:
        """Return exchanges that are admitted and not settled, newest first.

        Raises:
            LogUnavailable: A spool cannot be read.
        """
        found = [opened for spool in self._layout.spool_names() for opened in self._spools.underway(spool, limit)]
        return sorted(found, key=lambda opened: opened.at, reverse=True)[:limit]

    def content(self, exchange_id: ExchangeId, by: Actor, why: str) -> Content:
        """Hand one exchange's bodies to a person; the ledger says so first.

        Raises:
            Forbidden: ``by`` may not read content.
            ReasonMissing: ``why`` is empty.
            ExchangeNotFound: None of that name is kept.
            ContentDestroyed: Its day's key was destroyed.
            ContentTampered: The stored bytes are not those that were written.
            LogUnavailable: A spool, a segment or the database cannot be read or written.
        """
        by.must(Permission.READ_CONTENT)
        why = _stated(why)
        stored = self._stored([exchange_id]).get(exchange_id)
        if stored is None:
            raise ExchangeNotFound(f"No exchange {exchange_id} is kept.")
        content = _open(stored, self._day_keys.for_opening(date.fromisoformat(stored.day)))
        self._record("content.read", exchange_id, by, {"why": why})
        return content

    def contents(self, exchange_ids: Sequence[ExchangeId], process: Actor, why: str) -> dict[ExchangeId, Content | Unreadable]:
        """Hand many exchanges' bodies to one of Headgate's own processes; one ledger entry names the batch by digest.

        The entry's ``ids_digest`` is the digest of the sorted list of the ids whose content was handed out.

        Returns:
            For every id that was asked for, its content, or why there is none.

        Raises:
            Forbidden: ``process`` may not read content.
            ProcessesOnly: ``process`` is a person.
            ReasonMissing: ``why`` is empty.
            LogUnavailable: A spool, a segment or the database cannot be read or written.
        """
        process.must(Permission.READ_CONTENT)
        if not process.id.startswith("system:"):
            raise ProcessesOnly(
                "Content is read one exchange at a time.", help="Open each exchange that you need; each is a ledger entry."
            )
        why = _stated(why)
        wanted = list(dict.fromkeys(exchange_ids))
        stored = self._stored(wanted)
        keys = {day: self._key(day) for day in {bodies.day for bodies in stored.values()}}
        opened: dict[ExchangeId, Content | Unreadable] = {}
        for exchange_id in wanted:
            bodies = stored.get(exchange_id)
            opened[exchange_id] = Unreadable.MISSING if bodies is None else _open_if_possible(bodies, keys[bodies.day])
        read = sorted(exchange_id for exchange_id, content in opened.items() if isinstance(content, Content))
        if read:
            body = {"why": why, "count": len(read), "ids_digest": digest_of(read)}
            self._record("content.scanned", process.id, process, body)
        return opened

    def _all_spools(self) -> list[str]:
        # Spools before segments: one that is sealed and removed in between is then met among the segments.
        spools = self._layout.spool_names()
        return sorted({*spools, *(file.spool for file in self._layout.segment_files())})

    def _ahead(self, spool: str, outcome_seq: int, limit: int) -> Iterable[Exchange]:
        """Return a spool's next exchanges, sealed or not.

        The spool is read first. What it no longer holds was in a segment before it was deleted; what both hold was sealed
        by somebody who was killed before deleting, or is being sealed, and counts once.
        """
        unsealed = self._spools.settled_after(spool, outcome_seq, limit)
        if unsealed and unsealed[0].outcome_seq == outcome_seq + 1:
            return unsealed  # nothing lies between the cursor and the spool: no segment needs opening
        sealed = self._segments.settled_after(spool, outcome_seq, limit)
        once = {exchange.outcome_seq: exchange for exchange in (*sealed, *unsealed)}
        return [once[place] for place in sorted(once)][:limit]

    def _stored(self, exchange_ids: Sequence[ExchangeId]) -> dict[ExchangeId, StoredBodies]:
        missing = {exchange_id for exchange_id in exchange_ids if exchange_id.isascii()}
        stored: dict[ExchangeId, StoredBodies] = {}
        for spool in self._layout.spool_names():
            if not missing:
                return stored
            found = {bodies.exchange_id: bodies for bodies in self._spools.bodies(spool, sorted(missing))}
            stored |= found
            missing -= found.keys()
        return stored | {bodies.exchange_id: bodies for bodies in self._segments.bodies(sorted(missing))}

    def _key(self, day: str) -> DayKey | None:
        try:
            return self._day_keys.for_opening(date.fromisoformat(day))
        except ContentDestroyed:
            return None

    def _record(self, kind: str, subject: str, actor: Actor, body: Mapping[str, str | int]) -> None:
        with reaching("the ledger"), self._engine.begin() as connection:
            self._append(connection, kind=kind, subject=subject, actor=actor.id, at=self._clock.now(), body=body)


def _stated(why: str) -> str:
    if not why.strip():
        raise ReasonMissing("Say why the content is read.", help="The reason stands in the ledger beside your name.")
    return why.strip()


def _open(stored: StoredBodies, key: DayKey) -> Content:
    request = key.open(stored.request, stored.exchange_id, Direction.REQUEST)
    response = b"" if stored.response is None else key.open(stored.response, stored.exchange_id, Direction.RESPONSE)
    return Content(request, response)


def _open_if_possible(stored: StoredBodies, key: DayKey | None) -> Content | Unreadable:
    if key is None:
        return Unreadable.DESTROYED
    try:
        return _open(stored, key)
    except ContentTampered:
        return Unreadable.TAMPERED
