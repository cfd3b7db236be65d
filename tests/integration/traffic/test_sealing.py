from __future__ import annotations

import asyncio
import errno
import random
import threading
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.testing.traffic import DETECTORS, NOON, REVIEWER, TrafficWorld, an_admission, an_outcome
from headgate.traffic import sealing
from headgate.traffic.errors import LogUnavailable
from headgate.traffic.model import Content, Exchange
from headgate.traffic.orphans import settle_orphans
from headgate.traffic.sealing import Sealed, seal

if TYPE_CHECKING:
    from pathlib import Path

    from headgate.traffic.model import Admission
    from headgate.traffic.spool import Spool

LATER = NOON + timedelta(days=1)
EVERYTHING = 10**9


class Killed(Exception):
    """Stands for a process that stops here."""


def spools_of(world: TrafficWorld) -> dict[str, int]:
    return {spool.name: EVERYTHING for spool in world.spools}


async def test_sealed_exchanges_read_as_before(world: TrafficWorld) -> None:
    spool = world.open()
    admissions = [await world.exchange(spool, capabilities=("tools",), outcome={"detail": None}) for _ in range(25)]
    before, _ = world.log.settled_after({}, 100)

    assert seal(world.directory, older_than=LATER, upto=spools_of(world), most_rows=10) == Sealed(3, 25, 0, ())

    after, cursor = world.log.settled_after({}, 100)
    assert after == before
    assert cursor == {spool.name: 25}
    assert sorted(path.name for path in (world.directory / "segments").iterdir()) == [
        f"{spool.name}.000000000001-000000000010.parquet",
        f"{spool.name}.000000000011-000000000020.parquet",
        f"{spool.name}.000000000021-000000000025.parquet",
    ]
    assert world.log.get(admissions[13].exchange_id) == before[13]
    assert world.log.content(admissions[13].exchange_id, REVIEWER, "a check").request == admissions[13].request_body
    assert all(
        isinstance(each, Content) for each in world.log.contents([a.exchange_id for a in admissions], DETECTORS, "x").values()
    )
    assert {exchange.outcome_seq for exchange in world.log.recent(limit=100)} == set(range(1, 26))


async def test_only_what_is_old_and_taken_is_sealed_and_without_gaps(world: TrafficWorld) -> None:
    spool = world.open()
    old = [await world.exchange(spool) for _ in range(5)]
    world.clock.advance(timedelta(hours=2))
    await world.exchange(spool)
    world.clock.set(NOON)
    await world.exchange(spool)  # old by the clock, but after a young one

    assert seal(world.directory, older_than=NOON + timedelta(hours=1), upto={spool.name: 3}).rows == 3
    assert seal(world.directory, older_than=NOON + timedelta(hours=1), upto={spool.name: EVERYTHING}).rows == 2
    assert seal(world.directory, older_than=NOON + timedelta(hours=1), upto={}).rows == 0

    exchanges, _ = world.log.settled_after({spool.name: 2}, 100)
    assert [exchange.outcome_seq for exchange in exchanges] == [3, 4, 5, 6, 7]
    assert exchanges[0].exchange_id == old[2].exchange_id


async def test_a_short_stretch_of_a_living_worker_waits(world: TrafficWorld) -> None:
    spool = world.open()
    await world.exchange(spool)
    assert seal(world.directory, older_than=LATER, upto=spools_of(world), fewest_rows=2).rows == 0

    await spool.close()

    assert seal(world.directory, older_than=LATER, upto=spools_of(world), fewest_rows=2) == Sealed(1, 1, 1, ())


async def test_a_dead_spool_is_removed_when_it_is_empty_and_not_before(world: TrafficWorld) -> None:
    spool = world.open()
    await spool.admit(an_admission())
    await spool.close()
    folder = world.directory / "spools"

    assert seal(world.directory, older_than=LATER, upto=spools_of(world)).removed == 0
    settle_orphans(world.directory, world.clock)
    assert seal(world.directory, older_than=LATER, upto={}).removed == 0
    assert seal(world.directory, older_than=LATER, upto=spools_of(world)) == Sealed(1, 1, 1, ())
    assert list(folder.iterdir()) == []
    assert len(world.log.settled_after({}, 10)[0]) == 1


