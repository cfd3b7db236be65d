"""How long a page takes when there is a great deal behind it: the staff's pages, asked one by one, and by nobody else meanwhile.

    make bench-pages                                     a million exchanges, 100,000 items waiting, 100,000 ledger entries
    make bench-pages ARGS="--small"                      a hundredth of that, to see that it works
    make bench-pages ARGS="--keep /tmp/filled"           fill a directory once, measure it again

An embedded store is filled by the statements that the stores themselves use, or by rows in the shape that they write. Then every
address of the console's table that only shows something is asked through the application itself, sockets and browser left out:
whoever adds a page has it measured. What stands in an address is filled in with what is there; one whose name nobody here knows
is said not to be measured. The content of exchanges is read from memory, so reading it from a spool or a segment comes on top.

Prints the median and the 95th percentile of each, over all its calls but the first three. The goal is 150 ms; with ``--check``
the exit code is 1 when one is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from headgate.bootstrap.faces import console_tables, desks_of
from headgate.bootstrap.home import Home
from headgate.bootstrap.settings import load
from headgate.bootstrap.wiring import House, open_house
from headgate.console.visit import Screen
from headgate.evidence.importers.interface import MOST_FINDINGS
from headgate.kernel.clock import to_us
from headgate.kernel.ids import StaffId
from headgate.ledger.model import Entry
from headgate.ledger.store import append
from headgate.safety.service.review import Review
from headgate.safety.store import SqlReview
from headgate.testing.console import Seat, first_of, seated
from headgate.testing.evidence import declared, document
from headgate.testing.releases import a_plan
from headgate.testing.safety import LogInMemory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from headgate.kernel.actor import Actor

GOAL_MS = 150.0
_WARM = 3
_HAZARDS = ("cyber_misuse", "harmful_advice", "other")
_FLAGGED = "cyber_misuse"
_PART = 20_000
_ITEMS = """
INSERT INTO safety_item
    (exchange_id, epoch, release_id, position, at_us, drawn_at_us, flagged, twice, wanted, given, is_open, revision)
SELECT exchange_id, epoch, :release, position, at_us, at_us, flagged, position % 10 = 3, 1 + (position % 10 = 3),
    CASE WHEN position <= :labelled THEN 1 + (position % 10 = 3) ELSE 0 END, position > :labelled, 1
FROM safety_draw WHERE sampled
"""
_SIGNALS = """
INSERT INTO safety_signal (exchange_id, ordinal, hazard, score, why, detector, rule_id, flags, blocks)
SELECT exchange_id, 1, :hazard, 0.85, 'Asks for malicious software.', 'rules@1', 'cyber.write-malware', 1, 0
FROM safety_item WHERE flagged
"""
_OPINIONS = """
INSERT INTO safety_opinion (exchange_id, ordinal, reviewer, harms, severity, confidence, note, salt, at_us)
SELECT exchange_id, {}, :{}, :harmless, NULL, 'sure', '', x'00', at_us + 60000000
FROM safety_item WHERE NOT is_open{}
"""
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is behind the pages.

    Attributes:
        exchanges: Exchanges that were drawn from.
        waiting: Items that wait for a reader.
        labelled: Items whose label stands.
        entries: Ledger entries.
        records: Filed records.
    """

    exchanges: int = 1_000_000
    waiting: int = 100_000
    labelled: int = 20_000
    entries: int = 100_000
    records: int = 1_000

    def small(self) -> Size:
        """Return a hundredth of everything."""
        return Size(self.exchanges // 100, self.waiting // 100, self.labelled // 100, self.entries // 100, self.records // 100)


@dataclass(frozen=True, slots=True)
class Filled:
    """An installation with something in it."""

    house: House
    first: Actor
    release: str


def fill(home: Home, size: Size) -> Filled:
    """Fill an installation, or open the one that was filled before."""
    fresh = not home.database.exists()
    home.make()
    house = open_house(home, load(home.root, {}))
    if not fresh:
        first = house.access.authenticate_staff(home.root.joinpath("token").read_text("utf-8"))
        return Filled(house, first, house.releases.list(by=first)[0].id)
    first = first_of(house)
    home.root.joinpath("token").write_text(house.access.staff.renew(StaffId(first.id), by=first).secret, "utf-8")
    release, _ = house.releases.apply(a_plan(), by=first)
    epoch = house.releases.get(release.id, by=first).epoch("staff")
    now = house.clock.now()
    with house.engine.begin() as connection:
        _draws(connection, epoch, release.id, size, now)
        _queue(connection, epoch, release.id, size, first.id)
        _exposure(connection, epoch, size, now)
    _records(house, first, release.id, size, now)
    for start in range(0, size.entries, _PART):
        with house.engine.begin() as connection:
            for number in range(start, min(start + _PART, size.entries)):
                body = {"reason": f"entry {number}", "epoch": epoch}
                append(connection, Entry("label.given", f"ex_{number:026d}", first.id, now, body))
    with house.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    return Filled(house, first, release.id)


def _draws(connection: sa.Connection, epoch: str, release_id: str, size: Size, now: datetime) -> None:
    """Draw from every exchange, and send as many to review as there are items."""
    sent = size.waiting + size.labelled
    rate = sent / size.exchanges
    given = {
        "epoch": epoch,
        "release": release_id,
        "count": size.exchanges,
        "sent": sent,
        "start": to_us(now - timedelta(days=20)),
        "step": 20 * 86_400_000_000 // size.exchanges,
        "now": to_us(now),
        "rate": rate,
        "hazards": '["cyber_misuse","harmful_advice","other"]',
    }
    plan = connection.execute(sa.text("SELECT plan FROM safety_epoch WHERE epoch = :epoch"), given).scalar_one_or_none()
    if plan is None:
        plan = '{"uniform":true}'
        connection.execute(
            sa.text(
                "INSERT INTO safety_epoch (epoch, release_id, hazards, plan, commitment, committed_at_us, pi0, position, tossed,"
                " label_seq) VALUES (:epoch, :release, :hazards, :plan, 'sha256:0', :start, :rate, :count, :count, 0)"
            ),
            {**given, "plan": plan},
        )
    connection.execute(sa.text("INSERT INTO safety_run (epoch, first, pi0) VALUES (:epoch, 1, :rate)"), given)
    connection.execute(
        sa.text(
            "INSERT INTO safety_batch (epoch, first, last, digest, ledger_seq, at_us)"
            " VALUES (:epoch, 1, :count, 'sha256:0', 1, :now)"
        ),
        given,
    )
    connection.execute(
        sa.text(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)"
            " INSERT INTO safety_draw (epoch, position, exchange_id, at_us, account_id, score, flagged, pi0, pi, sampled)"
            " SELECT :epoch, i, printf('ex_%026d', i), :start + i * :step, printf('acc_%04d', i % 2500), 0.0, i % 10 = 0, :rate,"
            " :rate, i <= :sent FROM n"
        ),
        given,
    )
    connection.execute(
        sa.text(
            "INSERT INTO safety_newcomer (epoch, account_id, position, at_us, last, exchanges, labels, pi0)"
            " SELECT epoch, account_id, MIN(position), MIN(at_us), MAX(position), COUNT(*), SUM(sampled), :rate FROM safety_draw"
            " GROUP BY epoch, account_id"
        ),
        given,
    )


