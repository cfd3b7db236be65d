"""What every store of limits must do; SQLite's is the one there is."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.adapters.database import open_sqlite
from headgate.gateway.ports import Ask, Borrow, Chores, Leases, Lent, Look, Short, Slice, SlotWish
from headgate.gateway.store import SLICES, SqlLeases, metadata, remove_what_is_over
from headgate.kernel.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MINUTE_US = 60_000_000
NOW_US = 1_000 * MINUTE_US
TTL_S = 10.0

Opener = "Callable[[str], Leases]"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "limits.db"


@pytest.fixture
def open_leases(database: Path) -> Iterator[Callable[[str], Leases]]:
    engine = open_sqlite(database)
    metadata.create_all(engine)
    yield lambda owner: SqlLeases(engine, owner=owner, slot_ttl_s=TTL_S)
    engine.dispose()


def stands(scope: str, left: int, *, window_start_us: int = NOW_US) -> Slice:
    return Slice(scope, window_start_us, 0, left)


def used_up(*, window_start_us: int = NOW_US) -> Short:
    return Short("g", 0, window_start_us, (stands("g", 0, window_start_us=window_start_us),))


def borrow(
    leases: Leases, need: int, *, limit: int = 10, scope: str = "g", window_us: int = MINUTE_US, now_us: int = NOW_US
) -> Lent | Short:
    return leases.carry_out([Ask((Borrow(scope, limit, window_us, need),), ())], Chores(), now_us=now_us)[0]


def take(leases: Leases, slot_id: str, *, limit: int = 1, now_us: int = NOW_US) -> bool:
    return isinstance(leases.carry_out([Ask((), (SlotWish("g", slot_id, limit),))], Chores(), now_us=now_us)[0], Lent)


def test_a_limit_is_lent_to_the_last_and_no_further(open_leases: Callable[[str], Leases]) -> None:
    leases = open_leases("w1")

    assert [isinstance(borrow(leases, 1), Lent) for _ in range(12)] == [True] * 10 + [False] * 2
    assert borrow(leases, 1) == used_up()


def test_a_window_that_passes_starts_afresh_and_one_that_came_back_does_not(open_leases: Callable[[str], Leases]) -> None:
    leases = open_leases("w1")
    borrow(leases, 10)

    assert isinstance(borrow(leases, 1, now_us=NOW_US + MINUTE_US - 1), Short)
    assert isinstance(borrow(leases, 10, now_us=NOW_US + MINUTE_US), Lent)
    for back_us in (0, 5 * MINUTE_US, NOW_US):
        assert borrow(leases, 1, now_us=NOW_US - back_us) == used_up(window_start_us=NOW_US + MINUTE_US)


def test_a_meter_without_a_window_never_starts_afresh(open_leases: Callable[[str], Leases]) -> None:
    leases = open_leases("w1")
    borrow(leases, 10, window_us=0)

    assert isinstance(borrow(leases, 1, window_us=0, now_us=NOW_US + 10**15), Short)


def test_large_limits_are_lent_in_handfuls(open_leases: Callable[[str], Leases]) -> None:
    leases = open_leases("w1")

    assert borrow(leases, 1, limit=64_000) == Lent((Slice("g", NOW_US, 64_000 // SLICES, 63_000),))


def test_all_parts_are_lent_or_none(open_leases: Callable[[str], Leases]) -> None:
    leases = open_leases("w1")
    ask = Ask((Borrow("a", 10, MINUTE_US, 4), Borrow("b", 3, MINUTE_US, 4)), (SlotWish("s", "x", 1),))

    seen = (stands("a", 10), stands("b", 3))
    assert leases.carry_out([ask], Chores(), now_us=NOW_US) == [Short("b", 3, NOW_US, seen)]
    assert isinstance(borrow(leases, 10, scope="a"), Lent)
    no_place = Ask((Borrow("c", 10, MINUTE_US, 4),), (SlotWish("s", "x", 0),))
    assert leases.carry_out([no_place], Chores(), now_us=NOW_US) == [Short("s", 0, 0, (stands("c", 10),))]
    assert isinstance(borrow(leases, 10, scope="c"), Lent)


def test_places_taken_for_an_ask_that_falls_short_are_free_again(open_leases: Callable[[str], Leases]) -> None:
    leases = open_leases("w1")
    ask = Ask((Borrow("a", 100_000, 0, 4),), (SlotWish("s", "x", 1), SlotWish("t", "x", 0)))

    assert isinstance(leases.carry_out([ask], Chores(), now_us=NOW_US)[0], Short)

    again = Ask((Borrow("a", 100_000, 0, 100_000),), (SlotWish("s", "y", 1),))
    assert isinstance(leases.carry_out([again], Chores(), now_us=NOW_US)[0], Lent)


def test_a_place_that_was_held_before_stays_when_an_ask_falls_short(open_leases: Callable[[str], Leases]) -> None:
    leases = open_leases("w1")
    assert take(leases, "x")

    again = Ask((), (SlotWish("g", "x", 1), SlotWish("t", "x", 0)))
    assert isinstance(leases.carry_out([again], Chores(), now_us=NOW_US)[0], Short)

    assert not take(leases, "y")


def test_a_look_takes_nothing_and_sees_what_all_asks_of_its_turn_have_left(open_leases: Callable[[str], Leases]) -> None:
    leases = open_leases("w1")
    borrow(leases, 4)
    look, other = Look("g", 10, MINUTE_US), Look("h", 7, 0)
    turn = [Ask((), (), (look, other)), Ask((Borrow("g", 10, MINUTE_US, 5),), ())]

    answers = leases.carry_out(turn, Chores(), now_us=NOW_US)
    again = leases.carry_out([Ask((), (), (look,))], Chores(), now_us=NOW_US)
    later = leases.carry_out([Ask((), (), (look,))], Chores(), now_us=NOW_US + MINUTE_US)

    assert answers[0] == Lent((), (stands("g", 1), stands("h", 7, window_start_us=0)))
    assert again == [Lent((), (stands("g", 1),))]
    assert later == [Lent((), (stands("g", 10, window_start_us=NOW_US + MINUTE_US),))]


def test_what_is_asked_for_in_vain_in_a_new_window_is_told_what_the_window_has(open_leases: Callable[[str], Leases]) -> None:
    leases = open_leases("w1")
    borrow(leases, 10)

    answer = borrow(leases, 11, now_us=NOW_US + MINUTE_US)

    assert isinstance(answer, Short)
    assert (answer.left, answer.window_start_us) == (10, NOW_US + MINUTE_US)


def test_what_is_given_back_can_be_lent_again_in_the_same_window_only(open_leases: Callable[[str], Leases]) -> None:
    leases = open_leases("w1")
    borrow(leases, 10)
    leases.carry_out([], Chores(returns=(Slice("g", NOW_US, 4, 0), Slice("g", NOW_US - MINUTE_US, 100, 0))), now_us=NOW_US)

    assert [isinstance(borrow(leases, 1), Lent) for _ in range(5)] == [True] * 4 + [False]


def test_places_are_counted_over_all_workers_and_heal(open_leases: Callable[[str], Leases]) -> None:
    one, two = open_leases("w1"), open_leases("w2")

    assert take(one, "a", limit=2)
    assert take(one, "a", limit=2)  # again: harmless
    assert take(two, "b", limit=2)
    assert not take(two, "c", limit=2)
    one.carry_out([], Chores(left=("a", "a")), now_us=NOW_US)
    one.carry_out([], Chores(left=("a",)), now_us=NOW_US)
    assert take(two, "c", limit=2)
    assert not take(two, "d", limit=2)
    late_us = NOW_US + int(TTL_S * 1_000_000)
    two.carry_out([], Chores(kept=("b",)), now_us=late_us - 1)
    assert take(two, "d", limit=2, now_us=late_us)  # "c" was not kept
    assert not take(two, "e", limit=2, now_us=late_us)
    one.forget("w2")
    assert take(one, "f", limit=1, now_us=late_us)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 30), st.integers(-3, 3)), max_size=40), st.integers(1, 200))
def test_no_window_is_ever_overspent_whatever_the_clock_does(tmp_path: Path, asks: list[tuple[int, int]], limit: int) -> None:
    engine = open_sqlite(tmp_path / "hypothesis.db")
    metadata.drop_all(engine)
    metadata.create_all(engine)
    leases = SqlLeases(engine, owner="w", slot_ttl_s=TTL_S)
    spent: dict[int, int] = {}
    latest = 0
    for need, moved in asks:
        answer = borrow(leases, need, limit=limit, now_us=NOW_US + moved * MINUTE_US)
        if isinstance(answer, Lent):
            (part,) = answer.slices
            assert part.amount >= need
            assert part.window_start_us >= latest
            latest = part.window_start_us
            spent[part.window_start_us] = spent.get(part.window_start_us, 0) + part.amount
    engine.dispose()

    assert all(total <= limit for total in spent.values())


def test_workers_in_a_race_never_have_the_last_of_it_twice(open_leases: Callable[[str], Leases]) -> None:
    lent: list[int] = []

    def race(leases: Leases) -> None:
        while isinstance(answer := borrow(leases, 1, limit=60), Lent):
            lent.append(answer.slices[0].amount)

    racers = [threading.Thread(target=race, args=(open_leases(f"w{number}"),)) for number in range(4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()

    assert sum(lent) == 60


def test_a_store_that_does_not_answer_says_so_and_changes_nothing(open_leases: Callable[[str], Leases], database: Path) -> None:
    leases = open_leases("w1")
    borrow(leases, 1)
    with closing(sqlite3.connect(database)) as holder:
        holder.execute("DROP TABLE gateway_quota")
        with pytest.raises(Unavailable):
            borrow(leases, 1)


def test_windows_that_are_long_over_are_forgotten_and_nothing_else(database: Path, open_leases: Callable[[str], Leases]) -> None:
    leases = open_leases("w")
    hour_us = 60 * MINUTE_US
    now_us = NOW_US + 30 * 24 * hour_us
    for scope, window_us in (("a:requests:60", MINUTE_US), ("a:tokens:604800", 7 * 24 * hour_us), ("a:total_tokens", 0)):
        borrow(leases, 1, scope=scope, window_us=window_us, now_us=now_us)
    engine = open_sqlite(database)

    def held() -> list[str]:
        with closing(sqlite3.connect(database)) as connection:
            return [scope for (scope,) in connection.execute("SELECT scope FROM gateway_quota ORDER BY scope")]

    assert remove_what_is_over(engine, now_us=now_us + 20 * hour_us) == 0
    assert remove_what_is_over(engine, now_us=now_us + 25 * hour_us) == 1
    assert held() == ["a:tokens:604800", "a:total_tokens"]
    assert remove_what_is_over(engine, now_us=now_us + 9 * 24 * hour_us) == 1
    assert held() == ["a:total_tokens"]
    engine.dispose()
    assert isinstance(borrow(leases, 1, scope="a:requests:60", now_us=now_us + 9 * 24 * hour_us), Lent)
