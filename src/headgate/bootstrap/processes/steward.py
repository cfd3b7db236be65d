"""The steward: everything that Headgate does on a timer.

Run as ``python -m headgate.bootstrap.processes.steward`` with the installation named by ``HEADGATE_DATA``. The order of a round
is the order of the evidence: what dead workers left is settled, settled exchanges are counted and drawn, and only then are
tripwires and gates judged. Killed at any point, it loses nothing and does nothing twice; a second one stands by.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from headgate.bootstrap import logs
from headgate.bootstrap.bridges.cohorts import keep_cohorts
from headgate.bootstrap.bridges.epochs import EpochKeeper
from headgate.bootstrap.bridges.exchanges import places
from headgate.bootstrap.bridges.forecasts import note_forecasts
from headgate.bootstrap.home import Home
from headgate.bootstrap.processes.collecting import collect_everything, keep_what_is_here
from headgate.bootstrap.processes.parent import end_with_parent
from headgate.bootstrap.processes.rounds import Job, Rounds
from headgate.bootstrap.settings import load
from headgate.bootstrap.wiring import House, open_house
from headgate.gateway.store import Keeping, remove_what_is_kept_no_more, remove_what_is_over
from headgate.kernel.actor import Actor, Permission
from headgate.kernel.clock import to_us
from headgate.releases.model.release import State
from headgate.releases.service.control import Controller
from headgate.traffic.orphans import settle_orphans
from headgate.traffic.sealing import seal

if TYPE_CHECKING:
    from types import FrameType

KEEPER = Actor.system("keeper", Permission.DESTROY_CONTENT)
"""Who ends what has been kept long enough."""

_BATCH = 2000
_BATCHES_A_ROUND = 20


class Steward:
    """The jobs over one house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._epochs = EpochKeeper(house.desk.sampling)
        self._cohorts_kept_at = -1
        self._controller = Controller(house.releases, house.clock, holder=f"{socket.gethostname()}:{os.getpid()}")

    def jobs(self) -> list[Job]:
        """Return everything there is to do, in the order of a round."""
        tick = self._house.settings.tick_s
        return [
            Job("settle orphans", max(tick, 1.0), self.settle_orphans),
            Job("count exposure", tick, self.count),
            Job("keep epochs", tick, self.keep_epochs),
            Job("draw for review", tick, self.draw),
            Job("control releases", tick, self.control),
            Job("keep cohorts", tick, self.keep_cohorts),
            Job("note forecasts", 60.0, self.note_forecasts),
            Job("sweep access", 15.0, self.sweep),
            Job("sign the ledger", 60.0, self.sign),
            Job("seal exchanges", 300.0, self.seal),
            Job("end retention", 3600.0, self.end_retention),
            Job("end limits", 3600.0, self.end_limits),
            Job("end objects", 3600.0, self.end_objects),
        ]

    def end_limits(self, now: datetime) -> int:
        """Forget what was counted in windows that are long over."""
        return remove_what_is_over(self._house.engine, now_us=to_us(now))

    def end_objects(self, now: datetime) -> int:
        """Forget whose the things are that model servers keep no more."""
        settings = self._house.settings
        ended = {release.id for release in self._house.releases.every() if release.state is State.WITHDRAWN}
        answers, files = timedelta(days=settings.kept_answers_days), timedelta(days=settings.kept_files_days)
        return remove_what_is_kept_no_more(self._house.engine, Keeping(answers, files, ended), now=now)

    def settle_orphans(self, _now: datetime) -> int:
        """Settle what dead workers left open."""
        return settle_orphans(self._house.home.traffic, self._house.clock).settled

    def count(self, _now: datetime) -> int:
        """Count newly settled exchanges into the exposure."""
        counted = 0
        for _ in range(_BATCHES_A_ROUND):
            taken = self._house.exposures.collect(_BATCH)
            counted += taken
            if taken < _BATCH:
                break
        return counted

    def keep_epochs(self, now: datetime) -> int:
        """Commit to the seeds of stages that opened, and close the epochs of those that ended."""
        return self._epochs.keep(self._house.releases.every(), now=now)

    def draw(self, now: datetime) -> int:
        """Score newly settled exchanges and draw them for review."""
        drawn = 0
        for _ in range(_BATCHES_A_ROUND):
            collected = self._house.desk.sampling.collect(_BATCH, now=now)
            drawn += collected.drawn
            if collected.read < _BATCH:
                break
        return drawn

    def control(self, _now: datetime) -> int:
        """Judge tripwires, then gates, then approvals, and carry out what follows."""
        return len(self._controller.tick().decisions)

    def keep_cohorts(self, _now: datetime) -> int:
        """Give access the seats that plans declare, whenever anything at all has changed: neither changes off the ledger."""
        head = self._house.ledger.head().size
        if head == self._cohorts_kept_at:
            return 0
        changed = keep_cohorts(self._house.releases.every(), self._house.access, self._house.ledger)
        self._cohorts_kept_at = head
        return changed

    def note_forecasts(self, _now: datetime) -> int:
        """Write down what the gates that are waited for predict, a day after the last time or when a verdict is new."""
        return note_forecasts(self._house.releases.every(), self._house.evidence, self._house.forecasting)

    def sweep(self, now: datetime) -> str:
        """Write down every end of access that has come."""
        swept = self._house.access.sweep(now)
        return str(swept) if any((swept.grants_ended, swept.terms_lapsed, swept.keys_expired, swept.keys_dormant)) else ""

    def sign(self, _now: datetime) -> int:
        """Sign the ledger's head, if there is anything new."""
        self._house.ledger.checkpoint()
        return 0

    def seal(self, now: datetime) -> int:
        """Move exchanges that everybody has taken into sealed segments."""
        counted = self._house.exposures.cursor()
        drawn = self._drawn_upto()
        upto = {spool: min(seq, drawn.get(spool, 0)) for spool, seq in counted.items()}
        older_than = now - timedelta(seconds=self._house.settings.seal_after_s)
        return seal(self._house.home.traffic, older_than=older_than, upto=upto).rows

    def _drawn_upto(self) -> dict[str, int]:
        with self._house.draws.transaction() as tx:
            return places(tx.bookmark().cursor)

    def end_retention(self, now: datetime) -> int:
        """Destroy the keys of transcripts that were kept long enough."""
        last_day = (now - timedelta(days=self._house.settings.retention_days)).date()
        return len(self._house.retention.destroy_before(last_day, KEEPER))


def main() -> None:
    """Go round until told to stop."""
    end_with_parent()
    home = Home(Path(os.environ["HEADGATE_DATA"])).must_exist()
    settings = load(home.root, os.environ)
    logs.configure(settings.log_level)
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    house = open_house(home, settings)
    keep_what_is_here()
    try:
        Rounds(Steward(house).jobs(), house.clock).until(stop)
    finally:
        house.close()
        collect_everything()


if __name__ == "__main__":
    main()
