from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import openai
import pytest

from headgate.adapters.database import open_sqlite
from headgate.gateway.model import Limits, ObjectKind, OutputScreen, ReleaseState
from headgate.gateway.store import SqlObjects
from headgate.kernel.ids import ReleaseId
from headgate.kernel.units import Rate
from wire.kit import KEY, MODEL, Running, ScriptedUpstream, a_policy, a_principal, eventually, running, taken
from wire.shelf_kit import (
    RIGHTS,
    STRANGER,
    SURFACES,
    Shelf,
    a_client,
    a_shelf,
    a_shelf_rule,
    changed,
    chat_row,
    finished,
    jsonl,
    narrowed,
    no_upstream,
    small_model,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def shelf(upstream: ScriptedUpstream, tmp_path: Path) -> Iterator[Shelf]:
    with a_shelf(upstream, tmp_path) as shelf:
        yield shelf


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Shared by tests that leave nothing behind, because everything is refused."""
    rule = a_shelf_rule(
        surfaces=frozenset({"api.chat", "api.files", "api.batches"}),
        capabilities=frozenset({"seed"}),
        input_screen=True,
        max_output_tokens=50,
    )
    with a_shelf(no_upstream(), tmp_path_factory.mktemp("strict"), rule) as shelf:
        yield shelf


def an_owner(served: Running) -> openai.OpenAI:
    served.world.principals = {KEY: a_principal(scopes=SURFACES)}
    return a_client(served.url)


def create(client: openai.OpenAI, content: bytes, **more: object) -> openai.types.Batch:
    file = client.files.create(file=("rows.jsonl", content), purpose="batch")
    return client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        **more,  # type: ignore[arg-type]
    )


def test_a_batch_is_run_and_each_row_is_an_exchange(shelf: Shelf) -> None:
    with shelf.client() as client:
        batch = finished(client, create(client, jsonl(chat_row("a"), chat_row("b", "Tell me of rivers."))).id)
        assert batch.output_file_id is not None
        rows = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]

    assert [row["custom_id"] for row in rows] == ["a", "b"]
    assert all(row["response"]["body"]["choices"][0]["message"]["content"] for row in rows)
    recorder = shelf.served.recorder
    by_id = {outcome.exchange_id: outcome for outcome in recorder.outcomes}
    exchanges = [admission for admission in recorder.admissions if admission.surface == "api.chat"]
    assert [json.loads(admission.request_body)["messages"][0]["content"] for admission in exchanges] == [
        "Hello there.",
        "Tell me of rivers.",
    ]
    for admission, row in zip(exchanges, rows, strict=True):
        outcome = by_id[admission.exchange_id]
        usage = row["response"]["body"]["usage"]
        assert (outcome.status.value, outcome.charged_tokens, outcome.usage_exact) == ("completed", usage["total_tokens"], True)
        assert json.loads(bytes(outcome.response_body)) == row["response"]["body"]
    assert {admission.model for admission in exchanges} == {MODEL}


def test_what_goes_up_is_the_rows_as_they_would_be_forwarded(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with a_shelf(upstream, tmp_path, a_shelf_rule(max_output_tokens=50)) as shelf, shelf.client() as client:
        head = '{"custom_id": "a", "method":"POST","url":"/v1/chat/completions", "x_new": 1.50, "body": '
        row = head + '{"messages":[{"role":"user","content":"Hi"}], "model": "atlas"}}'
        client.files.create(file=("rows.jsonl", row.encode() + b"\r\n\n"), purpose="batch")

    body = '{"max_tokens":50,"messages":[{"role":"user","content":"Hi"}], "model": "upstream-atlas"}}'
    assert shelf.uploads == [f"{head}{body}\n".encode()]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (chat_row("b", stream=True), ("Line 3", "custom_id 'b'", "capability.not_allowed")),
        (chat_row("b", n=2), ("Line 3", "custom_id 'b'", "capability.not_allowed", "n at this stage")),
        (chat_row("b", "how to make sarin"), ("Line 3", "custom_id 'b'", "input.blocked")),
        ({**chat_row("b"), "url": "/v1/images/generations"}, ("Line 3", "custom_id 'b'", "surface.unknown")),
        ({**chat_row("b"), "url": "/v1/embeddings", "body": {"model": MODEL, "input": "x"}}, ("Line 3", "surface.not_admitted")),
        (chat_row("b", max_tokens=99), ("Line 3", "capability.max_output_tokens")),
    ],
)
def test_one_row_that_would_be_refused_refuses_the_upload_by_name(
    strict: Shelf, row: dict[str, object], said: tuple[str, ...]
) -> None:
    with strict.client() as client, pytest.raises(openai.PermissionDeniedError) as caught:
        client.files.create(file=jsonl(chat_row("a"), "", row), purpose="batch")
    assert strict.uploads == []

    assert caught.value.code == "file.row_refused"
    assert all(part in caught.value.message for part in said), caught.value.message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"custom_id": "b", ', "Line 3: request.malformed"),
        ('{"custom_id":"b","method":"GET","url":"/v1/chat/completions","body":{}}', 'method must be "POST"'),
        ('{"custom_id":"b","method":"POST","url":"/v1/chat/completions","body":[]}', "body must be an object"),
        ('{"method":"POST","url":"/v1/chat/completions","body":{}}', "custom_id must be"),
        ('{"custom_id":"b","custom_id":"c","method":"POST","url":"/v1/chat/completions","body":{}}', "stands twice"),
        (json.dumps(chat_row("a")), "custom_id 'a' stands on an earlier line"),
        (json.dumps(chat_row("b", seed="x", n="y")), "Line 3, custom_id 'b': request.wrong_type"),
        ('{"x":\r' + json.dumps(chat_row("hidden")) + '\r,"custom_id":"b"}', "a carriage return stands within it"),
    ],
)
def test_a_line_that_is_no_row_is_named(strict: Shelf, line: str, said: str) -> None:
    with strict.client() as client, pytest.raises(openai.BadRequestError) as caught:
        client.files.create(file=jsonl(chat_row("a"), "", line), purpose="batch")
    assert strict.uploads == []

    assert caught.value.code == "file.row_malformed"
    assert said in caught.value.message


def test_a_file_of_no_rows_of_too_many_and_of_two_models_is_refused(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with a_shelf(upstream, tmp_path, max_batch_rows=2) as shelf, shelf.client() as client:
        world = shelf.served.world
        other = a_second_release(shelf)
        codes: list[str | None] = []
        for content in (b"\n\n", jsonl(*(chat_row(name) for name in "abc")), jsonl(chat_row("a"), chat_row("b", model=other))):
            with pytest.raises(openai.BadRequestError) as caught:
                client.files.create(file=content, purpose="batch")
            codes.append(caught.value.code)
        assert shelf.uploads == []
        assert set(world.models) == {MODEL, other}

    assert codes == ["file.row_malformed", "file.row_malformed", "file.models_mixed"]


def a_second_release(shelf: Shelf) -> str:
    world = shelf.served.world
    world.change_policy(replace(world.models[MODEL], model="borea", release_id=ReleaseId("rel_2")))
    changed(shelf)
    return "borea"


def test_strangers_find_nothing(shelf: Shelf) -> None:
    with shelf.client() as client, shelf.client(STRANGER) as stranger:
        batch = finished(client, create(client, jsonl(chat_row("a"))).id)
        output = batch.output_file_id or ""
        attempts = [
            lambda: stranger.batches.retrieve(batch.id),
            lambda: stranger.batches.cancel(batch.id),
            lambda: stranger.files.retrieve(batch.input_file_id),
            lambda: stranger.files.content(output),
            lambda: stranger.files.delete(output),
            lambda: stranger.batches.create(
                input_file_id=batch.input_file_id, endpoint="/v1/chat/completions", completion_window="24h"
            ),
            lambda: stranger.batches.retrieve("batch_0"),
        ]
        for attempt in attempts:
            with pytest.raises(openai.NotFoundError) as caught:
                attempt()
            assert caught.value.code == "object_not_found"
        assert stranger.batches.list().data == []
        assert stranger.files.list().data == []

        assert [each.id for each in client.batches.list()] == [batch.id]
        assert {each.id for each in client.files.list()} == {batch.input_file_id, output}
        assert [each.id for each in client.files.list(purpose="batch_output")] == [output]


def test_lists_are_paged(shelf: Shelf) -> None:
    with shelf.client() as client:
        made = [client.files.create(file=jsonl(chat_row("a")), purpose="batch").id for _ in range(5)]
        first = client.files.list(limit=2)
        assert ([each.id for each in first.data], first.has_more) == ([made[4], made[3]], True)
        assert [each.id for each in client.files.list(limit=2)] == made[::-1]
        assert [each.id for each in client.files.list(limit=2, order="asc")] == made
        client.files.delete(made[2])
        assert [each.id for each in client.files.list(limit=2)] == [made[4], made[3], made[1], made[0]]
        with pytest.raises(openai.NotFoundError):
            client.files.retrieve(made[2])
        with pytest.raises(openai.BadRequestError):
            client.files.list(after="file-of-nobody")


def test_a_stage_that_was_narrowed_since_the_upload_creates_no_batch(shelf: Shelf) -> None:
    with shelf.client() as client:
        file = client.files.create(file=jsonl(chat_row("a", seed=1)), purpose="batch")
        narrowed(shelf, capabilities=frozenset())
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")

    assert caught.value.code == "capability.not_allowed"
    assert not [admission for admission in shelf.served.recorder.admissions if admission.surface == "api.chat"]


def test_a_bound_that_was_lowered_since_the_upload_creates_no_batch(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with a_shelf(upstream, tmp_path, a_shelf_rule(max_output_tokens=50)) as shelf, shelf.client() as client:
        file = client.files.create(file=jsonl(chat_row("a")), purpose="batch")
        narrowed(shelf, max_output_tokens=20)
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")

    assert caught.value.code == "capability.max_output_tokens"


def test_a_surface_that_the_stage_or_the_key_lacks_creates_no_batch(shelf: Shelf) -> None:
    with shelf.client() as client:
        file = client.files.create(file=jsonl(chat_row("a")), purpose="batch")
        narrowed(shelf, surfaces=frozenset({"api.chat", "api.files"}))
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        assert caught.value.code == "surface.not_admitted"
        narrowed(shelf)
        with pytest.raises(openai.BadRequestError):
            client.batches.create(input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h")


def test_what_the_model_server_holds_must_be_what_was_looked_at(shelf: Shelf) -> None:
    with shelf.client() as client:
        file = client.files.create(file=jsonl(chat_row("a")), purpose="batch")
        value, content = shelf.model.files._kept[file.id]
        shelf.model.files._kept[file.id] = (value, content + content.replace(b'"a"', b'"b"'))
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")

    assert caught.value.code == "file.changed"
    rows = [admission.exchange_id for admission in shelf.served.recorder.admissions if admission.surface == "api.chat"]
    charged = {outcome.exchange_id: outcome.charged_tokens for outcome in shelf.served.recorder.outcomes}
    assert all(charged[row] == 0 for row in rows)


def test_all_rows_are_reserved_or_none(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    rule = a_shelf_rule(limits=Limits(requests=Rate(4, 86_400)))
    with a_shelf(upstream, tmp_path, rule) as shelf, shelf.client() as client:
        three = client.files.create(file=jsonl(*(chat_row(name) for name in "abc")), purpose="batch")
        again = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
        first = client.batches.create(input_file_id=three.id, **again)  # type: ignore[arg-type]
        with pytest.raises(openai.RateLimitError) as caught:
            client.batches.create(input_file_id=three.id, **again)  # type: ignore[arg-type]
        assert caught.value.code == "limit.requests"
        finished(client, first.id)


def test_tokens_are_settled_to_what_the_batch_is_said_to_have_used(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    rule = a_shelf_rule(limits=Limits(total_tokens=2000))
    with a_shelf(upstream, tmp_path, rule) as shelf, shelf.client() as client:
        content = jsonl(*(chat_row(name, max_tokens=400) for name in "abc"))
        for _ in range(3):  # each reserves more than half of what there is
            batch = finished(client, create(client, content).id)
            assert batch.usage is not None
            assert batch.usage.total_tokens < 600


def test_a_batch_is_cancelled_when_its_release_is_cut_and_its_answers_are_not_given_out(shelf: Shelf) -> None:
    with shelf.client() as client:
        done = finished(client, create(client, jsonl(chat_row("a"))).id)
        begun = create(client, jsonl(*(chat_row(str(index)) for index in range(200))), metadata={"pause_s": "0.05"})
        changed(shelf, state=ReleaseState.CUT)
        batch = shelf.batches[begun.id]
        eventually(lambda: batch["status"] == "cancelled")
        for attempt in (
            lambda: client.files.content(done.output_file_id or ""),
            lambda: client.batches.retrieve(begun.id),
            lambda: client.files.retrieve(done.input_file_id),
        ):
            with pytest.raises(openai.PermissionDeniedError) as caught:
                attempt()
            assert caught.value.code == "release.cut"
        assert client.batches.list().data == []
        recorder = shelf.served.recorder
        eventually(lambda: len(recorder.outcomes) == len(recorder.admissions))


def test_a_batch_is_cancelled_when_its_key_is_taken_away(shelf: Shelf) -> None:
    with shelf.client() as client:
        begun = create(client, jsonl(*(chat_row(str(index)) for index in range(200))), metadata={"pause_s": "0.05"})
        shelf.served.world.change_principal(KEY, refusal=taken)
        batch = shelf.batches[begun.id]
        eventually(lambda: batch["status"] == "cancelled")


def test_a_batch_can_be_cancelled_by_its_owner(shelf: Shelf) -> None:
    with shelf.client() as client:
        begun = create(client, jsonl(*(chat_row(str(index)) for index in range(200))), metadata={"pause_s": "0.05"})
        client.batches.cancel(begun.id)
        batch = finished(client, begun.id)

    assert batch.status == "cancelled"
    outcomes = shelf.served.recorder.outcomes
    assert len(outcomes) == len(shelf.served.recorder.admissions)


def test_answers_that_the_screen_blocks_are_replaced_by_error_rows(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with a_shelf(upstream, tmp_path, a_shelf_rule(output_screen=OutputScreen.HOLD_BACK)) as shelf, shelf.client() as client:
        tools = [{"type": "function", "function": {"name": "sarin", "parameters": {"type": "object", "properties": {}}}}]
        bad = chat_row("b", "use it", tools=tools, tool_choice="required")
        batch = finished(client, create(client, jsonl(chat_row("a"), bad)).id)
        content = client.files.with_raw_response.content(batch.output_file_id or "")
        rows = [json.loads(line) for line in content.text.splitlines()]

    assert content.headers["x-headgate-withheld-rows"] == "1"
    assert rows[0]["response"]["status_code"] == 200
    assert (rows[1]["custom_id"], rows[1]["response"], rows[1]["error"]["code"]) == ("b", None, "output.blocked")
    by_body = {admission.exchange_id: admission.request_body for admission in shelf.served.recorder.admissions}
    screened = {
        b"use it" in by_body[outcome.exchange_id]: outcome.output_screened.value
        for outcome in shelf.served.recorder.outcomes
        if b'"messages"' in by_body[outcome.exchange_id]
    }
    assert screened == {False: "passed", True: "blocked"}


def test_rows_that_cannot_be_recorded_are_not_run(shelf: Shelf) -> None:
    with shelf.client() as client:
        file = client.files.create(file=jsonl(chat_row("a")), purpose="batch")
        shelf.served.recorder.full = True
        with pytest.raises(openai.InternalServerError) as caught:
            client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        assert caught.value.code == "record.unavailable"
        assert shelf.batches == {}


def test_a_file_for_something_else_makes_no_batch(shelf: Shelf) -> None:
    with shelf.client() as client:
        file = client.files.create(file=("a.txt", b"words"), purpose="user_data")
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")

    assert caught.value.code == "file.not_scanned"


def test_a_batch_whose_worker_is_gone_has_its_answers_recorded_before_they_are_shown(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    with small_model("upstream-atlas") as (_, url):
        policy = a_policy(url, a_shelf_rule())
        with running(upstream, tmp_path / "one.db", policy=policy) as first, an_owner(first) as client:
            made = create(client, jsonl(chat_row("a"), chat_row("b")), metadata={"pause_s": "0.1"})
        with running(upstream, tmp_path / "one.db", policy=policy) as second, an_owner(second) as client:
            batch = finished(client, made.id)
            late = [admission for admission in second.recorder.admissions if admission.surface == "api.chat"]
            assert [json.loads(admission.request_body)["custom_id"] for admission in late] == ["a", "b"]
            answers = client.files.content(batch.output_file_id or "").text.splitlines()
            rows = {admission.exchange_id for admission in late}
            recorded = [
                bytes(outcome.response_body).decode() for outcome in second.recorder.outcomes if outcome.exchange_id in rows
            ]
            client.batches.retrieve(made.id)

    assert len(first.recorder.admissions) == 4
    assert all(any(json.loads(line)["response"]["body"] == json.loads(body) for body in recorded) for line in answers)
    assert {outcome.charged_tokens for outcome in second.recorder.outcomes} == {0}
    assert len(recorded) == 2
    assert [admission.surface for admission in second.recorder.admissions] == ["api.chat", "api.chat", "api.files"]


def test_a_batch_that_another_worker_follows_is_not_over_before_its_answers_are_on_record(shelf: Shelf) -> None:
    with shelf.client() as client:
        made = create(client, jsonl(chat_row("a")), metadata={"pause_s": "0.2"})
        running_here = shelf.served.gateway._shelf.running._batches.runs
        run = running_here.pop(made.id)
        objects = SqlObjects(open_sqlite(shelf.served.database))
        stored = objects.find(ObjectKind.BATCH, made.id)
        assert stored is not None
        objects.keep(replace(stored, detail={**stored.detail, "worker": "w2"}))
        eventually(lambda: shelf.batches[made.id]["status"] == "completed")
        seen = client.batches.retrieve(made.id)
        assert (seen.status, seen.output_file_id) == ("finalizing", None)
        output = shelf.batches[made.id]["output_file_id"]
        with pytest.raises(openai.InternalServerError) as caught:
            client.files.content(output)
        assert caught.value.code == "batch.answers_unrecorded"
        running_here[made.id] = run
        assert finished(client, made.id).output_file_id == output


def test_what_the_rows_of_a_batch_leave_at_the_upstream_is_its_owners(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    rule = a_shelf_rule(capabilities=RIGHTS | {"stored"})
    with a_shelf(upstream, tmp_path, rule) as shelf, shelf.client() as client, shelf.client(STRANGER) as stranger:
        body = {"model": MODEL, "input": "Hi", "store": True}
        row = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": body}
        file = client.files.create(file=jsonl(row), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")
        batch = finished(client, batch.id)
        answer = json.loads(client.files.content(batch.output_file_id or "").text)
        response_id = answer["response"]["body"]["id"]
        assert client.responses.retrieve(response_id).id == response_id
        with pytest.raises(openai.NotFoundError):
            stranger.responses.retrieve(response_id)
        again = {**row, "body": {**body, "previous_response_id": response_id}}
        with pytest.raises(openai.PermissionDeniedError) as caught:
            stranger.files.create(file=jsonl(again), purpose="batch")
        assert "object_not_found" in caught.value.message
        client.files.create(file=jsonl(again), purpose="batch")


def test_answers_that_cannot_be_fetched_are_recorded_once_when_they_can_be(shelf: Shelf) -> None:
    with shelf.client() as client:
        made = create(client, jsonl(chat_row("a"), chat_row("b")))
        eventually(lambda: shelf.batches[made.id]["status"] == "completed")
        kept = shelf.model.files._kept
        output = shelf.batches[made.id]["output_file_id"]
        value, content = kept.pop(output)
        with pytest.raises(openai.InternalServerError) as caught:
            client.batches.retrieve(made.id)
        assert caught.value.code == "upstream.not_given"
        assert output not in caught.value.response.text
        kept[output] = (value, content)
        for _ in range(2):
            assert client.batches.retrieve(made.id).output_file_id == output

    recorder = shelf.served.recorder
    assert len(recorder.outcomes) == len(recorder.admissions) == 4