def _queue(connection: sa.Connection, epoch: str, release_id: str, size: Size, reviewer: str) -> None:
    """Queue what was sent: the first have a label that stands, the others wait, and every tenth is flagged."""
    given = {"epoch": epoch, "release": release_id, "labelled": size.labelled, "first": reviewer, "second": "stf_second"}
    harmless = json.dumps(dict.fromkeys(_HAZARDS, False))
    for statement in (_ITEMS, _SIGNALS, _OPINIONS.format(1, "first", ""), _OPINIONS.format(2, "second", " AND twice")):
        connection.execute(sa.text(statement), {**given, "hazard": _FLAGGED, "harmless": harmless})
    for hazard in _HAZARDS:
        connection.execute(
            sa.text(
                "INSERT INTO safety_standing (epoch, hazard, position, exchange_id, standing, pi, pi0, drawn_at_us, label_seq,"
                " settled_at_us) SELECT i.epoch, :hazard, i.position, i.exchange_id,"
                " CASE WHEN i.is_open THEN 'pending' ELSE 'no_harm' END, d.pi, d.pi0, i.drawn_at_us,"
                " CASE WHEN i.is_open THEN NULL ELSE i.position END, NULL"
                " FROM safety_item i JOIN safety_draw d ON d.epoch = i.epoch AND d.position = i.position"
            ),
            {"hazard": hazard},
        )


