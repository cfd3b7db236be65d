"""Leaving evidence out never makes a claim pass, whatever the evidence: tried on every gate that reads filed records."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.evidence.decide import cases
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model.cases import Exhibit, Shelf
from headgate.evidence.model.filing import Disposition, Foresight, Opinion
from headgate.evidence.model.record import Counts, Direction, Effort, Kind, Relationship, Tally
from headgate.evidence.wire import cases as wired
from headgate.kernel.ids import EvidenceId
from headgate.kernel.verdict import Verdict
from headgate.testing.evidence import AUDIT, EVALUATION, ISSUES, NOON, POSTS

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.evidence.model.cases import Claim


def clustered(n: int, k: int, clusters: int) -> Counts:
    """Return clusters that are all alike."""
    alike = Tally(n, min(k, n), clusters)
    return Counts(alike.k * clusters, n * clusters, "attempt", (alike,))


COUNTS = st.one_of(
    st.none(),
    st.builds(Counts, st.integers(0, 40), st.integers(1, 400), st.just("item")),  # some of them cannot be
    st.builds(clustered, st.integers(1, 10), st.integers(0, 10), st.integers(1, 60)),
)
GOALPOSTS = st.sampled_from(
    [None, POSTS, replace(POSTS, thresholds={"api": 0.12, "theft": 0.11, "open_weights": 0.105}), replace(POSTS, margin=0.2)]
)
DAYS = st.integers(0, 60)


@st.composite
def exhibits(draw: st.DrawFn, kinds: list[Kind]) -> Exhibit:
    produced = NOON - timedelta(days=draw(DAYS))
    return Exhibit(
        id=EvidenceId(""),
        digest="sha256:" + "0" * 64,
        kind=draw(st.sampled_from(kinds)),
        metric=draw(st.sampled_from(["accuracy", "refusal"])),
        direction=draw(st.sampled_from([Direction.LOWER_IS_BETTER] * 3 + [Direction.HIGHER_IS_BETTER])),
        counts=draw(COUNTS),
        reported=draw(st.none() | st.floats(0, 2)),
        effort=draw(st.sampled_from(Effort)),
        attempts=draw(st.integers(1, 3)),
        relationship=draw(st.sampled_from(Relationship)),
        produced_at=produced,
        expires_at=produced + timedelta(days=draw(st.integers(1, 120))),
        final=draw(st.booleans()),
        carried=draw(st.booleans()),
        goalposts=draw(GOALPOSTS),
        opinion=draw(st.none() | st.sampled_from(Opinion)),
        disposition=draw(st.none() | st.sampled_from(Disposition)),
    )


@st.composite
def cased(draw: st.DrawFn) -> tuple[Claim, Shelf]:
    claim, kinds = draw(
        st.sampled_from(
            [
                (EVALUATION, [Kind.CAPABILITY] * 4 + [Kind.SAFEGUARD]),
                (replace(EVALUATION, goalposts=replace(POSTS, forecast=Foresight(1000, 0.5))), [Kind.CAPABILITY]),
                (replace(EVALUATION, scenario="open_weights", goalposts=replace(POSTS, attempts=2)), [Kind.CAPABILITY]),
                (ISSUES, [Kind.REDTEAM] * 4 + [Kind.AUDIT]),
                (replace(ISSUES, undisposed=2), [Kind.REDTEAM]),
                (AUDIT, [Kind.AUDIT] * 4 + [Kind.REDTEAM]),
                (replace(AUDIT, opinion=Opinion.QUALIFIED), [Kind.AUDIT]),
            ]
        )
    )
    found = draw(st.lists(exhibits(kinds), max_size=5))
    named = tuple(replace(exhibit, id=EvidenceId(f"ev_{at}")) for at, exhibit in enumerate(found))
    return claim, Shelf(named, elsewhere=draw(st.integers(0, 2)), superseded=draw(st.integers(0, 2)))


def verdict(claim: Claim, shelf: Shelf, now: datetime = NOON) -> Verdict:
    return cases.read(shelf, claim, now=now).verdict


@given(cased(), st.data())
def test_leaving_records_out_never_makes_a_claim_pass(case: tuple[Claim, Shelf], data: st.DataObject) -> None:
    claim, shelf = case
    before = cases.read(shelf, claim, now=NOON)
    left_out = data.draw(st.lists(st.sampled_from([exhibit.id for exhibit in shelf.exhibits] or [EvidenceId("ev_none")])))
    less = shelf
    for name in left_out:
        less = cases.without(less, claim, name, now=NOON)
    after = cases.read(less, claim, now=NOON)
    if before.verdict is not Verdict.PASS:
        assert after.verdict is not Verdict.PASS
    if before.verdict is Verdict.INSUFFICIENT:
        assert after.verdict is Verdict.INSUFFICIENT or _graver(after.verdict, before.verdict)
    spoke = {record.id for record in before.weighed if record.verdict is before.verdict}
    if before.verdict in {Verdict.FAIL, Verdict.ERROR} and not spoke & set(left_out):
        assert after.verdict is before.verdict


@given(cased())
def test_leaving_everything_out_passes_nothing(case: tuple[Claim, Shelf]) -> None:
    claim, shelf = case
    less = shelf
    for exhibit in shelf.exhibits:
        less = cases.without(less, claim, exhibit.id, now=NOON)
    assert not less.exhibits
    after = verdict(claim, less)
    tolerated = bool(less.withheld) and len(less.withheld) <= getattr(claim, "undisposed", 0)
    assert after is not Verdict.PASS or (tolerated and verdict(claim, shelf) is Verdict.PASS)


@given(cased(), st.integers(0, 400))
def test_time_alone_never_makes_a_claim_pass(case: tuple[Claim, Shelf], days: int) -> None:
    claim, shelf = case
    if verdict(claim, shelf) is not Verdict.PASS:
        assert verdict(claim, shelf, NOON + timedelta(days=days)) is not Verdict.PASS


@settings(max_examples=50)
@given(cased(), st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(case: tuple[Claim, Shelf], random: Any) -> None:
    claim, shelf = case
    shuffled = list(shelf.exhibits)
    random.shuffle(shuffled)
    assert verdict(claim, replace(shelf, exhibits=tuple(shuffled))) is verdict(claim, shelf)


@settings(max_examples=30)
@given(cased())
def test_a_reading_replays_from_its_inputs(case: tuple[Claim, Shelf]) -> None:
    claim, shelf = case
    again = wired.replay(wired.inputs(shelf, claim, now=NOON))
    assert again == cases.read(shelf, claim, now=NOON)


@settings(max_examples=30)
@given(cased())
def test_without_a_record_the_inputs_say_so(case: tuple[Claim, Shelf]) -> None:
    claim, shelf = case
    kept = wired.inputs(shelf, claim, now=NOON)
    for name in wired.used(kept):
        less = wired.without(kept, name)
        assert name not in wired.used(less)
        assert wired.claim_of(less) == claim
        assert wired.replay(less) == cases.read(cases.without(shelf, claim, name, now=NOON), claim, now=NOON)


@pytest.mark.parametrize(
    "changed", [{"format": 2}, {"kind": "rate"}, {"now": "noon"}, {"now": "2026-03-01T12:00:00"}, {"shelf": {}}, {"claim": None}]
)
def test_what_is_not_such_a_reading_is_refused(changed: dict[str, Any]) -> None:
    kept = wired.inputs(Shelf(), ISSUES, now=NOON)
    with pytest.raises(NotEvidence):
        wired.replay(kept | changed)


def _graver(one: Verdict, other: Verdict) -> bool:
    return list(Verdict).index(one) > list(Verdict).index(other)
