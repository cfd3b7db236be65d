from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.gateway.errors import Malformed
from headgate.gateway.model import Admitted, ModelPolicy, Principal, ReleaseState, StageRule, Upstream
from headgate.gateway.wire.chat import CHAT
from headgate.gateway.wire.completions import COMPLETIONS
from headgate.gateway.wire.document import Span, elements, patched, read, without
from headgate.gateway.wire.embeddings import EMBEDDINGS
from headgate.gateway.wire.messages import COUNT_TOKENS, MESSAGES
from headgate.gateway.wire.moderations import MODERATIONS
from headgate.gateway.wire.responses import RESPONSES
from headgate.kernel.ids import AccountId, EpochId, GrantId, KeyId, ReleaseId

if TYPE_CHECKING:
    from headgate.gateway.model import Call

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


# What a request's body is when it goes up: the same text but for the model's name.

SPELLINGS = st.sampled_from(
    [
        *("0", "-0", "1.0", "1.0e0", "1E+2", "1e22", "4e-07", "0.10", "-0.12345678901234567890123"),
        *(
            "123456789012345678901234567890",
            "9007199254740993",
            "true",
            "null",
            '""',
            '"\\u00e9\\/"',
            '"\u00e9"',
            '"\\ud83d\\ude00"',
        ),
        *('"\\ud800"', '"\U0001f600"', '"\\u0000"', '"\x7f\u2028\ufeff"', "[ ]", "[ 1 ,[ {} ] ]", '{"model":"atlas"}'),
        *('{"a":[{"model" : "atlas","n":1.50}]}', '"\\"model\\":\\"atlas\\""', '"}{"', "[" * 60 + "]" * 60),
    ]
)
STRANGE_KEYS = st.lists(
    st.sampled_from(
        ['"x"', '"MODEL"', '"model "', '"m\u00f6del"', '"\\u006dodels"', '""', '"\\"model\\""', '"\\ud800"', '"__proto__"']
    ),
    unique=True,
    max_size=6,
)
SPACES = st.sampled_from(["", "", " ", "\n", "\t", "\r\n  "])
LEAST: dict[str, list[str]] = {
    "/chat/completions": ['"messages":[{"role":"user","content":"Hi \\u00e9"}]'],
    "/completions": ['"prompt" :"Hi"'],
    "/embeddings": ['"input": [ "Hi" ]'],
    "/moderations": ['"input":"Hi"'],
    "/responses": ['"input":"Hi"', '"store":false'],
    "/messages": ['"max_tokens":1000', '"messages":[ {"role":"user","content":[{"type":"text","text":"Hi"}]} ]'],
    "/messages/count_tokens": ['"messages":[{"role":"user","content":"Hi"}]'],
}


@st.composite
def bodies(draw: st.DrawFn, path: str) -> tuple[str, str]:
    """Return a request as a client might spell it, and as it must go up."""
    members = [(key, draw(SPELLINGS)) for key in draw(STRANGE_KEYS)]
    members += [(member.partition(":")[0], member.partition(":")[2]) for member in LEAST[path]]
    members.append((draw(st.sampled_from(['"model"', '"mod\\u0065l"'])), "\0"))
    pieces = [
        draw(SPACES) + key.strip() + draw(SPACES) + ":" + draw(SPACES) + value + draw(SPACES)
        for key, value in draw(st.permutations(members))
    ]
    text = draw(SPACES) + "{" + ",".join(pieces) + "}" + draw(SPACES)
    name = draw(st.sampled_from(['"atlas"', '"\\u0061tlas"', '"at\\u006Cas"']))
    return text.replace("\0", name), text.replace("\0", '"the server\'s \\u00e9"')


def admitted(call: Call) -> Admitted:
    """Return an admission that demands nothing but the server's own name of the model."""
    rule = StageRule(
        "open", EpochId("rel_1/open/1"), frozenset({call.surface}), call.capabilities | {"stored", "parallel_tool_calls"}
    )
    policy = ModelPolicy(
        release_id=ReleaseId("rel_1"),
        model="atlas",
        version_digest="",
        state=ReleaseState.LIVE,
        gated=True,
        upstream=Upstream("http://model.test/v1", "the server's \u00e9"),
        rules={"all": rule},
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )
    principal = Principal(
        key_id=KeyId("key_1"),
        account_id=AccountId("acc_1"),
        organisation_id=None,
        grant_id=GrantId("grt_1"),
        cohort="all",
        scopes=frozenset({call.surface}),
        quota_percent=100,
        refusal=lambda _ip, _now: None,
    )
    return Admitted(policy, rule, principal, stripped=(), output_cap=None, reserved_tokens=1, meters=())


SURFACES = {one.path: one for one in (CHAT, COMPLETIONS, EMBEDDINGS, MODERATIONS, RESPONSES, MESSAGES, COUNT_TOKENS)}


@pytest.mark.parametrize("path", LEAST)
@settings(max_examples=40)
@given(data=st.data())
def test_a_body_goes_up_as_it_was_spelled_but_for_the_models_name(path: str, data: st.DataObject) -> None:
    body, expected = data.draw(bodies(path))

    request = SURFACES[path].compile(body.encode("utf-8", "surrogatepass"), None, b"k" * 32)

    assert request.forwarded(admitted(request.call)).decode() == expected


@given(JSON, st.text(max_size=5), st.booleans(), st.data())
def test_a_key_that_stands_twice_is_found_however_deep_and_however_spelled(
    value: Any, key: str, escaped: bool, data: st.DataObject
) -> None:
    once = json.dumps(key)
    again = '"' + "".join(f"\\u{unit:04x}" for unit in _units(key)) + '"' if escaped else once
    text = f"{{{once}:{json.dumps(value)} , {again}:1}}"
    for wrap in data.draw(st.lists(st.sampled_from(['{{"k":{}}}', "[{}]", '[0,{{"a":[{}]}}]']), max_size=5)):
        text = wrap.format(text)

    with pytest.raises(Malformed):
        read(f'{{"in":{text}}}'.encode())


def _units(text: str) -> list[int]:
    raw = text.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(raw[start : start + 2], "big") for start in range(0, len(raw), 2)]


@pytest.mark.parametrize("depth", [10, 100, 900, 5_000, 100_000])
@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a":', "}")])
def test_a_body_of_any_depth_is_read_or_refused(depth: int, opens: str, closes: str) -> None:
    body = ('{"x":' + opens * depth + "1" + closes * depth + "}").encode()

    try:
        document = read(body)
    except Malformed:
        assert depth > 100
    else:
        assert patched(document.text, []) == body


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        document = read(body)
    except Malformed:
        return
    assert patched(document.text, []) == body
