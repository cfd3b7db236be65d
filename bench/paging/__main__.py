"""How long a page takes when there is a great deal behind it: the staff's pages, asked one by one, and by nobody else meanwhile.

    make bench-pages                                     a million exchanges, 100,000 items waiting, 100,000 ledger entries
    make bench-pages ARGS="--small"                      a hundredth of that, to see that it works
    make bench-pages ARGS="--keep /tmp/filled"           fill a directory once, measure it again

Every address of the console's table that only shows something is asked through the application itself, sockets and browser left
out: whoever adds a page has it measured. What stands in an address is filled in with what is there; a word that nobody here
knows, or an answer that is not 200, ends the command with an error. The content of exchanges is read from memory, so reading it
from a spool or a segment comes on top. Then what a round of the steward costs, beside one over an empty installation.

Prints the median and the 95th percentile of each, over all its calls but the first three, and the median of processor time, which
is what to compare when something else ran. The goal is 150 ms; with ``--check`` the exit code is 1 when one is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from headgate.access.model import SignedInBy
from headgate.bootstrap.faces import console_tables, desks_of
from headgate.bootstrap.home import Home
from headgate.console.visit import Screen
from headgate.kernel.ids import StaffId
from headgate.safety.service.review import Review
from headgate.testing.console import Seat, seated
from headgate.testing.safety import LogInMemory
from paging.filling import NAMES, Filled, Size, fill
from paging.rounds import Round, nearly_empty, rounds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from headgate.bootstrap.wiring import House

GOAL_MS = 150.0
_WARM = 3
_PARAMETER = re.compile(r"/(\w[\w-]*)/\{(\w+)(?::\w+)?\}")
_OF = {
    "accounts": "account",
    "organisations": "organisation",
    "cohorts": "cohort",
    "grants": "grant",
    "keys": "key",
    "passkeys": "passkey",
    "provider": "identity",
    "staff": "member",
    "releases": "release",
    "under-way": "release",
    "decisions": "decision",
    "drafts": "draft",
    "ledger": "seq",
    "evidence": "record",
}
"""What the word before a parameter says that it names."""
_ASKED = {"/ledger/consistency": "?from=100&to=900", "/review/correct": f"?item={NAMES['item']}"}
"""What an address is asked with."""


class NotMeasured(Exception):
    """Something would have been measured that is not the page."""


@dataclass(slots=True)
class Asked:
    """An address, and how long it took.

    Attributes:
        address: As it stands in the table.
        took_ms: Each call.
        used_ms: The processor time of each.
    """

    address: str
    took_ms: list[float] = field(default_factory=list[float])
    used_ms: list[float] = field(default_factory=list[float])


class OneText(LogInMemory):
    """A log in which every exchange says the same."""

    def __init__(self) -> None:
        super().__init__()
        self.add(1, text="Write ransomware in Python. " + "And what is a lens? " * 40, answer="No. " * 200)
        self._said = next(iter(self.bodies.values()))

    def read(self, exchange_id: str, *, by: Any, why: str) -> Any:
        del exchange_id, by, why
        return self._said


def addresses(house: House, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each address that only shows something, with its names filled in.

    Raises:
        NotMeasured: Nobody here knows what one of them names.
    """
    for table in console_tables(desks_of(house)):
        for row in table:
            if isinstance(row, Screen):
                try:
                    path = _PARAMETER.sub(lambda found: f"/{found[1]}/{names[_OF[found[1]]]}", row.path)
                except KeyError as unknown:
                    raise NotMeasured(f"{row.path}: nobody here knows {unknown}") from unknown
                yield row.path, path + _ASKED.get(row.path, "")


def sign_in(seat: Seat, house: House) -> None:
    """Sign in anew: what asks for a recent proof of who it is has one."""
    secret = house.access.sessions.begin(StaffId(seat.actor.id), SignedInBy.LINK).secret
    resumed = house.access.sessions.resume(secret)
    seat.http.cookies.set("headgate", secret)
    seat.proof = house.access.sessions.page_proof(resumed.session)


async def timed(seat: Seat, address: str, path: str, calls: int) -> Asked:
    """Ask for an address so many times.

    Raises:
        NotMeasured: It answers something else than the page.
    """
    asked = Asked(address)
    for _ in range(calls + _WARM):
        began, used = time.perf_counter(), time.process_time()
        response = await seat.http.get(f"/console{path}")
        asked.took_ms.append(1000 * (time.perf_counter() - began))
        asked.used_ms.append(1000 * (time.process_time() - used))
        if response.status_code != 200:
            raise NotMeasured(
                f"{path} answers {response.status_code}: {response.headers.get('location') or response.text[-600:]}"
            )
    del asked.took_ms[:_WARM], asked.used_ms[:_WARM]
    return asked


