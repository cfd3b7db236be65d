"""Evidence asks who was served on which side of a holdback, and who of them did harm; nothing that names anybody goes there.

Releases say for what lots are drawn, access when a seat began, the exchange log who was served, and safety what was confirmed.

An account is compared for one window on either side, from when the stage opened or its seat began. Only whole UTC days that are
over count, and the day on which a window ends does not: on it, somebody who was held back is so no longer. Those who are
held back count by what they did while they were, under an epoch of its own; what they do later belongs to neither side.

Days are read once they are over. What settles late is still taken in for another day, then the day stands.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from headgate.access.model import Page
from headgate.evidence.model.holdback import Compared, HoldbackDay, HoldbackRule
from headgate.kernel.actor import Actor, Permission
from headgate.kernel.ids import AccountId, EpochId
from headgate.kernel.lots import is_drawn
from headgate.releases.decide import holdback
from headgate.releases.errors import ReleaseNotFound
from headgate.releases.model.holdback import HELD_BACK
from headgate.releases.model.release import LIVE_STATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from headgate.access.service import Access
    from headgate.kernel.clock import Clock
    from headgate.releases.model.holdback import Holdback
    from headgate.releases.model.plan import Plan, Stage
    from headgate.releases.model.release import Release
    from headgate.releases.ports import Releases
    from headgate.safety.ports import ConfirmedHarm, SamplingStore
    from headgate.traffic.rollup import Exposures

_READER = Actor.system("evidence", Permission.VIEW)
_DAY = timedelta(days=1)
_PAGE = 1000
SETTLES_FOR = _DAY
"""How long after its end a day is read anew, because exchanges of it may still be settled."""
REREAD_AFTER = timedelta(hours=1)
"""How often, at most, it is."""


@dataclass(frozen=True, slots=True)
class _Served:
    """How often an account was served on a day on which it is compared, and for whom it counts."""

    unit: str
    new: bool
    exchanges: int


@dataclass(frozen=True, slots=True)
class _Known:
    """What has been read of one epoch: by day, by account; days up to ``final`` are not read again."""

    days: Mapping[date, dict[str, _Served]] = field(default_factory=dict[date, dict[str, _Served]])
    final: date | None = None
    read_at: datetime | None = None


@dataclass(slots=True)
class _Seats:
    """When accounts' seats in a cohort began, as far as the grant ``after``."""

    after: str = ""
    began: dict[str, tuple[datetime, ...]] = field(default_factory=dict[str, tuple[datetime, ...]])


@dataclass(frozen=True, slots=True)
class _Lots:
    """What tells which side an account is on, and when it is compared."""

    key: str
    cohort: str
    since: datetime
    share: float
    window: timedelta