async def test_an_exchange_that_is_underway_is_never_sealed(world: TrafficWorld) -> None:
    spool = world.open()
    underway = an_admission()
    await spool.admit(underway)
    await world.exchange(spool)

    seal(world.directory, older_than=LATER, upto=spools_of(world))

    assert [each.exchange_id for each in world.log.underway(limit=10)] == [underway.exchange_id]
    await spool.settle(an_outcome(underway))
    assert [each.outcome_seq for each in world.log.settled_after({}, 10)[0]] == [1, 2]


@pytest.mark.parametrize("killed_in", ["write_segment", "_forget_sealed", "_forget_some", "_remove"])
@pytest.mark.parametrize("call", [0, 1, 2, 3])
async def test_a_sealing_that_is_killed_anywhere_loses_and_doubles_nothing(
    world: TrafficWorld, monkeypatch: pytest.MonkeyPatch, killed_in: str, call: int
) -> None:
    monkeypatch.setattr(sealing, "_ROWS_A_DELETE", 3)
    spool = world.open()
    for _ in range(25):
        await world.exchange(spool)
    await spool.close()
    before, _ = world.log.settled_after({}, 100)
    calls = 0
    real: Any = getattr(sealing, killed_in)

    def killed(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > call:
            raise Killed
        return real(*arguments)

    monkeypatch.setattr(sealing, killed_in, killed)
    try:
        seal(world.directory, older_than=LATER, upto=spools_of(world), most_rows=10)
    except Killed:
        assert world.log.settled_after({}, 100)[0] == before
        assert {each.exchange_id for each in world.log.recent(limit=100)} == {each.exchange_id for each in before}
    monkeypatch.setattr(sealing, killed_in, real)

    seal(world.directory, older_than=LATER, upto=spools_of(world), most_rows=7)

    after, cursor = world.log.settled_after({}, 100)
    assert after == before
    assert cursor == {spool.name: 25}
    assert list((world.directory / "spools").iterdir()) == []


async def test_a_draft_of_a_killed_sealing_is_cleared_away(world: TrafficWorld) -> None:
    draft = world.directory / "segments" / "w1.000000000001-000000000010.tmp"
    draft.write_bytes(b"half")
    stray = world.directory / "spools" / "w1_01KJWJ8D80AAAAAAAAAAAAAAAA.lock"
    stray.touch()

    seal(world.directory, older_than=LATER, upto={})

    assert not draft.exists()
    assert not stray.exists()


async def test_two_sealings_do_not_meet(world: TrafficWorld) -> None:
    spool = world.open()
    for _ in range(300):
        await world.exchange(spool)
    before, _ = world.log.settled_after({}, 1000)

    rounds = await asyncio.gather(
        *(asyncio.to_thread(seal, world.directory, older_than=LATER, upto=spools_of(world), most_rows=50) for _ in range(4))
    )

    assert sum(each.rows for each in rounds) == 300
    assert world.log.settled_after({}, 1000)[0] == before


async def test_a_full_disk_seals_nothing_and_loses_nothing(world: TrafficWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = world.open()
    await world.exchange(spool)

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pyarrow.parquet.write_table", full)
        with pytest.raises(LogUnavailable, match="No space left"):
            seal(world.directory, older_than=LATER, upto=spools_of(world))

    assert list((world.directory / "segments").iterdir()) == []
    assert seal(world.directory, older_than=LATER, upto=spools_of(world)).rows == 1


async def test_a_damaged_spool_does_not_keep_the_others_from_being_sealed(world: TrafficWorld) -> None:
    broken, whole = world.open("broken"), world.open("whole")
    for spool in (broken, whole):
        await world.exchange(spool)
        await spool.close()
    (world.directory / "spools" / f"{broken.name}.sqlite").write_bytes(b"not a database at all" * 1000)

    assert seal(world.directory, older_than=LATER, upto=spools_of(world)) == Sealed(1, 1, 1, (broken.name,))


async def test_a_reader_beside_a_sealing_sees_no_gap(world: TrafficWorld) -> None:
    spool = world.open()
    for _ in range(400):
        await world.exchange(spool)
    sealing_done = threading.Event()
    looks: list[list[int]] = []

    def look() -> None:
        while not sealing_done.is_set():
            looks.append([exchange.outcome_seq for exchange in world.log.settled_after({}, 1000)[0]])

    def seal_bit_by_bit() -> None:
        for upto in range(10, 401, 10):
            seal(world.directory, older_than=LATER, upto={spool.name: upto})
        sealing_done.set()

    await asyncio.gather(asyncio.to_thread(look), asyncio.to_thread(seal_bit_by_bit))

    assert looks
    assert all(look == list(range(1, 401)) for look in looks)


async def test_a_damaged_segment_is_not_skipped(world: TrafficWorld) -> None:
    spool = world.open()
    await world.exchange(spool)
    seal(world.directory, older_than=LATER, upto=spools_of(world))
    (segment,) = (world.directory / "segments").iterdir()
    segment.write_bytes(b"PAR1 not a parquet file PAR1")

    for ask in (lambda: world.log.settled_after({}, 10), lambda: world.log.recent(limit=10)):
        with pytest.raises(LogUnavailable):
            ask()


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_reader_takes_each_exchange_once_whatever_happens_around_it(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    asyncio.run(RandomLife(tmp_path_factory.mktemp("log"), random.Random(seed)).live())


class RandomLife:
    """Admits, settles, restarts, seals (killed at times) and reads (forgetting the answer at times), in any order."""

    def __init__(self, root: Path, chance: random.Random) -> None:
        self.world = TrafficWorld.build(root)
        self.chance = chance
        self.alive = [self.world.open("w1"), self.world.open("w2")]
        self.underway: list[tuple[Spool, Admission]] = []
        self.admitted: set[str] = set()
        self.taken: list[Exchange] = []
        self.cursor: dict[str, int] = {}
        self.counted = 0

    async def live(self) -> None:
        steps = (
            [self.admit] * 3
            + [self.settle] * 3
            + [self.restart, self.settle_orphans, self.seal, self.read, self.read, self.count]
        )
        for _ in range(80):
            await self.chance.choice(steps)()
        await self.come_to_an_end()

        assert len(self.taken) == len(self.admitted) == self.counted
        assert {exchange.exchange_id for exchange in self.taken} == self.admitted
        for spool in {exchange.spool for exchange in self.taken}:
            places = [exchange.outcome_seq for exchange in self.taken if exchange.spool == spool]
            assert places == list(range(1, len(places) + 1))
        assert self.world.exposures.release_exposure(an_admission().release_id).exchanges == len(self.admitted)
        await self.world.close()

    async def admit(self) -> None:
        spool, admission = self.chance.choice(self.alive), an_admission()
        await spool.admit(admission)
        self.admitted.add(admission.exchange_id)
        self.underway.append((spool, admission))

    async def settle(self) -> None:
        if self.underway:
            spool, admission = self.underway.pop(self.chance.randrange(len(self.underway)))
            await spool.settle(an_outcome(admission))

    async def restart(self) -> None:
        dead = self.alive.pop(0)
        await dead.close()
        self.underway = [(spool, admission) for spool, admission in self.underway if spool is not dead]
        self.alive.append(self.world.open(f"w{self.chance.randrange(9)}"))

    async def settle_orphans(self) -> None:
        settle_orphans(self.world.directory, self.world.clock)

    async def seal(self) -> None:
        real = sealing._forget_sealed
        lives = self.chance.randrange(1, 12)

        def mortal(*arguments: Any) -> None:
            nonlocal lives
            lives -= 1
            if not lives:
                raise Killed
            real(*arguments)

        upto = self.cursor if self.chance.random() < 0.5 else spools_of(self.world)
        with pytest.MonkeyPatch.context() as patch, suppress(Killed):
            patch.setattr(sealing, "_forget_sealed", mortal)
            seal(self.world.directory, older_than=LATER, upto=upto, most_rows=self.chance.randrange(1, 9))

    async def read(self) -> None:
        found, after = self.world.log.settled_after(self.cursor, self.chance.randrange(1, 12))
        if self.chance.random() < 0.8:
            self.taken += found
            self.cursor = after

    async def count(self) -> None:
        self.counted += self.world.exposures.collect(self.chance.randrange(1, 12))

    async def come_to_an_end(self) -> None:
        for spool in self.alive:
            await spool.close()
        settle_orphans(self.world.directory, self.world.clock)
        while (page := self.world.log.settled_after(self.cursor, 7))[0]:
            self.taken += page[0]
            self.cursor = page[1]
        while added := self.world.exposures.collect(7):
            self.counted += added
