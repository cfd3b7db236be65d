"""The official client over ``/v1/responses``: answers, streams, tools, and what is kept of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import openai
import pytest

from headgate.adapters.database import open_sqlite
from headgate.gateway.errors import ObjectsUnavailable
from headgate.gateway.model import ObjectKind, OnExtra, ReleaseState
from headgate.gateway.store import Keeping, SqlObjects, remove_what_is_kept_no_more
from headgate.kernel.ids import ReleaseId
from wire.kit import KEY, MODEL, eventually, taken
from wire.responses_kit import ALL, COLLEAGUE, STRANGER, Served, principal, rule, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai.types.responses import Response

WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("responses") / "limits.db") as served:
        yield served


@pytest.fixture
def served(shared: Served) -> Served:
    """The same gateway, as it was at first."""
    shared.set_principal(refusal=principal().refusal, scopes=principal().scopes)
    shared.running.recorder.outcomes.clear()
    return shared


def ask(served: Served, key: str = KEY, **more: Any) -> Response:
    with served.client(key) as client:
        create: Any = client.responses.create
        return create(**{"model": MODEL, "input": "Tell me of the gate.", **more})


def test_the_client_gets_an_answer_and_it_is_charged(served: Served) -> None:
    answer = ask(served)

    assert answer.status == "completed"
    assert answer.output_text
    assert answer.usage is not None
    outcome = served.running.recorder.outcome()
    assert (outcome.status.value, outcome.charged_tokens) == ("completed", answer.usage.total_tokens)


def test_the_client_gets_a_stream(served: Served) -> None:
    with served.client() as client:
        events = list(client.responses.create(model=MODEL, input="Tell me of the gate.", stream=True))

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert deltas == events[-1].response.output_text
    assert served.running.recorder.outcome().usage_exact


def test_the_clients_own_stream_helper_follows(served: Served) -> None:
    with served.client() as client, client.responses.stream(model=MODEL, input="Tell me of the gate.") as stream:
        final = stream.get_final_response()

    assert final.output_text


async def test_the_asynchronous_client_asks_streams_and_reads_again(served: Served) -> None:
    async with openai.AsyncOpenAI(base_url=served.running.url, api_key=KEY, max_retries=0, timeout=20) as client:
        answer = await client.responses.create(model=MODEL, input="Hi")
        again = await client.responses.retrieve(answer.id)
        stream = await client.responses.create(model=MODEL, input="Hi", stream=True)
        kinds = [event.type async for event in stream]

    assert again.output_text == answer.output_text
    assert kinds[-1] == "response.completed"


def test_tools_are_called_and_their_output_goes_back(served: Served) -> None:
    called = ask(served, input="Please get_weather now", tools=[WEATHER])
    (call,) = [item for item in called.output if item.type == "function_call"]
    answer = ask(
        served,
        previous_response_id=called.id,
        tools=[WEATHER],
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "rain"}],
    )

    assert call.name == "get_weather"
    assert answer.output_text


def test_a_streamed_tool_call_arrives_whole(served: Served) -> None:
    with served.client() as client, client.responses.stream(model=MODEL, input="get_weather", tools=[WEATHER]) as stream:
        (call,) = [item for item in stream.get_final_response().output if item.type == "function_call"]

    assert '"city"' in call.arguments


def test_whoever_made_a_response_reads_it_its_input_and_deletes_it(served: Served) -> None:
    made = ask(served)
    with served.client() as client:
        read = client.responses.retrieve(made.id)
        asked = client.responses.input_items.list(made.id).data
        client.responses.delete(made.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)

    assert read.output_text == made.output_text
    assert len(asked) == 1
    assert served.model._responses.shelf.get(made.id) is None  # pyright: ignore[reportPrivateUsage]


def test_a_kept_response_streams_again_from_where_one_left_off(served: Served) -> None:
    made = ask(served)
    with served.client() as client:
        whole = list(client.responses.retrieve(made.id, stream=True))
        rest = list(client.responses.retrieve(made.id, stream=True, starting_after=3))

    assert [event.sequence_number for event in rest] == list(range(4, len(whole)))


def test_reading_again_is_recorded_and_costs_nothing(served: Served) -> None:
    made = ask(served)
    with served.client() as client:
        client.responses.retrieve(made.id)

    outcome = served.running.recorder.outcome(2)
    assert (outcome.charged_tokens, outcome.usage_exact) == (0, True)
    assert made.id.encode() in bytes(outcome.response_body)


def test_another_key_of_the_same_account_reads_it(served: Served) -> None:
    made = ask(served)
    with served.client(COLLEAGUE) as client:
        assert client.responses.retrieve(made.id).id == made.id


@pytest.mark.parametrize("wish", ["retrieve", "delete", "cancel"])
def test_to_a_stranger_there_is_no_such_response(served: Served, wish: str) -> None:
    made = ask(served)
    with served.client(STRANGER) as client:
        with pytest.raises(openai.NotFoundError) as foreign:
            getattr(client.responses, wish)(made.id)
        with pytest.raises(openai.NotFoundError) as invented:
            getattr(client.responses, wish)("resp_nobody")

    assert foreign.value.code == invented.value.code == "object_not_found"
    assert foreign.value.message.replace(made.id, "x") == invented.value.message.replace("resp_nobody", "x")
    assert made.id in served.model._responses.shelf  # pyright: ignore[reportPrivateUsage]


def test_a_strangers_input_is_not_there_either(served: Served) -> None:
    made = ask(served)
    with served.client(STRANGER) as client, pytest.raises(openai.NotFoundError):
        client.responses.input_items.list(made.id)


def test_a_conversation_goes_on_from_ones_own_response_and_from_nobody_elses(served: Served) -> None:
    made = ask(served)

    assert ask(served, previous_response_id=made.id).previous_response_id == made.id
    with pytest.raises(openai.NotFoundError) as caught:
        ask(served, STRANGER, previous_response_id=made.id)
    assert (caught.value.code, caught.value.param) == ("object_not_found", "previous_response_id")


def test_an_item_is_the_owners_too(served: Served) -> None:
    made = ask(served)
    reference: Any = [{"type": "item_reference", "id": made.output[0].id}, {"role": "user", "content": "Go on."}]

    with pytest.raises(openai.NotFoundError) as caught:
        ask(served, STRANGER, input=reference)
    assert caught.value.param == "input[0].id"
    with pytest.raises(openai.BadRequestError):  # it is the owner's, and the small model knows no references
        ask(served, input=reference)


def test_conversations_are_refused_by_name(served: Served) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        ask(served, conversation="conv_1")

    assert caught.value.param == "conversation"


def test_turns_count_across_the_responses_that_one_goes_on_from(served: Served) -> None:
    served.set_policy(rule(max_turns=2))
    second = ask(served, previous_response_id=ask(served).id)

    with pytest.raises(openai.PermissionDeniedError) as caught:
        ask(served, previous_response_id=second.id)
    assert caught.value.code == "capability.max_turns"


def test_what_is_not_asked_to_be_kept_is_not_kept_where_nothing_may_be(served: Served) -> None:
    served.set_policy(rule(capabilities=ALL - {"stored"}))
    answer = ask(served)

    assert answer.to_dict()["store"] is False
    with pytest.raises(openai.PermissionDeniedError) as caught:
        ask(served, store=True)
    assert caught.value.code == "capability.not_allowed"


def test_what_the_stage_takes_out_is_declared(served: Served) -> None:
    served.set_policy(rule(capabilities=frozenset({"streaming"}), on_extra=OnExtra.STRIP))
    with served.client() as client:
        raw = client.responses.with_raw_response.create(
            model=MODEL, input="get_weather", instructions="Be brief.", tools=[WEATHER], tool_choice="required"
        )

    answer = raw.parse()
    assert raw.headers["x-headgate-stripped"] == "system_prompt,tools"
    assert (answer.instructions, answer.tools) == (None, [])
    assert answer.output_text


def test_an_answer_is_no_longer_than_the_stage_allows(served: Served) -> None:
    served.set_policy(rule(max_output_tokens=3))
    answer = ask(served)

    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"
    with pytest.raises(openai.PermissionDeniedError):
        ask(served, max_output_tokens=4)


@pytest.mark.parametrize("state", [ReleaseState.CUT, ReleaseState.WITHDRAWN, ReleaseState.DRAFT])
def test_once_a_release_is_closed_nothing_that_it_kept_is_to_be_had(served: Served, state: ReleaseState) -> None:
    made = ask(served)
    served.set_policy(state=state)

    with served.client() as client:
        for path in (f"/responses/{made.id}", f"/responses/{made.id}?stream=true", f"/responses/{made.id}/input_items"):
            with pytest.raises((openai.PermissionDeniedError, openai.NotFoundError)):
                client.get(path, cast_to=object)
    with pytest.raises((openai.PermissionDeniedError, openai.NotFoundError)):
        ask(served, previous_response_id=made.id)


def test_a_closed_releases_answers_are_not_continued_with_another_model(served: Served) -> None:
    made = ask(served)
    served.set_policy(release_id=ReleaseId("rel_2"), model="other")
    served.set_policy(state=ReleaseState.CUT)

    assert ask(served, model="other").output_text
    with pytest.raises(openai.PermissionDeniedError) as caught:
        ask(served, model="other", previous_response_id=made.id)
    assert caught.value.code == "release.cut"


def test_a_new_release_of_the_same_name_inherits_nothing(served: Served) -> None:
    made = ask(served)
    served.set_policy(release_id=ReleaseId("rel_9"))

    with served.client() as client, pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_a_revoked_key_reads_nothing_that_it_made(served: Served) -> None:
    made = ask(served)
    served.set_principal(refusal=taken)

    with served.client() as client, pytest.raises(openai.PermissionDeniedError) as caught:
        client.responses.retrieve(made.id)
    assert caught.value.code == "key.revoked"


def test_a_key_without_the_surface_reads_nothing(served: Served) -> None:
    made = ask(served)
    served.set_principal(scopes=frozenset({"api.chat"}))

    with served.client() as client, pytest.raises(openai.PermissionDeniedError) as caught:
        client.responses.retrieve(made.id)
    assert caught.value.code == "scope.missing"


def test_a_response_in_the_background_is_read_when_it_is_ready_and_charged_once(served: Served) -> None:
    queued = ask(served, background=True, max_output_tokens=500)
    reserved = served.running.recorder.outcome().charged_tokens
    with served.client() as client:
        statuses = [client.responses.retrieve(queued.id).status for _ in range(3)]
        ready = client.responses.retrieve(queued.id)

    assert queued.status == "queued"
    assert statuses == ["in_progress", "completed", "completed"]
    assert ready.usage is not None
    outcomes = served.running.recorder.outcomes
    eventually(lambda: len(outcomes) == 5)
    counted = [(outcome.prompt_tokens, outcome.completion_tokens) for outcome in outcomes]
    assert counted == [(None, None), (0, 0), (ready.usage.input_tokens, ready.usage.output_tokens), (0, 0), (0, 0)]
    assert reserved >= ready.usage.total_tokens
    assert sum(outcome.charged_tokens for outcome in outcomes) == reserved


def test_a_response_in_the_background_is_cancelled_by_its_owner(served: Served) -> None:
    queued = ask(served, background=True, metadata={"x-small-model-background": "hold"})
    with served.client() as client:
        assert client.responses.cancel(queued.id).status == "cancelled"


def status_of(served: Served, response_id: str) -> str:
    return served.model._responses.shelf[response_id].status  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("end", ["cut", "revoked", "narrowed"])
def test_what_runs_in_the_background_is_called_off_when_access_ends(served: Served, end: str) -> None:
    hold = {"x-small-model-background": "hold"}
    mine, other = (ask(served, key, background=True, metadata=hold) for key in (KEY, STRANGER))

    match end:
        case "cut":
            served.set_policy(state=ReleaseState.CUT)
        case "narrowed":
            served.set_policy(rule(capabilities=ALL - {"background"}))
        case _:
            served.set_principal(refusal=taken)

    eventually(lambda: status_of(served, mine.id) == "cancelled")
    if end == "revoked":
        assert status_of(served, other.id) == "queued"
        with served.client(STRANGER) as client:
            assert client.responses.cancel(other.id).status == "cancelled"
    else:
        eventually(lambda: status_of(served, other.id) == "cancelled")


def test_while_it_cannot_be_looked_up_whose_a_response_is_nobody_is_given_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ask(served)
    count = len(served.model._responses.shelf)  # pyright: ignore[reportPrivateUsage]
    with monkeypatch.context() as broken:
        for name in ("find", "keep"):
            broken.setattr(SqlObjects, name, _down)
        with served.client() as client, pytest.raises(openai.InternalServerError) as caught:
            client.responses.retrieve(made.id)
        assert (caught.value.status_code, caught.value.code) == (503, "objects.unavailable")
        with pytest.raises(openai.InternalServerError):
            ask(served, previous_response_id=made.id)
        with pytest.raises(openai.InternalServerError) as caught:
            ask(served)
        assert "resp_" not in str(caught.value.body)
        with served.client() as client, pytest.raises(openai.APIError) as cut:
            list(client.responses.create(model=MODEL, input="Hi", stream=True))
        assert "resp_" not in str(cut.value.body)

    assert len(served.model._responses.shelf) == count + 2  # pyright: ignore[reportPrivateUsage]
    with served.client() as client:
        assert client.responses.retrieve(made.id).id == made.id


def _down(*_: Any) -> Any:
    raise ObjectsUnavailable("the disk is gone")


@pytest.mark.parametrize("path", ["compact", "input_tokens"])
def test_neighbours_that_are_not_served_are_refused_by_name(served: Served, path: str) -> None:
    with served.client() as client, pytest.raises(openai.PermissionDeniedError) as caught:
        client.post(f"/responses/{path}", cast_to=object, body={"model": MODEL})

    assert caught.value.code == "surface.not_admitted"


def test_a_wrong_method_and_a_wrong_path_are_told_apart(served: Served) -> None:
    made = ask(served)
    with served.client() as client:
        with pytest.raises(openai.APIStatusError) as method:
            client.post(f"/responses/{made.id}", cast_to=object)
        with pytest.raises(openai.NotFoundError) as path:
            client.get(f"/responses/{made.id}/secrets", cast_to=object)
        with pytest.raises(openai.BadRequestError) as query:
            client.get(f"/responses/{made.id}?stream=false&stream=true", cast_to=object)

    assert (method.value.status_code, method.value.response.headers["allow"]) == (405, "DELETE, GET")
    assert path.value.code == "surface.unknown"
    assert query.value.param == "stream"


def test_what_is_bound_is_bound_to_the_account(served: Served) -> None:
    made = ask(served)
    found = served.running.gateway._door._objects.find(ObjectKind.RESPONSE, made.id)  # pyright: ignore[reportPrivateUsage]

    assert found is not None
    assert (found.account_id, found.model, found.detail["turns"]) == ("acc_ada", MODEL, 1)


def test_what_is_kept_no_longer_is_refused_to_everybody_and_adopted_by_nobody(served: Served) -> None:
    made = ask(served)
    engine = open_sqlite(served.running.database)
    keeping = Keeping(answers=timedelta(days=30), files=timedelta(days=400), ended=())
    assert remove_what_is_kept_no_more(engine, keeping, now=datetime.now(UTC) + timedelta(days=31))
    assert made.id in served.model._responses.shelf  # pyright: ignore[reportPrivateUsage]

    for key in (KEY, STRANGER):
        with served.client(key) as client:
            for name in (lambda: client.responses.retrieve(made.id), lambda: client.responses.delete(made.id)):
                with pytest.raises(openai.NotFoundError):
                    name()
        with pytest.raises(openai.NotFoundError):
            ask(served, key, previous_response_id=made.id)

    assert SqlObjects(engine).find(ObjectKind.RESPONSE, made.id) is None
    engine.dispose()