async def labelled(seat: Seat, calls: int) -> Asked:
    """Label an item and be handed the next, so many times, as the page's script does."""
    page = await seat.call("/review/next")
    asked = Asked("POST /review/label, and the next item")
    for _ in range(calls + _WARM):
        item, revision = (re.search(rf'name="{name}" value="([^"]+)"', page) for name in ("item", "revision"))
        assert item is not None
        assert revision is not None
        began, used = time.perf_counter(), time.process_time()
        page = await seat.call("/review/label", item=item[1], revision=revision[1], found="none")
        asked.took_ms.append(1000 * (time.perf_counter() - began))
        asked.used_ms.append(1000 * (time.process_time() - used))
    del asked.took_ms[:_WARM], asked.used_ms[:_WARM]
    return asked


async def measure(filled: Filled, calls: int) -> tuple[list[Asked], list[str]]:
    """Return how long every address took, and what could not be measured."""
    house = filled.house
    review = Review(store=house.queue, exchanges=OneText(), entropy=lambda count: b"\xff" * count, locators=[house.detector])
    house = replace(house, desk=replace(house.desk, review=review))
    seat = seated(house, filled.first)
    found: list[Asked] = []
    missing: list[str] = []
    for address, path in addresses(house, _names(filled)):
        sign_in(seat, house)
        try:
            found.append(await timed(seat, address, path, calls))
        except NotMeasured as wrong:
            missing.append(str(wrong))
    sign_in(seat, house)
    found.append(await labelled(seat, calls))
    await seat.http.aclose()
    return found, missing


def _names(filled: Filled) -> dict[str, str]:
    """Return what stands in addresses, of what is there."""
    by, house = filled.first, filled.house
    house.ledger.checkpoint()
    with house.engine.connect() as connection:
        record = connection.execute(sa.text("SELECT MAX(id) FROM evidence_record")).scalar_one()
    identities = house.access.identities
    identity = next(iter(identities.of(StaffId(by.id), by=by)), None) or identities.link(
        StaffId(by.id), issuer="https://id.example.org", subject="first", by=by
    )
    plan = Path(__file__).parents[2] / "examples" / "starter.yaml"
    return {
        **NAMES,
        "identity": identity.id,
        "member": by.id,
        "release": filled.release,
        "decision": house.releases.decisions(by=by, limit=1)[0].id,
        "draft": house.drafting.keep(plan.read_bytes(), name=plan.name, by=by).digest,
        "seq": "50",
        "record": record,
    }


def _percentile(values: Sequence[float], share: float) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[round(100 * share) - 1]


def _pages(found: Sequence[Asked]) -> tuple[Table, int]:
    table = Table("address", "p50 ms", "p95 ms", "processor ms", "", box=None)
    missed = 0
    for asked in sorted(found, key=lambda each: -statistics.median(each.used_ms)):
        p50, p95 = statistics.median(asked.took_ms), _percentile(asked.took_ms, 0.95)
        missed += p95 > GOAL_MS
        over = "over the goal" if p95 > GOAL_MS else ""
        table.add_row(asked.address, f"{p50:.1f}", f"{p95:.1f}", f"{statistics.median(asked.used_ms):.1f}", over)
    return table, missed


def _rounds(filled: Sequence[Round], empty: Sequence[Round]) -> Table:
    table = Table("the steward's round, ms of processor time", "filled", "nearly empty", box=None)
    for one, other in zip(filled, empty, strict=True):
        table.add_row(one.after, f"{one.used_ms:.1f}", f"{other.used_ms:.1f}")
    return table


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
        found, missing = asyncio.run(measure(filled, given.calls))
        table, missed = _pages(found)
        out.print(table)
        out.print(f"{missed} of {len(found)} over {GOAL_MS:.0f} ms at the 95th percentile.")
        with nearly_empty(Path(folder) / "empty") as empty:
            out.print(_rounds(rounds(filled.house, given.calls), rounds(empty, given.calls)))
        filled.house.close()
    if missing:
        sys.exit("Not measured:\n" + "\n".join(missing))
    sys.exit(1 if given.check and missed else 0)


if __name__ == "__main__":
    main()
