"""Evidence asks safety who came and what they showed, and access what they are; nothing that names anybody goes to evidence."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from headgate.evidence.model import Harm
from headgate.evidence.model.course import PeopleUpTo
from headgate.evidence.model.people import Division, KindsShown, Showing, Stratum, Stretch
from headgate.evidence.model.users import CleanUsers, HarmfulUser, LabelledUsers
from headgate.safety.model import OTHER
from headgate.safety.sampling.newcomers import FIRST_DAYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from headgate.bootstrap.bridges.strata import Strata
    from headgate.evidence.model.people import Expected
    from headgate.kernel.clock import Clock
    from headgate.safety.ports import SamplingStore
    from headgate.safety.sampling.newcomers import Newcomer, Newcomers


class SafetyPeople:
    """Evidence's ``PeopleSource`` over safety's newcomers and access's accounts.

    Args:
        draws: Where safety keeps who came.
        strata: Tells people apart.
        clock: Tells whose first days are over.
        deadline: How long a sampled exchange may stay unresolved before it counts as harm.
    """

    def __init__(self, draws: SamplingStore, strata: Strata, clock: Clock, deadline: timedelta) -> None:
        self._draws = draws
        self._strata = strata
        self._clock = clock
        self._deadline = deadline

    def kinds(self, epoch: str) -> KindsShown:
        found = self._newcomers(epoch, OTHER, self._clock.now())
        stretches = tuple(
            Stretch(sum(1 for _ in alike), pi0) for pi0, alike in groupby(found.counted, key=lambda newcomer: newcomer.pi0)
        )
        shown = tuple(
            Showing(place, each.pi, each.kinds) for place, who in enumerate(found.counted, start=1) for each in who.shown
        )
        return KindsShown(epoch, FIRST_DAYS, stretches, shown, len(found.counted) + len(found.waiting))

    def divisions(self, epoch: str, expected: Sequence[Expected]) -> tuple[Division, ...]:
        now = self._clock.now()
        came = {wanted.hazard: self._newcomers(epoch, wanted.hazard, now) for wanted in expected}
        accounts = sorted({account for found in came.values() for account in _accounts(found)})
        named = {wanted.of: self._strata.named(epoch, wanted.of, accounts) for wanted in expected}
        return tuple(_division(came[wanted.hazard], named[wanted.of], wanted) for wanted in expected)

    def divisions_course(self, epoch: str, expected: Sequence[Expected], *, most: int) -> tuple[PeopleUpTo, ...]:
        now = self._clock.now()
        came = {wanted.hazard: self._newcomers(epoch, wanted.hazard, now) for wanted in expected}
        accounts = sorted({account for found in came.values() for account in _accounts(found)})
        named = {wanted.of: self._strata.named(epoch, wanted.of, accounts) for wanted in expected}
        users = max((len(found.counted) for found in came.values()), default=0)
        every = -(-users // most) or 1
        ends = [*range(every, users, every), users] if users else []
        return tuple(
            PeopleUpTo(
                end,
                tuple(
                    _division(came[each.hazard] if end == users else _first(came[each.hazard], end), named[each.of], each)
                    for each in expected
                ),
            )
            for end in ends
        )

    def _newcomers(self, epoch: str, hazard: str, now: datetime) -> Newcomers:
        return self._draws.newcomers(epoch, hazard, now=now, d_max=self._deadline)


def _first(found: Newcomers, users: int) -> Newcomers:
    """Return what was known when only the first so many of those who count now had come."""
    return replace(found, counted=found.counted[:users], waiting=())


def _accounts(found: Newcomers) -> list[str]:
    """Return everybody who came, in the order in which they came."""
    return [*(newcomer.account_id for newcomer in found.counted), *found.waiting]


def _division(found: Newcomers, named: Mapping[str, str], expected: Expected) -> Division:
    came = Counter(named[account] for account in _accounts(found))
    first_seen: dict[str, int] = {}
    for place, account in enumerate(_accounts(found), start=1):
        first_seen.setdefault(named[account], place)
    counted: dict[str, list[Newcomer]] = defaultdict(list)
    for newcomer in found.counted:
        counted[named[newcomer.account_id]].append(newcomer)
    return Division(
        of=expected.of,
        hazard=expected.hazard,
        worst_share=expected.worst_share,
        strata=tuple(
            Stratum(name, expected.shares.get(name, 0.0), _labelled(found, counted[name], came[name]))
            for name in dict.fromkeys([*expected.shares, *first_seen])
        ),
        first_seen=tuple(first_seen.values()),
    )


def _labelled(found: Newcomers, who: Sequence[Newcomer], came: int) -> LabelledUsers:
    """Return some of the newcomers in evidence's words; a user is weighed by the least floor of their first days."""
    clean = [newcomer for newcomer in who if not newcomer.shown]
    groups = groupby(sorted(clean, key=lambda newcomer: newcomer.pi0), key=lambda newcomer: newcomer.pi0)
    return LabelledUsers(
        epoch=found.epoch,
        hazard=found.hazard,
        window=FIRST_DAYS,
        clean=tuple(_alike(pi0, list(alike)) for pi0, alike in groups),
        harmful=tuple(
            HarmfulUser(
                newcomer.exchanges,
                newcomer.labels,
                newcomer.pi0,
                tuple(Harm(shown.pi, newcomer.pi0) for shown in newcomer.shown if shown.confirmed),
                tuple(Harm(shown.pi, newcomer.pi0) for shown in newcomer.shown if not shown.confirmed),
            )
            for newcomer in who
            if newcomer.shown
        ),
        enrolled=came,
    )


def _alike(pi0: float, newcomers: Sequence[Newcomer]) -> CleanUsers:
    exchanges = sum(newcomer.exchanges for newcomer in newcomers)
    return CleanUsers(len(newcomers), exchanges, sum(newcomer.labels for newcomer in newcomers), pi0)
