"""The official Anthropic client, the gateway and the small model: a whole conversation, with tools and thoughts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from headgate.gateway.model import Api, Upstream
from headgate.testing.installation import small_model
from wire.kit import KEY, MODEL, LoopThread, ScriptedUpstream, a_principal, running
from wire.messages_kit import SURFACES, TOOL, a_client, a_messages_policy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wire.kit import Running

TELL: Any = [{"role": "user", "content": "Tell me of the gate."}]
WEATHER: Any = [{"role": "user", "content": "What is the weather?"}]
THINKING: Any = {"type": "enabled", "budget_tokens": 1024}
NOTCHES: Any = {
    "type": "json_schema",
    "schema": {"type": "object", "properties": {"notches": {"type": "integer"}}, "required": ["notches"]},
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("messages")
    with small_model() as url:
        upstream = ScriptedUpstream(LoopThread())  # stands for no server here: the policy names the small model
        policy = a_messages_policy(url)
        policy = replace(policy, upstream=Upstream(url, "small-model", api_key="unused", apis=frozenset({Api.ANTHROPIC})))
        with running(upstream, folder / "limits.db", policy=policy) as gateway:
            gateway.world.principals = {KEY: a_principal(scopes=SURFACES)}
            yield gateway
        upstream.thread.close()


@pytest.fixture
def client(served: Running) -> Iterator[anthropic.Anthropic]:
    with a_client(served) as found:
        yield found


def told(message: anthropic.types.Message) -> list[dict[str, Any]]:
    return [block.to_dict(exclude_none=True) for block in message.content]


def test_the_same_question_is_answered_alike_whole_and_streamed(client: anthropic.Anthropic) -> None:
    whole = client.messages.create(model=MODEL, max_tokens=500, messages=TELL)
    with client.messages.stream(model=MODEL, max_tokens=500, messages=TELL) as stream:
        streamed = stream.get_final_message()

    assert told(whole) == told(streamed)
    assert (whole.stop_reason, whole.usage.input_tokens) == ("end_turn", streamed.usage.input_tokens)
    assert whole.usage.output_tokens == streamed.usage.output_tokens > 0


def test_what_is_charged_is_what_was_counted(served: Running, client: anthropic.Anthropic) -> None:
    before = len(served.recorder.outcomes)

    counted = client.messages.count_tokens(model=MODEL, messages=TELL)
    answer = client.messages.create(model=MODEL, max_tokens=500, messages=TELL)

    outcome = served.recorder.outcome(before + 2)
    assert counted.input_tokens == answer.usage.input_tokens == outcome.prompt_tokens
    assert outcome.charged_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert served.recorder.outcomes[before].charged_tokens == 0


@pytest.mark.parametrize("streamed", [True, False])
def test_a_tool_is_called_and_its_result_taken_in(client: anthropic.Anthropic, streamed: bool) -> None:
    if streamed:
        with client.messages.stream(model=MODEL, max_tokens=500, messages=WEATHER, tools=[TOOL]) as stream:
            called: Any = stream.get_final_message()
    else:
        called = client.messages.create(model=MODEL, max_tokens=500, messages=WEATHER, tools=[TOOL])
    (call,) = called.content

    assert (called.stop_reason, call.type, call.name, call.input) == ("tool_use", "tool_use", "weather", {})
    result: Any = {"type": "tool_result", "tool_use_id": call.id, "content": "Sunny."}
    conversation: Any = [*WEATHER, {"role": "assistant", "content": called.content}, {"role": "user", "content": [result]}]
    answer = client.messages.create(model=MODEL, max_tokens=500, messages=conversation, tools=[TOOL])
    assert (answer.stop_reason, answer.content[0].type) == ("end_turn", "text")


def test_a_tool_can_be_demanded_and_forbidden(client: anthropic.Anthropic) -> None:
    demanded = client.messages.create(model=MODEL, max_tokens=500, messages=TELL, tools=[TOOL], tool_choice={"type": "any"})
    named = client.messages.create(
        model=MODEL, max_tokens=500, messages=TELL, tools=[TOOL], tool_choice={"type": "tool", "name": "weather"}
    )
    forbidden = client.messages.create(model=MODEL, max_tokens=500, messages=WEATHER, tools=[TOOL], tool_choice={"type": "none"})

    assert [demanded.stop_reason, named.stop_reason, forbidden.stop_reason] == ["tool_use", "tool_use", "end_turn"]


def test_thoughts_come_first_and_are_told_again_unharmed(client: anthropic.Anthropic) -> None:
    whole = client.messages.create(model=MODEL, max_tokens=2000, messages=TELL, thinking=THINKING)
    with client.messages.stream(model=MODEL, max_tokens=2000, messages=TELL, thinking=THINKING) as stream:
        streamed = stream.get_final_message()

    assert [block.type for block in whole.content] == ["thinking", "text"]
    assert told(whole) == told(streamed)
    conversation: Any = [*TELL, {"role": "assistant", "content": whole.content}, *TELL]
    assert client.messages.create(model=MODEL, max_tokens=2000, messages=conversation, thinking=THINKING).content


def test_an_answer_ends_where_it_must(client: anthropic.Anthropic) -> None:
    text: Any = client.messages.create(model=MODEL, max_tokens=500, messages=TELL).content[0]
    word = text.text.split()[3]

    stopped = client.messages.create(model=MODEL, max_tokens=500, messages=TELL, stop_sequences=[f" {word}"])
    bounded = client.messages.create(model=MODEL, max_tokens=3, messages=TELL)

    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", f" {word}")
    assert (bounded.stop_reason, bounded.usage.output_tokens) == ("max_tokens", 3)


def test_an_answer_takes_the_form_asked_for(client: anthropic.Anthropic) -> None:
    answer: Any = client.messages.create(model=MODEL, max_tokens=500, messages=TELL, output_config={"format": NOTCHES})

    assert answer.content[0].text.startswith('{"notches":')


def test_what_the_model_does_not_take_is_said_in_the_api_s_words(client: anthropic.Anthropic) -> None:
    search: Any = {"type": "web_search_20250305", "name": "web_search"}
    for members in ({"tools": [search]}, {"system": [{"type": "text", "text": "x"}], "output_config": {"format": {"type": "x"}}}):
        asked: Any = members
        with pytest.raises(anthropic.BadRequestError) as caught:
            client.messages.create(model=MODEL, max_tokens=500, messages=TELL, **asked)
        assert caught.value.type == "invalid_request_error"


def test_a_fault_of_the_model_s_is_raised_as_one(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.InternalServerError) as caught:
        client.messages.create(model=MODEL, max_tokens=500, messages=TELL, extra_headers={"x-small-model-fault": "status=503"})
    assert caught.value.type == "api_error"
    with pytest.raises(anthropic.APIStatusError) as caught_later:
        list(
            client.messages.create(
                model=MODEL, max_tokens=500, messages=TELL, stream=True, extra_headers={"x-small-model-fault": "close-early=4"}
            )
        )
    assert caught_later.value.error_code == "upstream.failed"
