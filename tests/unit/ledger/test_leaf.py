from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.ledger.decide.merkle import leaf_hash
from headgate.ledger.errors import LedgerBroken, NotAnEntry
from headgate.ledger.model import Entry
from headgate.ledger.wire import leaf

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
instants = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive


def test_a_leaf_is_canonical_json_with_its_place() -> None:
    entry = Entry("grant.revoked", "gr_1", "stf_2", NOON, {"why": "zażółć", "b": [1, 2.5, None]})
    spelled = leaf.encode(3, entry).decode()
    body, kind = '"body":{"b":[1,2.5,null],"why":"zażółć"}', '"kind":"grant.revoked"'
    assert spelled == f'{{"actor":"stf_2","at":1772366400000000,{body},{kind},"seq":3,"subject":"gr_1"}}'


@given(names, names, names, instants, st.dictionaries(st.text(st.characters(codec="utf-8")), json_values, max_size=4))
def test_a_leaf_says_what_was_recorded(kind: str, subject: str, actor: str, at: datetime, body: dict[str, Any]) -> None:
    entry = Entry(kind, subject, actor, at, body)
    try:
        spelled = leaf.encode(9, entry)
    except NotAnEntry:
        return  # a lone surrogate in the body
    recorded = leaf.decode(spelled)
    assert (recorded.seq, recorded.entry, recorded.leaf_hash) == (9, entry, leaf_hash(spelled))


@pytest.mark.parametrize(
    "entry",
    [
        Entry("", "s", "a", NOON, {}),
        Entry("k", "", "a", NOON, {}),
        Entry("k", "s", "", NOON, {}),
        Entry("k", "s", "a", datetime(2026, 3, 1), {}),  # noqa: DTZ001 - that is the point
        Entry("k", "s", "a", NOON, {"x": float("nan")}),
        Entry("k", "s", "a", NOON, {"x": object()}),
        Entry("k", "s", "a", NOON, {"x": "\ud800"}),
    ],
)
def test_what_is_no_entry_is_refused(entry: Entry) -> None:
    with pytest.raises(NotAnEntry):
        leaf.encode(1, entry)


@pytest.mark.parametrize(
    "spelled", [b"", b"[]", b"{}", b"\xff", b'{"seq":1,"kind":"k","subject":"s","actor":"a","at":1e30,"body":{}}']
)
def test_bytes_that_are_no_leaf_are_reported(spelled: bytes) -> None:
    with pytest.raises(LedgerBroken):
        leaf.decode(spelled)


def test_a_column_that_contradicts_the_leaf_is_named() -> None:
    spelled = leaf.encode(1, Entry("k", "s", "a", NOON, {}))
    assert leaf.contradicts(spelled, {"seq": 1, "kind": b"k", "subject": b"s", "actor": b"a"}) is None
    assert leaf.contradicts(spelled, {"seq": 1, "kind": b"k", "subject": b"t", "actor": b"a"}) == "subject"
    assert leaf.contradicts(b"{", {}) == "leaf"
    assert leaf.contradicts(b"[]", {}) == "leaf"
