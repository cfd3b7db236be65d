"""The official Anthropic client against a gateway: what it gets, and what it raises."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from anthropic.types import ToolUseBlock

from headgate.access.errors import AccountSuspended
from headgate.gateway.model import Limits, OnExtra, OutputScreen, ReleaseState
from headgate.kernel.units import Rate
from wire.kit import KEY, MODEL, eventually, taken
from wire.messages_kit import (
    CAPABILITIES,
    HI,
    SIGNATURE,
    TOOL,
    a_client,
    a_messages_policy,
    a_stage,
    an_async_client,
    messages_gateway,
    posted,
)

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime
    from pathlib import Path

    from headgate.kernel.errors import Refused
    from wire.kit import Running, ScriptedUpstream


@pytest.fixture
def messages(upstream: ScriptedUpstream, tmp_path: Path) -> Generator[Running]:
    with messages_gateway(upstream, tmp_path / "limits.db") as served:
        yield served


def suspended(client_ip: str | None, now: datetime) -> Refused | None:
    return AccountSuspended("This account is suspended.", rule="account state", link="https://example.org/appeal/7")


# Answers.


def test_the_sdk_gets_a_message(messages: Running) -> None:
    with a_client(messages) as client:
        answer = client.messages.with_raw_response.create(model=MODEL, max_tokens=64, messages=HI)

    message = answer.parse()
    assert (message.content[0].type, message.stop_reason) == ("text", "end_turn")
    outcome = messages.recorder.outcome()
    assert (outcome.status.value, outcome.prompt_tokens, outcome.completion_tokens) == ("completed", 10, 5)
    assert message._request_id == answer.headers["request-id"] == answer.headers["x-request-id"] == outcome.exchange_id
    assert answer.headers["x-headgate-upstream-request-id"] == "req_theirs"
    assert "anthropic-ratelimit-requests-limit" not in answer.headers


async def test_the_asynchronous_sdk_gets_a_message(messages: Running) -> None:
    async with an_async_client(messages) as client:
        message = await client.messages.create(model=MODEL, max_tokens=64, messages=HI)

    assert [block.text for block in message.content if block.type == "text"] == ["Hello."]


def test_the_upstream_is_sent_its_own_credential_and_the_api_s_headers(messages: Running, upstream: ScriptedUpstream) -> None:
    with a_client(messages) as client:
        client.beta.messages.create(model=MODEL, max_tokens=64, messages=HI, betas=["context-1m-2025-08-07"], user_profile_id="p")
        version = client.default_headers["anthropic-version"]

    received = upstream.received[-1]
    headers = dict(received.headers)
    assert (headers["x-api-key"], headers["authorization"]) == ("headgates-own", "Bearer headgates-own")
    assert (headers["anthropic-version"], headers["anthropic-beta"]) == (version, "context-1m-2025-08-07")
    assert KEY.encode() not in received.head + received.body
    assert "anthropic-user-profile-id" not in headers


def test_what_a_server_of_the_api_reads_of_a_query_reaches_it(messages: Running, upstream: ScriptedUpstream) -> None:
    with a_client(messages) as client:
        client.messages.create(model=MODEL, max_tokens=64, messages=HI, extra_query={"beta": "true", "key": "mine"})

    assert upstream.received[-1].head.startswith(b"POST /v1/messages?beta=true HTTP/1.1\r\n")


def test_the_sdk_gets_a_raw_stream(messages: Running) -> None:
    with a_client(messages) as client:
        events = list(client.messages.create(model=MODEL, max_tokens=64, messages=HI, stream=True))

    assert [each.type for each in events] == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 3,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    outcome = messages.recorder.outcome()
    assert (outcome.status.value, outcome.prompt_tokens, outcome.completion_tokens) == ("completed", 10, 5)


def test_the_sdk_s_helper_streams(messages: Running) -> None:
    with a_client(messages) as client, client.messages.stream(model=MODEL, max_tokens=64, messages=HI) as stream:
        texts = list(stream.text_stream)
        message = stream.get_final_message()

    assert texts == ["Hel", "lo", "."]
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 5)


async def test_the_asynchronous_sdk_s_helper_streams(messages: Running) -> None:
    async with an_async_client(messages) as client, client.messages.stream(model=MODEL, max_tokens=64, messages=HI) as stream:
        text = await stream.get_final_text()

    assert text == "Hello."


def test_tools_are_called_through_a_stream(messages: Running) -> None:
    with a_client(messages) as client:
        asked: Any = {"script": "calls"}
        with client.messages.stream(model=MODEL, max_tokens=64, messages=HI, tools=[TOOL], extra_body=asked) as stream:
            message = stream.get_final_message()

    call = message.content[1]
    assert isinstance(call, ToolUseBlock)
    assert (call.name, call.input, message.stop_reason) == ("weather", {"city": "Bern"}, "tool_use")


def test_thoughts_and_their_signatures_are_passed_on_as_they_came(messages: Running, upstream: ScriptedUpstream) -> None:
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    with a_client(messages) as client:
        asked: Any = {"script": "thoughts"}
        with client.messages.stream(model=MODEL, max_tokens=2048, messages=HI, thinking=thinking, extra_body=asked) as stream:
            message = stream.get_final_message()
        said: Any = {"role": "assistant", "content": message.content}
        client.messages.create(model=MODEL, max_tokens=2048, messages=[*HI, said, *HI], thinking=thinking)

    thought = upstream.received[-1].value["messages"][1]["content"][0]
    assert (thought["thinking"], thought["signature"]) == ("Let me see.", SIGNATURE)


def test_tokens_are_counted_and_cost_a_request_and_no_token(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    rule = a_stage(limits=Limits(requests=Rate(10, 3600), tokens=Rate(10_000, 3600)))
    with messages_gateway(upstream, tmp_path / "limits.db", rule) as messages, a_client(messages) as client:
        answer = client.messages.with_raw_response.count_tokens(model=MODEL, messages=HI, system="Be kind.")

        assert answer.parse().input_tokens == 19
        outcome = messages.recorder.outcome()
        assert (outcome.status.value, outcome.charged_tokens, outcome.usage_exact) == ("completed", 0, True)
        again = client.messages.with_raw_response.count_tokens(model=MODEL, messages=HI)
        assert again.headers["anthropic-ratelimit-requests-remaining"] == "8"
        assert messages.recorder.admissions[-1].surface == "api.messages"


async def test_the_asynchronous_sdk_counts_tokens(messages: Running) -> None:
    async with an_async_client(messages) as client:
        counted = await client.messages.count_tokens(model=MODEL, messages=HI)

    assert counted.input_tokens == 19


def test_the_sdk_lists_models_and_looks_one_up(messages: Running) -> None:
    messages.world.change_policy(a_messages_policy(messages.upstream.url, model="borealis"))
    with a_client(messages) as client:
        eventually(lambda: [model.id for model in client.models.list(limit=1)] == [MODEL, "borealis"])
        assert client.models.retrieve(MODEL).display_name == MODEL
        with pytest.raises(anthropic.NotFoundError) as caught:
            client.models.retrieve("org/other")

    assert (caught.value.type, caught.value.error_code) == ("not_found_error", "model_not_found")
    assert caught.value.request_id is not None


# Refusals.


def test_a_bad_key_is_named(messages: Running) -> None:
    with a_client(messages, "hg_test_nobody", max_retries=2) as client, pytest.raises(anthropic.AuthenticationError) as caught:
        client.messages.create(model=MODEL, max_tokens=64, messages=HI)

    assert caught.value.type == "authentication_error"
    assert messages.gateway.stats().refused == {"key.unknown": 1}


def test_a_key_is_taken_as_the_api_s_own_header_too(messages: Running) -> None:
    body = b'{"model":"atlas","max_tokens":64,"messages":[{"role":"user","content":"Hi"}]}'

    assert posted(messages.url, "/messages", body).status_code == 200


def test_a_model_that_is_not_there_is_not_found(messages: Running) -> None:
    with a_client(messages) as client, pytest.raises(anthropic.NotFoundError) as caught:
        client.messages.create(model="nobody", max_tokens=64, messages=HI)

    assert (caught.value.type, caught.value.error_code) == ("not_found_error", "model_not_found")


def test_a_capability_that_is_not_allowed_is_refused_once(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with messages_gateway(upstream, tmp_path / "limits.db", a_stage(capabilities=CAPABILITIES - {"tools"})) as messages:
        with a_client(messages, max_retries=2) as client, pytest.raises(anthropic.PermissionDeniedError) as caught:
            client.messages.create(model=MODEL, max_tokens=64, messages=HI, tools=[TOOL])
        with a_client(messages) as client, pytest.raises(anthropic.PermissionDeniedError):
            client.messages.count_tokens(model=MODEL, messages=HI, tools=[TOOL])

        assert (caught.value.type, caught.value.error_code) == ("permission_error", "capability.not_allowed")
        assert messages.gateway.stats().refused == {"capability.not_allowed": 2}
        assert upstream.received == []


def test_another_model_may_not_be_asked_in_the_place_of_the_one_admitted(messages: Running, upstream: ScriptedUpstream) -> None:
    with a_client(messages) as client, pytest.raises(anthropic.PermissionDeniedError, match="other_models"):
        client.beta.messages.create(model=MODEL, max_tokens=64, messages=HI, fallbacks=[{"model": "unreleased"}])

    assert upstream.received == []


def test_what_somebody_else_s_upstream_keeps_is_not_found(messages: Running, upstream: ScriptedUpstream) -> None:
    with a_client(messages) as client, pytest.raises(anthropic.NotFoundError) as caught:
        client.messages.create(model=MODEL, max_tokens=64, messages=HI, container="container_theirs")

    assert caught.value.error_code == "object_not_found"
    assert upstream.received == []


def test_a_suspended_account_is_on_hold_and_may_appeal(messages: Running) -> None:
    messages.world.change_principal(KEY, refusal=suspended)
    with a_client(messages, max_retries=2) as client:
        eventually(lambda: _error_code(client) == "organization_on_hold")
        with pytest.raises(anthropic.BadRequestError) as caught:
            client.messages.create(model=MODEL, max_tokens=64, messages=HI)

    assert caught.value.details is not None
    assert caught.value.details.to_dict()["appeal_url"] == "https://example.org/appeal/7"


def _error_code(client: anthropic.Anthropic) -> str | None:
    try:
        client.messages.create(model=MODEL, max_tokens=64, messages=HI)
    except anthropic.APIStatusError as error:
        return error.error_code
    return None


def test_a_limit_says_when_to_come_back_and_nobody_sleeps_for_an_hour(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    rule = a_stage(limits=Limits(requests=Rate(1, 86_400)))
    with messages_gateway(upstream, tmp_path / "limits.db", rule) as messages, a_client(messages, max_retries=2) as client:
        first = client.messages.with_raw_response.create(model=MODEL, max_tokens=64, messages=HI)
        assert first.headers["anthropic-ratelimit-requests-limit"] == "1"
        assert first.headers["anthropic-ratelimit-requests-remaining"] == "0"
        assert first.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
        with pytest.raises(anthropic.RateLimitError) as caught:
            client.messages.create(model=MODEL, max_tokens=64, messages=HI)

        assert (caught.value.type, caught.value.error_code) == ("rate_limit_error", "ramp_limit_exceeded")
        assert int(caught.value.response.headers["retry-after"]) >= 1
        assert messages.gateway.stats().refused["limit.requests"] == 1


def test_a_short_limit_is_waited_for(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    rule = a_stage(limits=Limits(requests=Rate(1, 1)))
    with messages_gateway(upstream, tmp_path / "limits.db", rule) as messages, a_client(messages, max_retries=4) as client:
        for _ in range(2):
            assert client.messages.create(model=MODEL, max_tokens=64, messages=HI).stop_reason == "end_turn"


def test_the_upstream_s_own_errors_are_passed_on_as_they_came(messages: Running) -> None:
    with a_client(messages) as client:
        with pytest.raises(anthropic.BadRequestError, match="temperature: range"):
            client.messages.create(model=MODEL, max_tokens=64, messages=HI, extra_body={"script": "rejected"})
        with pytest.raises(anthropic.APIStatusError) as caught:
            client.messages.create(model=MODEL, max_tokens=64, messages=HI, extra_body={"script": "overloaded"})

    assert (caught.value.status_code, caught.value.type) == (529, "overloaded_error")


# Streams that are cut.


def test_a_stream_that_is_taken_away_is_an_error_in_the_client_and_not_asked_for_again(
    messages: Running, upstream: ScriptedUpstream
) -> None:
    with a_client(messages, max_retries=2) as client:
        stream = client.messages.create(model=MODEL, max_tokens=64, messages=HI, stream=True, extra_body={"script": "for_ever"})
        next(iter(stream))
        messages.world.change_principal(KEY, refusal=taken)
        with pytest.raises(anthropic.APIStatusError) as caught:
            list(stream)

    assert caught.value.type == "access_revoked"
    assert caught.value.error_code == "key.revoked"
    assert len(upstream.received) == 1
    assert messages.recorder.outcome().status.value == "cut"


async def test_the_asynchronous_client_raises_when_a_stream_is_cut(messages: Running) -> None:
    async with an_async_client(messages) as client:
        stream = await client.messages.create(
            model=MODEL, max_tokens=64, messages=HI, stream=True, extra_body={"script": "for_ever"}
        )
        messages.world.change_policy(a_messages_policy(messages.upstream.url, state=ReleaseState.CUT))
        with pytest.raises(anthropic.APIStatusError) as caught:
            [event async for event in stream]

    assert caught.value.error_code == "release.cut"


@pytest.mark.parametrize("script", ["half", "failing"])
def test_a_stream_that_breaks_off_is_an_error_in_the_client(messages: Running, script: str) -> None:
    with a_client(messages) as client, pytest.raises(anthropic.APIStatusError) as caught:
        list(client.messages.create(model=MODEL, max_tokens=64, messages=HI, stream=True, extra_body={"script": script}))

    assert caught.value.type in {"api_error", "overloaded_error"}
    outcome = messages.recorder.outcome()
    assert (outcome.status.value, outcome.usage_exact) == ("upstream_failed", False)


# Screens.


@pytest.mark.parametrize("screen", [OutputScreen.HOLD_BACK, OutputScreen.TRAIL])
@pytest.mark.parametrize("streamed", [True, False])
def test_an_answer_that_a_screen_stops_ends_as_a_refusal(
    upstream: ScriptedUpstream, tmp_path: Path, screen: OutputScreen, streamed: bool
) -> None:
    asked: Any = {"script": "blocked" if streamed else "blocked_whole"}
    with messages_gateway(upstream, tmp_path / "limits.db", a_stage(output_screen=screen), window_bytes=8) as messages:
        with a_client(messages) as client:
            if streamed:
                with client.messages.stream(model=MODEL, max_tokens=64, messages=HI, extra_body=asked) as stream:
                    message: Any = stream.get_final_message()
            else:
                message = client.messages.create(model=MODEL, max_tokens=64, messages=HI, extra_body=asked)

        shown = "".join(block.text for block in message.content)
        assert message.stop_reason == "refusal"
        assert message.stop_details.explanation == "A rule on weapons matched."
        assert message.stop_details.to_dict()["headgate"]["code"] == "output.blocked"
        assert ("sarin" in shown) is (screen is OutputScreen.TRAIL and streamed)
        assert messages.recorder.outcome().status.value == "cut"


def test_a_screen_sees_what_the_client_will_see(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    rule = a_stage(output_screen=OutputScreen.HOLD_BACK, input_screen=True)
    with messages_gateway(upstream, tmp_path / "limits.db", rule) as messages, a_client(messages) as client:
        for script in ("thoughts", "calls"):
            list(
                client.messages.create(
                    model=MODEL, max_tokens=64, messages=HI, stream=True, tools=[TOOL], extra_body={"script": script}
                )
            )

        shown = " ".join(messages.screen.shown)
        assert all(text in shown for text in ("Let me see.", "Seen.", "Looking.", '{"city": "Bern"}'))
        assert SIGNATURE not in shown
        assert {"Hi", "Tells it."} <= set(messages.screen.seen)


def test_a_prompt_that_a_screen_stops_goes_nowhere(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with messages_gateway(upstream, tmp_path / "limits.db", a_stage(input_screen=True)) as messages:
        result: Any = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "sarin"}]}
        with a_client(messages) as client, pytest.raises(anthropic.PermissionDeniedError) as caught:
            client.messages.create(model=MODEL, max_tokens=64, messages=[{"role": "user", "content": [result]}])

        assert caught.value.error_code == "input.blocked"
        assert upstream.received == []


# What a stage changes.


def test_what_a_stage_takes_out_and_bounds_is_declared(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    rule = a_stage(capabilities=frozenset({"thinking"}), on_extra=OnExtra.STRIP, max_output_tokens=2000)
    with messages_gateway(upstream, tmp_path / "limits.db", rule) as messages, a_client(messages) as client:
        answer = client.messages.with_raw_response.create(
            model=MODEL,
            max_tokens=4096,
            messages=HI,
            system="Be kind.",
            tools=[TOOL],
            thinking={"type": "enabled", "budget_tokens": 3000},
        )

        assert answer.headers["x-headgate-stripped"] == "max_output_tokens,system_prompt,tools"
        assert answer.headers["x-headgate-max-output-tokens"] == "2000"
        sent = upstream.received[-1].value
        assert sent == {
            "model": "upstream-atlas",
            "max_tokens": 2000,
            "messages": HI,
            "thinking": {"type": "enabled", "budget_tokens": 1999},
        }


def test_a_conversation_that_an_upstream_keeps_is_its_owner_s_alone(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with messages_gateway(upstream, tmp_path / "limits.db") as messages, a_client(messages) as client:
        thread: Any = {"thread": {"type": "create"}}
        kept = client.messages.create(model=MODEL, max_tokens=64, messages=HI, extra_body=thread)
        further: Any = {"thread": {"type": "continue", "previous_message_id": kept.id}}
        client.messages.create(model=MODEL, max_tokens=64, messages=HI, extra_body=further)
        messages.world.principals = {
            **messages.world.principals,
            "hg_test_bob": replace(messages.world.principals[KEY], key_id=_key("bob"), account_id=_account("bob")),
        }
        with a_client(messages, "hg_test_bob") as bob, pytest.raises(anthropic.NotFoundError):
            bob.messages.create(model=MODEL, max_tokens=64, messages=HI, extra_body=further)

        assert len(upstream.received) == 2


def _key(name: str) -> Any:
    return f"key_{name}"


def _account(name: str) -> Any:
    return f"acc_{name}"
