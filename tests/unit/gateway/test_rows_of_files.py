from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.decide import admit
from headgate.gateway.errors import CapabilityNotAllowed, RowMalformed, RowRefused, ScreenUnavailable, WrongType
from headgate.gateway.model import (
    Admitted,
    Call,
    Limits,
    ModelPolicy,
    ObjectKind,
    OnExtra,
    Principal,
    Refusal,
    ReleaseState,
    Settings,
    StageRule,
    StoredObject,
    Upstream,
)
from headgate.gateway.wire.batches.answers import read_answer, reading_of
from headgate.gateway.wire.batches.batch import read_batch, unfinished
from headgate.gateway.wire.batches.kinds import Kinds, refused_now, remembered, written
from headgate.gateway.wire.batches.row import read_row
from headgate.gateway.wire.chat import CHAT
from headgate.gateway.wire.completions import COMPLETIONS
from headgate.gateway.wire.embeddings import EMBEDDINGS
from headgate.gateway.wire.files.file import kept_id
from headgate.gateway.wire.files.listing import Query, listed, page_of, read_query
from headgate.gateway.wire.fine_tuning.job import read_job, read_wanted
from headgate.gateway.wire.fine_tuning.row import read_training_row
from headgate.gateway.wire.jsonl import Lines, at_line
from headgate.gateway.wire.moderations import MODERATIONS
from headgate.gateway.wire.responses import RESPONSES
from headgate.gateway.wire.surface import NotAnAnswer, Surface
from headgate.kernel.ids import AccountId, EpochId, GrantId, KeyId, ReleaseId

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RIGHTS = ("n", "seed", "tools", "logprobs")


def lines_of(content: bytes, *cuts: int) -> list[tuple[int, bytes]]:
    lines = Lines(most_bytes=1000)
    edges = [0, *sorted(cut % (len(content) + 1) for cut in cuts), len(content)]
    found = [pair for start, end in pairwise(edges) for pair in lines.feed(content[start:end])]
    return [*found, *lines.finish()]


@given(
    st.lists(st.binary().filter(lambda line: not set(line) & set(b"\r\n"))),
    st.sampled_from([b"\n", b"\r\n"]),
    st.lists(st.integers(0)),
)
def test_lines_are_the_same_wherever_the_file_is_cut(written: list[bytes], end: bytes, cuts: list[int]) -> None:
    content = end.join(written)

    found = lines_of(content, *cuts)

    assert found == [(number, line) for number, line in enumerate(written, 1) if line.strip(b" \t")]


@given(st.binary(min_size=1, max_size=20), st.binary(min_size=1, max_size=20))
def test_a_carriage_return_within_a_line_is_refused(before: bytes, after: bytes) -> None:
    content = before.replace(b"\n", b"x") + b"\r" + after.replace(b"\n", b"x").replace(b"\r", b"x")

    with pytest.raises(RowMalformed, match="Line 1"):
        lines_of(content)


def test_a_line_that_never_ends_is_refused_before_it_is_held() -> None:
    lines = Lines(most_bytes=10)

    with pytest.raises(RowMalformed, match="Line 2"):
        list(lines.feed(b"{}\n" + b"x" * 11))


def test_an_error_at_a_line_names_it_and_keeps_its_rule() -> None:
    refused = at_line(7, CapabilityNotAllowed("No tools.", rule="what.capabilities", help="Leave them out."), custom_id="a")

    assert isinstance(refused, RowRefused)
    assert (refused.message, refused.rule) == ("Line 7, custom_id 'a': capability.not_allowed: No tools.", "what.capabilities")
    assert isinstance(at_line(7, WrongType("n must be 1.", param="n")), RowMalformed)
    broken = ScreenUnavailable("The screen cannot tell.")
    assert at_line(7, broken) is broken


