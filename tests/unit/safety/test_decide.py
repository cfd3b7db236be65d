from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.safety.decide import check_step, opinions_wanted, standing
from headgate.safety.errors import IncidentStepRefused
from headgate.safety.model import Confidence, IncidentState, Opinion, Severity, Standing

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def said(*found: bool | None) -> list[Opinion]:
    return [
        Opinion(f"r{n}", None if harm is None else {"a": harm}, Severity.LOW if harm else None, Confidence.SURE, "", NOON)
        for n, harm in enumerate(found)
    ]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((), Standing.PENDING),
        ((False,), Standing.NO_HARM),
        ((True,), Standing.PENDING),
        ((True, True), Standing.HARM),
        ((True, False), Standing.PENDING),
        ((False, True), Standing.PENDING),
        ((False, False), Standing.NO_HARM),
        ((True, False, True), Standing.HARM),
        ((True, False, False), Standing.NO_HARM),
        ((True, True, False), Standing.HARM),
        ((None,), Standing.UNREVIEWABLE),
        ((True, None), Standing.UNREVIEWABLE),
    ],
)
def test_opinions_settle(found: tuple[bool | None, ...], expected: Standing) -> None:
    assert standing("a", said(*found)) is expected


@given(st.lists(st.none() | st.booleans(), max_size=3), st.booleans())
def test_an_item_that_has_what_it_wants_has_nothing_pending(found: list[bool | None], twice: bool) -> None:
    opinions = said(*found)
    if len(opinions) >= opinions_wanted(["a"], opinions, twice=twice):
        assert standing("a", opinions) is not Standing.PENDING
    assert opinions_wanted(["a"], opinions, twice=twice) <= 3


def test_a_note_does_not_show_in_a_representation() -> None:
    assert "secret" not in repr(Opinion("r", {"a": False}, None, Confidence.SURE, "secret", NOON))


@given(st.sampled_from(IncidentState), st.sampled_from(IncidentState))
def test_an_incident_never_goes_back(now: IncidentState, to: IncidentState) -> None:
    order = list(IncidentState)
    forward = order.index(now) < order.index(to) and now is not IncidentState.FINAL
    try:
        check_step(now, to)
        assert forward
    except IncidentStepRefused:
        assert not forward
