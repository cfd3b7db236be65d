"""Several who follow the exchange log side by side: each page is read once, and nothing that follows is missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.traffic.settlements import Settlements

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from headgate.testing.traffic import TrafficWorld
    from headgate.traffic.model import Exchange


class _Counted:
    """Counts how often the log is read."""

    def __init__(self, world: TrafficWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        self._read = world.log.settled_after
        monkeypatch.setattr(world.log, "settled_after", self)

    def __call__(self, cursor: Mapping[str, int], limit: int) -> tuple[list[Exchange], dict[str, int]]:
        self.times += 1
        return self._read(cursor, limit)


async def test_a_page_that_two_ask_for_is_read_once(world: TrafficWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = world.open()
    for _ in range(5):
        await world.exchange(spool)
    settlements, read = Settlements(world.log), _Counted(world, monkeypatch)
    first, after = settlements.settled_after({}, 3)
    assert settlements.settled_after({}, 3) == (first, after)
    assert read.times == 1
    rest, end = settlements.settled_after(after, 3)
    assert [exchange.outcome_seq for exchange in (*first, *rest)] == [1, 2, 3, 4, 5]
    assert settlements.settled_after(after, 3) == (rest, end)
    assert read.times == 2
    assert len(settlements.settled_after({}, 5)[0]) == 5, "another limit is another page"


async def test_what_follows_a_page_that_was_short_is_not_missed(world: TrafficWorld) -> None:
    spool = world.open()
    settlements = Settlements(world.log)
    assert settlements.settled_after({}, 3) == ([], {})
    await world.exchange(spool)
    taken, after = settlements.settled_after({}, 3)
    assert len(taken) == 1, "an empty page is not remembered"
    await world.exchange(spool)
    again, after_again = settlements.settled_after({}, 3)
    further, _ = settlements.settled_after(after_again, 3)
    assert [exchange.outcome_seq for exchange in (*again, *further)] == [1, 2]
    assert settlements.settled_after(after, 3)[0] == further


async def test_a_cursor_that_was_handed_out_is_its_owners(world: TrafficWorld) -> None:
    spool = world.open()
    await world.exchange(spool)
    settlements = Settlements(world.log)
    _, mine = settlements.settled_after({}, 3)
    mine.clear()
    assert settlements.settled_after({}, 3)[1] == {spool.name: 1}