def chat_row(**body: Any) -> bytes:
    messages = [{"role": "user", "content": "Hi"}]
    request = {"model": "atlas", "messages": messages, **body}
    return json.dumps({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": request}).encode()


def a_rule(**changes: Any) -> StageRule:
    rule = StageRule(
        stage="trusted",
        epoch=EpochId("rel_1/trusted/1"),
        surfaces=frozenset({"api.chat"}),
        capabilities=frozenset(RIGHTS),
        on_extra=OnExtra.STRIP,
        limits=Limits(total_tokens=10**9),
    )
    return replace(rule, **changes)


def judged(call: Call, rule: StageRule) -> Admitted | Refusal:
    policy = ModelPolicy(
        release_id=ReleaseId("rel_1"),
        model="atlas",
        version_digest="sha256:0",
        state=ReleaseState.LIVE,
        gated=True,
        upstream=Upstream("http://127.0.0.1:1/v1", "upstream-atlas"),
        rules={"vetted": rule},
        created=NOON,
    )
    principal = Principal(
        key_id=KeyId("key_1"),
        account_id=AccountId("acc_1"),
        organisation_id=None,
        grant_id=GrantId("grt_1"),
        cohort="vetted",
        scopes=frozenset({"api.chat"}),
        quota_percent=100,
        refusal=lambda _ip, _now: None,
    )
    return admit(call, principal, policy, now=NOON, assumed_output_tokens=100)


rules = st.builds(
    a_rule,
    capabilities=st.frozensets(st.sampled_from(RIGHTS)),
    max_output_tokens=st.none() | st.integers(1, 60),
    on_extra=st.sampled_from(OnExtra),
)
bodies = st.lists(
    st.fixed_dictionaries(
        {},
        optional={"n": st.integers(1, 3), "seed": st.just(1), "max_tokens": st.integers(1, 80), "logprobs": st.just(True)},
    ),
    min_size=1,
    max_size=6,
)


def rows_of(asked: list[dict[str, Any]]) -> list[Any]:
    return [
        read_row(chat_row(**body), 1, surfaces={"/v1/chat/completions": CHAT}, client_ip=None, end_user_key=b"k")
        for body in asked
    ]


@given(bodies, rules, rules)
def test_kinds_that_are_admitted_again_hold_only_rows_that_would_be_sent_as_they_were(
    asked: list[dict[str, Any]], then: StageRule, now: StageRule
) -> None:
    kinds, sent = Kinds(), []
    for row in rows_of(asked):
        decision = judged(row.request.call, then)
        if isinstance(decision, Admitted):
            kinds.add(row.request.call, decision)
            sent.append((row, decision))
    again = remembered(json.loads(json.dumps({"kinds": written(kinds.all())})))
    assert again == kinds.all()

    refusal = refused_now(again, "atlas", lambda call: judged(call, now), client_ip=None)

    if refusal is None:
        for row, earlier in sent:
            decision = judged(row.request.call, now)
            assert isinstance(decision, Admitted)
            assert set(decision.stripped) <= set(earlier.stripped)
            if decision.output_cap is not None:
                assert earlier.output_cap is not None
                assert decision.output_cap >= earlier.output_cap
    assert sum(kind.reserved_tokens for kind in again) == sum(decision.reserved_tokens for _, decision in sent)
    assert sum(kind.rows for kind in again) == len(sent)


@pytest.mark.parametrize("surface", [CHAT, RESPONSES, COMPLETIONS, EMBEDDINGS, MODERATIONS], ids=lambda surface: surface.name)
def test_answers_of_every_surface_of_a_batch_can_be_read_without_their_request(surface: Surface) -> None:
    reading_of(surface)


def test_a_withheld_answer_leaves_nothing_of_itself() -> None:
    line = b'{"id": "batch_req_1", "custom_id": "a", "response": {"status_code": 200, "body": {"x": "sarin"}}, "error": null}'
    row = read_answer(line)
    assert (row.custom_id, row.status, row.body) == ("a", 200, b'{"x": "sarin"}')

    shown = row.withheld(Refusal(CapabilityNotAllowed("No.")), Settings(worker="w1", end_user_key=b"k"))

    value = json.loads(shown)
    assert b"sarin" not in shown
    assert (value["id"], value["response"], value["error"]["code"]) == ("batch_req_1", None, "capability.not_allowed")
    assert json.loads(
        read_answer(b'{"custom_id":"a","response":{"status_code":500,"body":1}}').withheld(
            Refusal(CapabilityNotAllowed("No.")), Settings(worker="w1", end_user_key=b"k")
        )
    )["error"]


@pytest.mark.parametrize("line", [b"", b"[]", b'{"custom_id": 1}', b'{"custom_id":"a","response":{"body":{}}}', b'{"a":1,"a":2}'])
def test_what_is_no_answer_is_not_taken_for_one(line: bytes) -> None:
    with pytest.raises(NotAnAnswer):
        read_answer(line)


def test_a_batch_is_read_and_can_be_shown_as_unfinished() -> None:
    usage = b'{"input_tokens":3,"output_tokens":4}'
    body = b'{"id":"batch_1", "status":"completed","output_file_id":"file-1","completed_at":5,"x":1.50,"usage":' + usage + b"}"
    batch = read_batch(body)
    assert (batch.final, batch.files, batch.usage and batch.usage.total) == (True, ("file-1",), 7)

    shown = unfinished(body)

    assert b"1.50" in shown
    assert not read_batch(shown).final
    assert read_batch(shown).files == ()
    assert json.loads(shown)["completed_at"] is None
    for usage in (b"null", b"{}", b'{"input_tokens":-1,"output_tokens":9}', b'{"input_tokens":0,"output_tokens":0}', b'"x"'):
        assert read_batch(b'{"id":"b","status":"completed","usage":' + usage + b"}").usage is None
    for garbage in (b"", b"[]", b'{"id":1,"status":"x"}'):
        with pytest.raises(NotAnAnswer):
            read_batch(garbage)


def test_identifiers_that_could_be_paths_are_not_taken() -> None:
    assert kept_id(b'{"id":"file-1"}') == "file-1"
    for body in (b'{"id":"../x"}', b'{"id":""}', b'{"id":"a/b"}', b'{"id":"a?b"}', b"{}"):
        with pytest.raises(NotAnAnswer):
            kept_id(body)


@pytest.mark.parametrize(
    ("row", "texts"),
    [
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, ["a", "b"]),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}, ["a"]),
        ({"prompt": "a", "completion": "b"}, ["a", "b"]),
        (
            {
                "input": {"messages": [{"role": "user", "content": "a"}]},
                "preferred_output": [{"role": "assistant", "content": "b"}],
                "non_preferred_output": [{"role": "assistant", "content": "c"}],
            },
            ["a", "b", "c"],
        ),
        ({"messages": [{"role": "user", "content": "a"}], "reference": {"deep": ["b"]}}, ["a", "b"]),
    ],
)
def test_all_text_of_a_training_row_is_looked_at(row: dict[str, Any], texts: list[str]) -> None:
    read = read_training_row(json.dumps(row).encode(), 1)

    assert (sorted(read.texts), read.capabilities) == (texts, frozenset())


