"""Lots: the same for everybody who knows the key, as many as the share says, and blind to everything but the name."""

from __future__ import annotations

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.kernel.lots import is_drawn, lot

KEY = "rel_1/broad@1"
NAMES = [f"acc_{number}" for number in range(20_000)]


def test_a_lot_can_be_drawn_again_with_any_tool() -> None:
    # printf 'headgate-lot\nrel_1/broad@1\nacc_1' | sha256sum | cut -c1-16
    assert f"{lot(KEY, 'acc_1'):016x}" == "de72aeefe44d82ed"


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_as_many_are_drawn_as_the_share_says_within_five_standard_deviations(share: float) -> None:
    drawn = sum(is_drawn(KEY, name, share) for name in NAMES)
    assert abs(drawn - share * len(NAMES)) < 5 * sqrt(len(NAMES) * share * (1 - share))


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_everybody_whom_a_smaller_one_has(name: str, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert is_drawn(KEY, name, more) or not is_drawn(KEY, name, less)


@given(st.text())
def test_nobody_is_drawn_for_nothing_and_everybody_for_all(name: str) -> None:
    assert not is_drawn(KEY, name, 0.0)
    assert is_drawn(KEY, name, 1.0)


def test_lots_of_two_keys_have_nothing_to_do_with_each_other() -> None:
    both = sum(is_drawn(KEY, name, 0.5) and is_drawn("rel_1/broad@2", name, 0.5) for name in NAMES)
    assert abs(both - len(NAMES) / 4) < 5 * sqrt(len(NAMES) * 3 / 16)


@pytest.mark.parametrize("trait", [2, 7, 10])
def test_who_is_drawn_does_not_depend_on_when_a_name_was_given(trait: int) -> None:
    group = NAMES[::trait]
    drawn = sum(is_drawn(KEY, name, 0.1) for name in group)
    assert abs(drawn - len(group) / 10) < 5 * sqrt(len(group) * 0.09)
