"""What a worker has only so much of: nobody holds more than a share, and all together no more than there is."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.service.shares import Shares

STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 12), st.booleans()), max_size=60)


@given(st.integers(0, 30), st.integers(0, 30), STEPS)
def test_more_is_held_exactly_where_there_is_room_for_it(most: int, each: int, steps: list[tuple[str, int, bool]]) -> None:
    shares = Shares(most, each=each)
    held: Counter[str] = Counter()
    for whose, amount, gives_back in steps:
        if gives_back:
            returned = min(amount, held[whose])
            shares.give_back(whose, returned)
            held[whose] -= returned
        else:
            fits = held[whose] + amount <= each and held.total() + amount <= most
            assert shares.take(whose, amount) is fits
            held[whose] += amount * fits
        assert shares.held == held.total()
