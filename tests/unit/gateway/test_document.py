from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.errors import Malformed
from headgate.gateway.wire.document import Span, elements, patched, read, without

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=8)
STYLES = st.sampled_from([None, 1, 2, "\t", " \r\n"])


def spelled(value: Any, style: Any, *, ascii_only: bool) -> str:
    return json.dumps(value, indent=style, ensure_ascii=ascii_only)


@given(OBJECTS, STYLES, st.booleans(), st.sampled_from(["", " ", "\n\t"]))
def test_a_body_that_is_not_patched_is_the_same_body(value: dict[str, Any], style: Any, ascii_only: bool, around: str) -> None:
    body = (around + spelled(value, style, ascii_only=ascii_only) + around).encode("utf-8", "surrogatepass")
    try:
        document = read(body)
    except Malformed:
        assert any(0xD800 <= ord(letter) <= 0xDFFF for letter in body.decode("utf-8", "surrogatepass"))
        return

    assert patched(document.text, []) == body
    assert {key: member.value for key, member in document.members.items()} == json.loads(body)


@given(OBJECTS, STYLES, st.data())
def test_a_patch_changes_what_it_names_and_nothing_else(value: dict[str, Any], style: Any, data: st.DataObject) -> None:
    document = read(spelled(value, style, ascii_only=True).encode())
    gone = data.draw(st.sets(st.sampled_from(sorted(value))) if value else st.just(set[str]()))
    staying = [key for key in value if key not in gone]
    changed = data.draw(st.sets(st.sampled_from(staying)) if staying else st.just(set[str]()))
    fresh = {f"{key}-new": "[1.50]" for key in data.draw(st.sets(st.text(alphabet="abc"), max_size=2))}
    fresh = {key: text for key, text in fresh.items() if key not in value}
    edits = [edit for key in changed if (edit := document.setting(key, '{"x": 1e2}')) is not None]
    edits += document.removing(gone)
    if fresh and staying:
        edits.append(document.adding(fresh))

    found = read(patched(document.text, edits))

    expected = {key: {"x": 100.0} if key in changed else value[key] for key in staying}
    expected = {**({key: [1.5] for key in fresh} if staying else {}), **expected}
    assert {key: member.value for key, member in found.members.items()} == expected
    assert list(found.members) == list(expected)
    for key in staying:
        if key not in changed:
            was, now = document.members[key].at, found.members[key].at
            assert found.text[now.start : now.end] == document.text[was.start : was.end]


@given(st.lists(JSON, max_size=6), STYLES, st.data())
def test_elements_are_taken_out_of_an_array_with_their_commas(values: list[Any], style: Any, data: st.DataObject) -> None:
    text = spelled(values, style, ascii_only=True)
    gone = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    spans = elements(text, Span(0, len(text)))

    assert [json.loads(text[span.start : span.end]) for span in spans] == values
    left = json.loads(patched(text, without(spans, gone)))
    assert left == [value for value, is_gone in zip(values, gone, strict=True) if not is_gone]


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b'{"a":{"b":[{"c":1,"c":2}]}}',
        b'{"a":1,"\\u0061":1}',
        b'{"a":01}',
        b'{"a":1,}',
        b'{"a" 1}',
        b'{"a":}',
        b"{a:1}",
        b'{"a":"\n"}',
        b"\xef\xbb\xbf{}",
        b"{}{}",
        b'{"a":Infinity}',
        b'{"a":"\xc3("}',
        b"null",
        b'"{}"',
    ],
)
def test_what_two_readers_could_read_differently_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        read(body)