class SidesOfHoldbacks:
    """Evidence's ``HeldBackSource`` over releases, access, the exchange log and safety.

    Args:
        releases: Which stage an epoch is of.
        access: When seats began.
        exposures: Who was served on which day.
        draws: What reviewers have confirmed.
        clock: Tells which days are over.
    """

    def __init__(self, releases: Releases, access: Access, exposures: Exposures, draws: SamplingStore, clock: Clock) -> None:
        self._releases = releases
        self._access = access
        self._exposures = exposures
        self._draws = draws
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._reading = threading.Lock()
        self._seats: dict[str, _Seats] = {}
        self._last: dict[tuple[str, str], tuple[object, tuple[tuple[ConfirmedHarm, ...], ...], Compared]] = {}

    def epoch(self, named: str) -> str:
        if "/" in named:
            return named
        with self._releases.snapshot() as tx:
            known = [one for one in tx.list() if named in {one.id, one.model} and one.reached]
        best = next((one for one in known if one.state in LIVE_STATES), next(iter(known), None))
        if best is None:
            raise ReleaseNotFound(f"There is no release {named!r} that was ever open.", help="headgate release list")
        return best.epoch(best.plan.stages[(best.stage or best.reached) - 1].name)

    def rule(self, epoch: str) -> HoldbackRule | None:
        found = self._stage(epoch)
        if found is None or found[1].holdback is None:
            return None
        return rule_of(found[1].holdback, found[0].plan)

    def compared(self, epoch: str, rule: HoldbackRule) -> tuple[Compared, ...]:
        found = self._stage(epoch)
        if found is None:
            return tuple(Compared(hazard, ()) for hazard in rule.hazards)
        release, stage = found
        key, since = holdback.key(release, stage.name), release.admits_since(stage.name)
        days = self._days(epoch, _Lots(key, stage.who.cohort, since, rule.share, rule.window))
        return tuple(self._side_by_side(epoch, hazard, days) for hazard in rule.hazards)

    def _stage(self, epoch: str) -> tuple[Release, Stage] | None:
        """Return the release and the stage whose present or past epoch this is."""
        release_id, _, rest = epoch.partition("/")
        name = rest.rpartition("/")[0]
        with self._releases.snapshot() as tx:
            release = next((one for one in tx.list() if one.id == release_id), None)
        stage = None if release is None else release.plan.stage(name)
        if release is None or stage is None or epoch not in release.epochs(name):
            return None
        return release, stage

    def _days(self, epoch: str, lots: _Lots) -> Mapping[date, Mapping[str, _Served]]:
        """Return the accounts that are compared on each day that is over, as they were served."""
        now = self._clock.now()
        with self._reading:
            known = self._known.get(epoch, _Known())
            if known.read_at is None or not _fresh(known.read_at, now):
                known = self._known[epoch] = self._read(epoch, lots, known, now)
            return known.days

    def _read(self, epoch: str, lots: _Lots, known: _Known, now: datetime) -> _Known:
        since = lots.since.astimezone(UTC).date() if known.final is None else known.final + _DAY
        today = now.astimezone(UTC).date()
        days = {day: served for day, served in known.days.items() if day < since}
        self._learn_seats(lots.cohort)
        for of, new in ((epoch, True), (epoch + HELD_BACK, False)):
            for row in self._exposures.days_of(EpochId(of), since=since.isoformat(), until=today.isoformat()):
                unit, day = row.organisation_id or row.account_id, date.fromisoformat(row.day)
                if is_drawn(lots.key, unit, lots.share) is not new and self._in_window(row.account_id, day, lots):
                    days.setdefault(day, {})[row.account_id] = _Served(unit, new, row.exchanges)
        settled = (now - SETTLES_FOR).astimezone(UTC).date() - _DAY  # the last day that was over for so long
        return _Known(days, settled if known.final is None else max(settled, known.final), now)

    def _in_window(self, account: str, day: date, lots: _Lots) -> bool:
        starts = [max(lots.since, began) for began in self._began(account, lots.cohort)] or [lots.since]
        whole = [(began.astimezone(UTC).date(), (began + lots.window).astimezone(UTC).date()) for began in starts]
        return any(first <= day < last for first, last in whole)

    def _began(self, account: str, cohort: str) -> tuple[datetime, ...]:
        """Return when an account's seats in the cohort began."""
        seats = self._seats[cohort]
        if account not in seats.began:  # its seat was given out of turn, by a clock that was set back
            grants = self._access.grants.page(account_id=AccountId(account), cohort=cohort, by=_READER)
            seats.began[account] = tuple(grant.starts_at for grant in grants)
        return seats.began[account]

    def _learn_seats(self, cohort: str) -> None:
        """Take in the seats that were given since the last time; a seat's beginning never changes."""
        seats = self._seats.setdefault(cohort, _Seats())
        while grants := self._access.grants.page(Page(seats.after, _PAGE), cohort=cohort, by=_READER):
            for grant in grants:
                seats.began[grant.account_id] = (*seats.began.get(grant.account_id, ()), grant.starts_at)
            seats.after = grants[-1].id

    def _side_by_side(self, epoch: str, hazard: str, days: Mapping[date, Mapping[str, _Served]]) -> Compared:
        confirmed = tuple(self._draws.confirmed(of, hazard) for of in (epoch, epoch + HELD_BACK))
        last = self._last.get((epoch, hazard))
        if last is not None and last[0] is days and last[1] == confirmed:
            return last[2]  # a controller asks at every tick
        first: dict[str, tuple[date, bool]] = {}
        for harms, new in zip(confirmed, (True, False), strict=True):
            for unit, day in _first_harms(harms, days, new=new):
                first.setdefault(unit, (day, new))
        found = Compared(hazard, tuple(each for day in sorted(days) if (each := _day(day, days[day], first)) is not None))
        self._last[epoch, hazard] = (days, confirmed, found)
        return found


def rule_of(asked: Holdback, plan: Plan) -> HoldbackRule:
    """Return how the plan wants a stage's people compared: in respect of every hazard that it declares."""
    return HoldbackRule(tuple(plan.hazards), asked.share, asked.window, asked.alpha)


def _fresh(read_at: datetime, now: datetime) -> bool:
    """Return whether what was read then is good enough now; a clock that was set back makes nothing fresher."""
    same_day = read_at.astimezone(UTC).date() == now.astimezone(UTC).date()
    return same_day and timedelta(0) <= now - read_at < REREAD_AFTER


def _first_harms(
    confirmed: Iterable[ConfirmedHarm], days: Mapping[date, Mapping[str, _Served]], *, new: bool
) -> Iterable[tuple[str, date]]:
    """Yield the unit and the day of each harm on a day on which its account is compared on this side, in the order of labels."""
    for harm in confirmed:
        day = harm.at.astimezone(UTC).date()
        served = days.get(day, {}).get(harm.account_id)
        if served is not None and served.new is new:
            yield served.unit, day


def _day(day: date, served: Mapping[str, _Served], first: Mapping[str, tuple[date, bool]]) -> HoldbackDay | None:
    """Return one day of the units that had shown nothing on an earlier day; ``None`` when none of them was served."""
    exchanges: dict[bool, Counter[str]] = defaultdict(Counter)
    for each in served.values():
        if each.unit not in first or day <= first[each.unit][0]:
            exchanges[each.new][each.unit] += each.exchanges
    if not exchanges:
        return None
    harms = Counter(new for on, new in first.values() if on == day)
    new, old = exchanges[True], exchanges[False]
    return HoldbackDay(day.isoformat(), len(new), len(old), new.total(), old.total(), harms[True], harms[False])