def test_media_in_a_training_row_are_rights() -> None:
    content = [{"type": "image_url", "image_url": {"url": "https://example.org"}}, {"type": "hologram"}]

    read = read_training_row(json.dumps({"messages": [{"role": "user", "content": content}]}).encode(), 1)

    assert read.capabilities == {"image_input", "other_input"}


def test_a_job_goes_up_as_it_came_but_for_the_models_name() -> None:
    wanted = read_wanted(b'{"suffix":"x", "model": "atlas","training_file":"file-1","seed":1.0}')

    assert (wanted.files, wanted.capabilities) == ({"training_file": "file-1"}, {"fine_tuning"})
    assert wanted.forwarded("upstream") == b'{"suffix":"x", "model": "upstream","training_file":"file-1","seed":1.0}'
    assert wanted.forwarded("atlas") == wanted.document.text.encode()
    assert read_job(b'{"id":"ftjob-1","status":"succeeded","fine_tuned_model":"ft:x"}').tuned_model == "ft:x"
    for body in (
        b'{"model":"atlas"}',
        b'{"model":"atlas","training_file":1}',
        b'{"model":"atlas","training_file":"f","method":1}',
    ):
        with pytest.raises(WrongType):
            read_wanted(body)


def stored(number: int) -> StoredObject:
    return StoredObject(
        kind=ObjectKind.FILE,
        id=f"file-{number}",
        release_id=ReleaseId("rel_1"),
        model="atlas",
        account_id=AccountId("acc_1"),
        grant_id=GrantId("grt_1"),
        organisation_id=None,
        created=NOON,
        detail={"purpose": "batch" if number % 2 else "user_data"},
    )


@given(st.integers(0, 30), st.integers(1, 7), st.booleans(), st.sampled_from([None, "batch"]))
def test_pages_together_show_everything_once_and_in_order(count: int, limit: int, oldest: bool, purpose: str | None) -> None:
    owned = [stored(number) for number in range(count)]
    seen: list[str] = []
    more = True
    while more:
        page, more = page_of(owned, Query(seen[-1] if seen else None, limit, oldest, purpose))
        assert len(page) == limit if more else len(page) <= limit
        seen += [each.id for each in page]

    wanted = [each.id for each in owned if purpose is None or each.detail["purpose"] == purpose]
    assert seen == (wanted[::-1] if oldest else wanted)


def test_a_page_is_what_the_upstream_wrote() -> None:
    assert json.loads(listed([], more=False)) == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }
    page = listed([("a", b'{"id":"a","x":1.50}\n'), ("b", b'{"id":"b"}')], more=True)
    assert b'[{"id":"a","x":1.50},{"id":"b"}]' in page
    assert b'"first_id":"a","last_id":"b","has_more":true' in page


@pytest.mark.parametrize("query", [b"limit=0", b"limit=x", b"limit=-1", b"limit=9999999999", b"order=up"])
def test_a_query_that_means_nothing_is_refused(query: bytes) -> None:
    with pytest.raises(WrongType):
        read_query(query, usual=20)


def test_a_page_is_never_larger_than_is_good() -> None:
    assert read_query(b"limit=10000", usual=20).limit == 100
    assert read_query(b"", usual=20) == Query(None, 20, oldest_first=False, purpose=None)
