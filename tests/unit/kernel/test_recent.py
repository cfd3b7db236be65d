"""A memory of few things: it has exactly those that were put in or recalled last, however many threads use it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.kernel.recent import Recent


class Does(Enum):
    """What is done with a name."""

    PUT = auto()
    RECALL = auto()
    GET = auto()


NAMES = range(8)
STEPS = st.lists(st.tuples(st.sampled_from(Does), st.sampled_from(NAMES)))


@given(st.integers(1, 6), STEPS)
def test_what_is_kept_was_put_in_or_recalled_last_and_to_get_it_changes_nothing(most: int, steps: list[tuple[Does, int]]) -> None:
    recent = Recent[int, int](most)
    kept: list[tuple[int, int]] = []  # the latest first
    for step, (does, name) in enumerate(steps):
        known = dict(kept).get(name)
        match does:
            case Does.PUT:
                recent.put(name, step)
                kept = [(name, step), *(pair for pair in kept if pair[0] != name)][:most]
            case Does.RECALL:
                assert recent.recall(name) == known
                kept.sort(key=lambda pair, name=name: pair[0] != name)
            case Does.GET:
                assert recent.get(name) == known
        assert {name: recent.get(name) for name in NAMES} == {name: dict(kept).get(name) for name in NAMES}
        assert len(recent) == len(kept)


def test_to_get_does_not_keep_and_to_recall_does() -> None:
    recent = Recent[str, int](2)
    recent.put("first", 1)
    recent.put("second", 2)
    assert recent.get("first") == 1
    recent.put("third", 3)
    assert (recent.get("first"), recent.get("second")) == (None, 2)
    assert recent.recall("second") == 2
    recent.put("fourth", 4)
    assert (recent.get("second"), recent.get("third"), recent.get("fourth")) == (2, None, 4)


@pytest.mark.parametrize("most", [0, -1])
def test_a_memory_of_nothing_is_a_mistake(most: int) -> None:
    with pytest.raises(ValueError, match="one thing or more"):
        Recent[str, int](most)


def test_many_threads_use_one_memory_and_its_bound_holds() -> None:
    recent = Recent[int, int](8)

    def work(thread: int) -> bool:
        sound = True
        for step in range(2_000):
            name = (thread * 7 + step) % 24
            recent.put(name, name)
            sound = sound and recent.get((name + 1) % 24) in {None, (name + 1) % 24}
            sound = sound and recent.recall((name + 5) % 24) in {None, (name + 5) % 24}
            sound = sound and len(recent) <= 9  # another thread may be putting one in right now
        return sound

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(8)))
    kept = [name for name in range(24) if recent.get(name) is not None]
    assert len(kept) == len(recent) == 8
