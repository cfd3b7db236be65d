from __future__ import annotations

import math

import pytest

from headgate.evidence.decide.phrases import count_text, rate_text


@pytest.mark.parametrize(
    ("rate", "text"),
    [(1e-3, "1.0e-3"), (2.345e-4, "2.3e-4"), (0.05, "0.05"), (0.0, "0"), (1.0, "1"), (9.99e-5, "1.0e-4"), (math.nan, "nan")],
)
def test_rates_read_as_plans_write_them(rate: float, text: str) -> None:
    assert rate_text(rate) == text


@pytest.mark.parametrize(("count", "text"), [(0, "no harms"), (1, "1 harm"), (3565, "3,565 harms")])
def test_counts_agree_with_their_noun(count: int, text: str) -> None:
    assert count_text(count, "harm") == text
