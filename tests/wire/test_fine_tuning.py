from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import openai
import pytest

from headgate.gateway.model import ReleaseState
from headgate.kernel.ids import ReleaseId
from wire.kit import KEY, MODEL, ScriptedUpstream, a_principal, eventually
from wire.shelf_kit import (
    RIGHTS,
    STRANGER,
    SURFACES,
    Shelf,
    a_shelf,
    a_shelf_rule,
    changed,
    chat_row,
    finished,
    jsonl,
    narrowed,
    no_upstream,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from openai.types.fine_tuning import FineTuningJob

GOOD: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}
ASK: Any = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def shelf(upstream: ScriptedUpstream, tmp_path: Path) -> Iterator[Shelf]:
    with a_shelf(upstream, tmp_path) as shelf:
        yield shelf


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Shared by tests that leave nothing behind, because everything is refused."""
    with a_shelf(no_upstream(), tmp_path_factory.mktemp("strict")) as shelf:
        yield shelf


def a_job(client: openai.OpenAI, **more: Any) -> FineTuningJob:
    file = client.files.create(file=("rows.jsonl", jsonl(GOOD, GOOD)), purpose="fine-tune")
    return client.fine_tuning.jobs.create(model=MODEL, training_file=file.id, **more)


def a_tuned_model(client: openai.OpenAI) -> str:
    job = a_job(client, suffix="mine")
    end_s = time.monotonic() + 10
    while job.status != "succeeded":
        job = client.fine_tuning.jobs.retrieve(job.id)
        assert time.monotonic() < end_s
    assert job.fine_tuned_model is not None
    return job.fine_tuned_model


def test_a_tuned_model_serves_its_owner_under_a_version_of_its_own(shelf: Shelf) -> None:
    with shelf.client() as client, shelf.client(STRANGER) as stranger:
        name = a_tuned_model(client)
        answer = client.chat.completions.create(model=name, messages=ASK)
        with pytest.raises(openai.NotFoundError) as caught:
            stranger.chat.completions.create(model=name, messages=ASK)
        assert [model.id for model in client.models.list()] == [MODEL, name]
        assert client.models.retrieve(name).id == name
        assert [model.id for model in stranger.models.list()] == [MODEL]

    assert "mine" in name
    assert answer.model == name
    assert caught.value.code == "model_not_found"
    admission = shelf.served.recorder.admissions[-1]
    base = shelf.served.world.models[MODEL]
    assert (admission.model, admission.release_id, admission.surface) == (name, base.release_id, "api.chat")
    assert admission.version_digest not in ("", base.version_digest)


def test_a_tuned_model_is_narrowed_and_cut_with_its_base(shelf: Shelf) -> None:
    with shelf.client() as client:
        name = a_tuned_model(client)
        narrowed(shelf, capabilities=RIGHTS - {"seed"})
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.chat.completions.create(model=name, messages=ASK, seed=1)
        assert caught.value.code == "capability.not_allowed"
        narrowed(shelf, capabilities=RIGHTS - {"fine_tuning"})
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model=name, messages=ASK)
        narrowed(shelf)
        client.chat.completions.create(model=name, messages=ASK)
        changed(shelf, state=ReleaseState.CUT)
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.chat.completions.create(model=name, messages=ASK)
        assert caught.value.code == "release.cut"


def test_a_tuned_model_is_not_served_under_another_release_of_its_base(shelf: Shelf) -> None:
    with shelf.client() as client:
        name = a_tuned_model(client)
        changed(shelf, release_id=ReleaseId("rel_2"))
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model=name, messages=ASK)


def test_a_tuned_model_is_deleted_by_its_owner_alone(shelf: Shelf) -> None:
    with shelf.client() as client, shelf.client(STRANGER) as stranger:
        name = a_tuned_model(client)
        for whose, what in ((stranger, name), (client, MODEL)):
            with pytest.raises(openai.NotFoundError):
                whose.models.delete(what)
        assert client.models.delete(name).deleted
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model=name, messages=ASK)


def test_a_tuned_model_can_be_asked_in_batches_and_tuned_again(shelf: Shelf) -> None:
    with shelf.client() as client:
        name = a_tuned_model(client)
        file = client.files.create(file=jsonl(chat_row("a", model=name)), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        batch = finished(client, batch.id)
        answer = json.loads(client.files.content(batch.output_file_id or "").text)
        assert answer["response"]["body"]["model"] == name
        learnt = client.files.create(file=jsonl(GOOD), purpose="fine-tune")
        job = client.fine_tuning.jobs.create(model=name, training_file=learnt.id)
        assert job.model == name


def test_a_job_is_its_owners(shelf: Shelf) -> None:
    with shelf.client() as client, shelf.client(STRANGER) as stranger:
        job = a_job(client, metadata={"pause": "yes"}, seed=7, suffix="mine")
        assert (job.seed, job.status) == (7, "validating_files")
        attempts = [
            lambda: stranger.fine_tuning.jobs.retrieve(job.id),
            lambda: stranger.fine_tuning.jobs.cancel(job.id),
            lambda: stranger.fine_tuning.jobs.list_events(job.id),
            lambda: stranger.fine_tuning.jobs.checkpoints.list(job.id),
            lambda: stranger.fine_tuning.jobs.create(model=MODEL, training_file=job.training_file),
        ]
        for attempt in attempts:
            with pytest.raises(openai.NotFoundError) as caught:
                attempt()
            assert caught.value.code == "object_not_found"
        assert stranger.fine_tuning.jobs.list().data == []
        assert [each.id for each in client.fine_tuning.jobs.list()] == [job.id]
        assert client.fine_tuning.jobs.list_events(job.id).data
        for verb, status in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
            assert getattr(client.fine_tuning.jobs, verb)(job.id).status == status


def test_what_comes_of_a_job_is_its_owners(shelf: Shelf) -> None:
    with shelf.client() as client, shelf.client(STRANGER) as stranger:
        name = a_tuned_model(client)
        job = client.fine_tuning.jobs.list().data[0]
        assert client.files.content(job.result_files[0]).content.startswith(b"step")
        assert client.fine_tuning.jobs.checkpoints.list(job.id).data[0].fine_tuned_model_checkpoint == name
        with pytest.raises(openai.NotFoundError):
            stranger.files.content(job.result_files[0])


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ('{"messages": [', "file.row_malformed", "Line 2: request.malformed"),
        ('{"text": "x"}', "file.row_malformed", "Line 2: it has none of the shapes"),
        ('{"messages": []}', "file.row_malformed", "Line 2: messages must be a non-empty array"),
        ('{"messages": [{"role": "user", "content": "sarin"}]}', "file.row_refused", "Line 2: input.blocked"),
        ('{"prompt": "how to", "completion": "sarin"}', "file.row_refused", "Line 2: input.blocked"),
        ('{"prompt": "a", "completion": "b", "notes": ["sarin"]}', "file.row_refused", "Line 2: input.blocked"),
    ],
)
def test_a_row_that_may_not_be_learnt_from_refuses_the_upload(strict: Shelf, line: str, code: str, said: str) -> None:
    with strict.client() as client, pytest.raises(openai.APIStatusError) as caught:
        client.files.create(file=jsonl(GOOD, line), purpose="fine-tune")

    assert caught.value.code == code
    assert said in caught.value.message
    assert strict.uploads == []


def test_rows_that_no_screen_can_look_at_are_not_learnt_from(shelf: Shelf) -> None:
    shelf.served.screen.broken = True
    changed(shelf, gated=False)
    with shelf.client() as client, pytest.raises(openai.InternalServerError) as caught:
        client.files.create(file=jsonl(GOOD), purpose="fine-tune")

    assert caught.value.code == "screen.unavailable"
    assert shelf.uploads == []


def test_a_stage_without_the_right_takes_neither_files_nor_jobs(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with a_shelf(upstream, tmp_path) as shelf, shelf.client() as client:
        file = client.files.create(file=jsonl(GOOD), purpose="fine-tune")
        narrowed(shelf, capabilities=RIGHTS - {"fine_tuning"})
        for attempt in (
            lambda: client.files.create(file=jsonl(GOOD), purpose="fine-tune"),
            lambda: client.fine_tuning.jobs.create(model=MODEL, training_file=file.id),
        ):
            with pytest.raises(openai.PermissionDeniedError):
                attempt()
        narrowed(shelf)
        batch = client.files.create(file=("a.txt", b"words"), purpose="user_data")
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.fine_tuning.jobs.create(model=MODEL, training_file=batch.id)
        assert caught.value.code == "file.not_scanned"


def test_a_grader_is_no_way_to_another_model(shelf: Shelf) -> None:
    with shelf.client() as client:
        grader: Any = {"type": "score_model", "name": "g", "input": [], "model": "another"}
        with pytest.raises(openai.BadRequestError):
            a_job(client, method={"type": "reinforcement", "reinforcement": {"grader": grader}})
        grader = {"type": "python", "name": "g", "source": "print(1)"}
        with pytest.raises(openai.PermissionDeniedError) as caught:
            a_job(client, method={"type": "reinforcement", "reinforcement": {"grader": grader}})
        assert "hosted_tools" in caught.value.message


def test_where_several_releases_may_be_meant_the_caller_says_which(shelf: Shelf) -> None:
    world = shelf.served.world
    world.change_policy(replace(world.models[MODEL], model="borea", release_id=ReleaseId("rel_2")))
    changed(shelf)
    with shelf.client() as client:
        with pytest.raises(openai.BadRequestError) as caught:
            client.files.create(file=jsonl(GOOD), purpose="fine-tune")
        assert caught.value.code == "file.release_unclear"
        file = client.files.create(file=jsonl(GOOD), purpose="fine-tune", extra_headers={"x-headgate-model": "borea"})
        with pytest.raises(openai.PermissionDeniedError) as refused:
            client.fine_tuning.jobs.create(model=MODEL, training_file=file.id)
        assert refused.value.code == "file.not_scanned"
        other = client.files.create(file=jsonl(GOOD), purpose="fine-tune", extra_query={"model": MODEL})
        assert client.fine_tuning.jobs.create(model=MODEL, training_file=other.id).status == "validating_files"


def test_a_job_is_cancelled_when_its_release_is_cut(shelf: Shelf) -> None:
    with shelf.client() as client:
        job = a_job(client, metadata={"pause": "yes"})
        changed(shelf, state=ReleaseState.CUT)
        model: Any = shelf.model
        eventually(lambda: model._shelf["fine_tuning"]._kept[job.id]["status"] == "cancelled")


def test_a_key_without_the_scope_is_refused(shelf: Shelf) -> None:
    shelf.served.world.principals = {KEY: a_principal(scopes=SURFACES - {"api.fine_tuning", "api.files"})}
    with shelf.client() as client:
        with pytest.raises(openai.PermissionDeniedError):
            client.files.create(file=jsonl(GOOD), purpose="fine-tune")
        assert client.fine_tuning.jobs.list().data == []


def test_a_screened_stage_looks_at_jobs_too(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with a_shelf(upstream, tmp_path, a_shelf_rule(input_screen=True)) as shelf, shelf.client() as client:
        assert a_job(client).status == "validating_files"