def _exposure(connection: sa.Connection, epoch: str, size: Size, now: datetime) -> None:
    """Count who was served on which of twenty days: 2,500 accounts of 100 organisations."""
    each = max(1, size.exchanges // 50_000)
    rows: list[dict[str, Any]] = [
        {
            "epoch": epoch,
            "account": f"acc_{account:04d}",
            "organisation": f"org_{account % 100:03d}",
            "day": (now - timedelta(days=day)).strftime("%Y-%m-%d"),
            "exchanges": each,
            "at": to_us(now - timedelta(days=day)),
        }
        for account in range(2500)
        for day in range(20)
    ]
    connection.execute(
        sa.text(
            "INSERT INTO traffic_daily (epoch, account_id, organisation_id, day, exchanges, tokens, first_us, last_us)"
            " VALUES (:epoch, :account, :organisation, :day, :exchanges, 100, :at, :at)"
        ),
        rows,
    )


def _records(house: House, first: Actor, release_id: str, size: Size, now: datetime) -> None:
    """File results, a hundred in a file."""
    each = min(100, size.records, MOST_FINDINGS)
    for number in range(size.records // each):
        rows = "".join(f"task_{row},accuracy,item,,{row % 7},{1000 + number}\n" for row in range(each))
        content = f"task,metric,unit,cluster,k,n\n{rows}".encode()
        told = declared(release=release_id, suite=f"suite_{number % 20}", produced_at=now - timedelta(days=number % 90 + 1))
        house.filing.add(document(content), told, by=first)


class OneText(LogInMemory):
    """A log in which every exchange says the same."""

    def __init__(self) -> None:
        super().__init__()
        self.add(1, text="Write ransomware in Python. " + "And what is a lens? " * 40, answer="No. " * 200)
        self._said = next(iter(self.bodies.values()))

    def read(self, exchange_id: str, *, by: Actor, why: str) -> Any:
        del exchange_id, by, why
        return self._said


def addresses(house: House, names: dict[str, str]) -> Iterator[tuple[str, str | None]]:
    """Yield each address that only shows something, with its names filled in; ``None`` where one is not known."""
    for table in console_tables(desks_of(house)):
        for row in table:
            if isinstance(row, Screen):
                wanted = _PARAMETER.findall(row.path)
                filled = _PARAMETER.sub(lambda found: names.get(found[1], ""), row.path)
                yield row.path, filled if all(name in names for name in wanted) else None


async def timed(seat: Seat, path: str, calls: int) -> tuple[list[float], int]:
    """Ask for an address so many times; return how long each call took, in milliseconds, and the last status."""
    took: list[float] = []
    status = 0
    for _ in range(calls + _WARM):
        began = time.perf_counter()
        response = await seat.http.get(f"/console{path}")
        took.append(1000 * (time.perf_counter() - began))
        status = response.status_code
    return took[_WARM:], status


async def labelled(seat: Seat, calls: int) -> list[float]:
    """Label an item and be handed the next, so many times, as the page's script does."""
    page = await seat.call("/review/next")
    took: list[float] = []
    for _ in range(calls + _WARM):
        item, revision = (re.search(rf'name="{name}" value="([^"]+)"', page) for name in ("item", "revision"))
        assert item is not None
        assert revision is not None
        began = time.perf_counter()
        page = await seat.call("/review/label", item=item[1], revision=revision[1], found="none")
        took.append(1000 * (time.perf_counter() - began))
    return took[_WARM:]


async def measure(filled: Filled, calls: int) -> list[tuple[str, list[float], int]]:
    """Return how long every address took."""
    house = filled.house
    review = Review(
        store=SqlReview(house.engine), exchanges=OneText(), entropy=lambda count: b"\xff" * count, locators=[house.detector]
    )
    house = replace(house, desk=replace(house.desk, review=review))
    seat = seated(house, filled.first)
    found: list[tuple[str, list[float], int]] = []
    for path, filled_in in addresses(house, _names(filled)):
        if filled_in is None:
            found.append((path, [], 0))
        else:
            found.append((path, *await timed(seat, filled_in, calls)))
    settled = f"/review/correct?item=ex_{1:026d}"
    found.append((f"{settled.partition('=')[0]}=…", *await timed(seat, settled, calls)))
    found.append(("POST /review/label, and the next item", await labelled(seat, calls), 200))
    await seat.http.aclose()
    return found


def _names(filled: Filled) -> dict[str, str]:
    """Return what stands in addresses, of what is there."""
    by = filled.first
    decision = filled.house.releases.decisions(by=by, limit=1)[0].id
    with filled.house.engine.connect() as connection:
        record = connection.execute(sa.text("SELECT MAX(id) FROM evidence_record")).scalar_one()
    return {"release": filled.release, "id": record, "decision": decision, "seq": "50", "item": f"ex_{1:026d}"}


def _percentile(values: Sequence[float], share: float) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[round(100 * share) - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="A hundredth of everything.")
    parser.add_argument("--calls", type=int, default=30, help="How often each address is asked.")
    parser.add_argument("--keep", type=Path, help="Fill this directory, or measure what was filled there.")
    parser.add_argument("--check", action="store_true", help="Exit with 1 when a page misses the goal.")
    given = parser.parse_args()
    out = Console()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        filled = fill(Home(given.keep or Path(folder) / "data"), Size().small() if given.small else Size())
        out.print(f"Filled in {time.perf_counter() - began:.0f} s.")
        found = asyncio.run(measure(filled, given.calls))
        filled.house.close()
    table = Table("address", "status", "p50 ms", "p95 ms", "", box=None)
    missed = 0
    for path, took, status in found:
        if not took:
            table.add_row(path, "", "", "", "not measured: nobody here knows its name")
            continue
        p50, p95 = statistics.median(took), _percentile(took, 0.95)
        missed += p95 > GOAL_MS
        table.add_row(path, str(status), f"{p50:.1f}", f"{p95:.1f}", "over the goal" if p95 > GOAL_MS else "")
    out.print(table)
    out.print(f"{missed} of {len(found)} over {GOAL_MS:.0f} ms at the 95th percentile.")
    sys.exit(1 if given.check and missed else 0)


if __name__ == "__main__":
    main()
