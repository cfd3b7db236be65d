"""How the parts of this installation are doing, read from what each leaves behind.

Nobody is asked to answer who might not be able to: workers write their numbers down, the steward renews its lease, the collector
notes when it last was whole, the ledger says what is signed. A trace that is missing or old is not taken for a good one.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from headgate.adapters.telemetry import families, seen
from headgate.bootstrap.bridges.readings import SILENT_FOR
from headgate.console.vitals import Standing, Vital
from headgate.gateway.upstream import Health
from headgate.kernel.errors import HeadgateError
from headgate.kernel.units import span_text
from headgate.traffic.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from headgate.adapters.telemetry import Seen
    from headgate.adapters.telemetry.families import Family
    from headgate.bootstrap.wiring import House
    from headgate.kernel.actor import Actor

WRITTEN_WITHIN = timedelta(seconds=10)
"""A worker writes its numbers down every second; after ten it is taken for stuck."""
SIGNED_WITHIN, LATE_SIGNED = timedelta(minutes=3), timedelta(minutes=15)
"""The ledger is signed every minute in which something is recorded."""
FOLLOWED_WITHIN_S = 5.0
OWED_AT_MOST = 100
ROOM, LEAST_ROOM = 0.10, 0.02
"""The share of the disk that should be free, and the one below which admissions will soon be refused."""
WAITED_AT_MOST = timedelta(days=1)
AHEAD = timedelta(seconds=5)
_GIB = 2**30
_MIB = 2**20


class HouseVitals:
    """Reads how a house is doing.

    Args:
        house: The installation.
    """

    def __init__(self, house: House) -> None:
        self._house = house

    def look(self, *, by: Actor) -> Sequence[tuple[str, Sequence[Vital]]]:
        now = self._house.clock.now()
        workers = self._seen()
        return (
            (
                "Processes",
                [*self._asked(("Workers",), lambda: self._workers(workers, now)), *self._one("Steward", self._steward, now)],
            ),
            ("Model servers", model_servers(workers)),
            (
                "Watching",
                [
                    *self._one("Detectors and draws", self._detectors, now),
                    *self._asked(("Tripwires on monitors",), lambda: self._wires(by)),
                    *self._asked(("Review queue",), lambda: [self._queue(by, now)]),
                ],
            ),
            (
                "Records",
                [
                    *self._one("Database", self._database, now),
                    *self._one("Ledger", self._ledger, now),
                    *self._asked(("Spool",), lambda: [self._spool(workers)]),
                    *self._asked(("Disk",), lambda: [self._disk()]),
                    *self._one("Clock", self._clock, now),
                ],
            ),
        )

    def _asked(self, names: Sequence[str], read: Callable[[], Iterable[Vital]]) -> list[Vital]:
        """Return what some parts say; one that cannot be asked is ill, and is no reason to show nothing of the others."""
        try:
            return list(read())
        except HeadgateError as problem:
            why = problem.message
        except (SQLAlchemyError, OSError) as problem:
            why = f"It cannot be asked: {type(problem).__name__}."
        return [Vital(name, Standing.ILL, why) for name in names]

    def _one(self, name: str, read: Callable[[datetime], Vital], now: datetime) -> list[Vital]:
        return self._asked((name,), lambda: [read(now)])

    def _seen(self) -> list[Seen]:
        with suppress(OSError):
            return seen(self._house.home.metrics)
        return []

    def _workers(self, workers: Sequence[Seen], now: datetime) -> Iterable[Vital]:
        living = [each for each in workers if each.lives]
        wanted = self._house.settings.workers
        if not workers:
            says = "No worker has written its numbers down: nothing serves requests here, or its numbers lie elsewhere."
            yield Vital("Workers", Standing.UNKNOWN, says)
            return
        ready = sum(_sum([each], families.WORKERS, "ready") > 0 for each in living)
        standing = Standing.WELL if ready >= wanted else Standing.ILL if not ready else Standing.WATCH
        yield Vital("Workers", standing, f"{ready} of {wanted} workers are ready.")
        for each in workers:
            yield worker(each, now)

    def _steward(self, now: datetime) -> Vital:
        leased = self._house.releases.leased()
        if leased is None:
            return Vital("Steward", Standing.UNKNOWN, "It has never been at work here.", then="Start it: headgate serve.")
        holder, until = leased
        if until <= now:
            since = f"{until:%Y-%m-%d %H:%M:%S} UTC at the latest"
            says = f"It has not been at work since {since}: nothing is judged, drawn, sealed or signed."
            return Vital("Steward", Standing.ILL, says, (("last one", holder),), "Start it again: headgate serve.")
        return Vital("Steward", Standing.WELL, "It is at work.", (("process", holder),))

    def _detectors(self, now: datetime) -> Vital:
        health = self._house.desk.sampling.monitor_health()
        facts = (
            ("drawn", f"{health.drawn:,}"),
            ("drawn without a score", f"{health.unscored:,}"),
            ("exchanges that could not be scored", f"{health.errors:,}"),
            ("from admission to draw", "none yet" if health.lag is None else span_text(health.lag)),
        )
        name = "Detectors and draws"
        if health.healthy_at is None:
            return Vital(name, Standing.UNKNOWN, "Traffic has never been collected and scored.", facts)
        if abs(now - health.healthy_at) > SILENT_FOR:
            since, why = f"{health.healthy_at:%Y-%m-%d %H:%M:%S} UTC", health.last_error or "nobody does it"
            says = f"Traffic has not been collected and scored since {since}: {why}."
            return Vital(name, Standing.ILL, says, facts, "Nothing widens meanwhile.")
        return Vital(name, Standing.WELL, "Traffic is collected and scored.", facts)

    def _wires(self, by: Actor) -> Iterable[Vital]:
        name, touched = "Tripwires on monitors", list[str]()
        for release in self._house.releases.list(by=by):
            for wire in self._house.releases.wires(release, by=by):
                if wire.reading.tripped is not False and (not wire.stage or "monitor" in wire.wire_id):
                    touched.append(f"{release.model}{f', {wire.stage}' if wire.stage else ''}: {wire.reading.sentence}")
        if touched:
            yield Vital(name, Standing.ILL, " ".join(touched), (("touched", str(len(touched))),))
        else:
            yield Vital(name, Standing.WELL, "None is touched.")

    def _queue(self, by: Actor, now: datetime) -> Vital:
        health = self._house.desk.review.backlog(by=by, now=now)
        facts = (
            ("waiting", f"{health.items:,}"),
            ("oldest", "none" if health.oldest_age is None else span_text(health.oldest_age)),
            ("labels a day", f"{health.labels_per_day:,.1f}"),
        )
        late = health.oldest_age is not None and health.oldest_age > WAITED_AT_MOST
        says = "Something has waited for more than a day." if late else "Nothing has waited for more than a day."
        return Vital("Review queue", Standing.WATCH if late else Standing.WELL, says, facts)

    def _database(self, now: datetime) -> Vital:
        del now
        began = self._house.clock.monotonic()
        self._house.ledger.head()
        took_ms = 1000 * (self._house.clock.monotonic() - began)
        path = self._house.home.database
        facts = [("answered in", f"{took_ms:,.1f} ms"), ("size", f"{path.stat().st_size / _MIB:,.1f} MiB")]
        with suppress(FileNotFoundError):
            facts.append(("not folded in yet", f"{path.with_name(path.name + '-wal').stat().st_size / _MIB:,.1f} MiB"))
        return Vital("Database", Standing.WELL, "It answers.", tuple(facts))

    def _ledger(self, now: datetime) -> Vital:
        head, note = self._house.ledger.head(), self._house.ledger.latest_checkpoint()
        signed = 0 if note is None else int(note.split("\n")[1])
        facts = (("entries", f"{head.size:,}"), ("signed", f"{signed:,}"))
        if signed >= head.size:
            return Vital("Ledger", Standing.WELL, "All of it is signed.", facts)
        waits = now - self._house.ledger.entry(signed + 1).entry.at
        standing = Standing.ILL if waits > LATE_SIGNED else Standing.WATCH if waits > SIGNED_WITHIN else Standing.WELL
        left = head.size - signed
        says = f"{left:,} {'entry waits' if left == 1 else 'entries wait'} for a signature, the first for {span_text(waits)}."
        return Vital("Ledger", standing, says, facts, "" if standing is Standing.WELL else "The steward signs every minute.")

    def _spool(self, workers: Sequence[Seen]) -> Vital:
        layout = Layout(self._house.home.traffic)
        names = layout.spool_names()
        size = sum(layout.spool_path(name).stat().st_size for name in names)
        owed = sum(_sum([each], families.OWED) for each in workers if each.lives)
        facts = (
            ("spools", str(len(names))),
            ("size", f"{size / _MIB:,.1f} MiB"),
            ("endings not on the disk yet", f"{owed:,.0f}"),
        )
        if not any(each.lives for each in workers):
            return Vital("Spool", Standing.UNKNOWN, "No worker says what it still owes the disk.", facts)
        if owed > OWED_AT_MOST:
            return Vital("Spool", Standing.WATCH, "Endings are written down more slowly than they come.", facts)
        return Vital("Spool", Standing.WELL, "Endings are written down as they come.", facts)

    def _disk(self) -> Vital:
        usage = shutil.disk_usage(self._house.home.root)
        free = usage.free / usage.total
        facts = (("free", f"{usage.free / _GIB:,.1f} GiB"), ("of", f"{usage.total / _GIB:,.1f} GiB"))
        if free < LEAST_ROOM:
            return Vital("Disk", Standing.ILL, "It is nearly full.", facts, "What cannot be recorded will be refused.")
        if free < ROOM:
            return Vital("Disk", Standing.WATCH, "There is little room left.", facts)
        return Vital("Disk", Standing.WELL, "There is room.", facts)

    def _clock(self, now: datetime) -> Vital:
        head = self._house.ledger.head()
        if not head.size:
            return Vital("Clock", Standing.UNKNOWN, "Nothing has been recorded that it could be compared with.")
        last = self._house.ledger.entry(head.size).entry.at
        facts = (("it says", f"{now:%Y-%m-%d %H:%M:%S} UTC"),)
        if last - now > AHEAD:
            says = f"It was set back: the last entry of the ledger was written {span_text(last - now)} from now."
            return Vital("Clock", Standing.ILL, says, facts)
        return Vital("Clock", Standing.WELL, "It has not been set back since the ledger was written last.", facts)


def worker(each: Seen, now: datetime) -> Vital:
    """Return how one worker is doing."""
    name = f"Worker {each.worker}"
    age = None if each.written_at is None else timedelta(seconds=now.timestamp() - each.written_at)
    told = "never" if age is None else f"{span_text(age)} ago"
    if not each.lives:
        return Vital(name, Standing.ILL, f"It has ended, and no other has taken its place; its last numbers are from {told}.")
    facts = (
        ("requests", f"{_sum([each], families.IN_FLIGHT):,.0f}"),
        ("open exchanges", f"{_sum([each], families.OPEN):,.0f}"),
        ("of them streams", f"{_sum([each], families.STREAMS):,.0f}"),
        ("endings owed", f"{_sum([each], families.OWED):,.0f}"),
        ("policy read", f"{_sum([each], families.POLICY_AGE):,.1f} s ago"),
    )
    if age is None or age > WRITTEN_WITHIN:
        return Vital(name, Standing.UNKNOWN, f"It says nothing: its last numbers are from {told}.", facts if age else ())
    standing, says = _judged(each)
    return Vital(name, standing, says, facts)


def _judged(each: Seen) -> tuple[Standing, str]:
    if _sum([each], families.WORKERS, "retiring"):
        return Standing.WATCH, "It was told to end, and lets its streams run out."
    if not _sum([each], families.WORKERS, "ready"):
        return Standing.ILL, "It runs and may not be sent requests."
    if _sum([each], families.STALE):
        return Standing.ILL, "What it knows of access is too old: it refuses gated models."
    if _sum([each], families.POLICY_AGE) > FOLLOWED_WITHIN_S:
        return Standing.WATCH, "It has not heard from the system of record lately."
    return Standing.WELL, "It is ready."


def model_servers(workers: Sequence[Seen]) -> list[Vital]:
    """Return how the model servers are doing, as the living workers see them."""
    servers: dict[str, dict[str, float]] = {}
    for each in workers:
        for (server, state), value in _numbers(each, families.REPLICAS) if each.lives else ():
            counted = servers.setdefault(server, {})
            counted[state] = counted.get(state, 0) + value
    found: list[Vital] = []
    for server, states in sorted(servers.items()):
        up, every = states.get(Health.WELL.value, 0.0), sum(states.values())
        standing = Standing.WELL if up == every else Standing.WATCH if up else Standing.ILL
        facts = tuple((state.replace("_", " "), f"{count:.0f}") for state, count in sorted(states.items()) if count)
        found.append(Vital(server, standing, f"{up:.0f} of {every:.0f} workers find it well.", facts))
    return found


def _numbers(each: Seen, family: Family) -> Iterable[tuple[tuple[str, ...], float]]:
    return ((tuple(labels), values[0]) for labels, values in each.sheet.numbers.get(family.name, ()))


def _sum(workers: Sequence[Seen], family: Family, *labels: str) -> float:
    return sum(value for each in workers for named, value in _numbers(each, family) if named == labels)
