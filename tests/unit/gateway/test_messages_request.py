from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.errors import Malformed, WrongType
from headgate.gateway.model import (
    Admitted,
    Api,
    ModelPolicy,
    ObjectKind,
    Principal,
    ReleaseState,
    StageRule,
    StoredObject,
    Upstream,
)
from headgate.gateway.wire.messages import COUNT_TOKENS, MESSAGES, MessagesRequest, compile_count, compile_messages
from headgate.gateway.wire.surface import Reference
from headgate.kernel.ids import AccountId, EpochId, GrantId, KeyId, ReleaseId

if TYPE_CHECKING:
    from headgate.kernel.errors import Refused

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECRET = b"k" * 32
HI: dict[str, Any] = {"role": "user", "content": "Hi"}
WEATHER: dict[str, Any] = {"name": "weather", "description": "Tells it.", "input_schema": {"type": "object"}}
SEARCH: dict[str, Any] = {"type": "web_search_20250305", "name": "web_search"}


def a_body(**members: Any) -> bytes:
    return json.dumps({"model": "atlas", "max_tokens": 100, "messages": [HI], **members}).encode()


def a_request(**members: Any) -> MessagesRequest:
    return compile_messages(a_body(**members), "10.1.2.3", SECRET)


def asks(**members: Any) -> set[str]:
    return set(a_request(**members).call.capabilities)


def asks_in_message(*blocks: Any, role: str = "user") -> set[str]:
    return asks(messages=[{"role": role, "content": list(blocks)}, HI])


def anywhere(client_ip: str | None, now: datetime) -> Refused | None:
    return None


def admitted(
    *allowed: str, stripped: tuple[str, ...] = (), cap: int | None = None, upstream_model: str = "upstream-atlas"
) -> Admitted:
    rule = StageRule("trusted", EpochId("rel/trusted/1"), frozenset({"api.messages"}), frozenset(allowed))
    upstream = Upstream("http://x/v1", upstream_model, apis=frozenset({Api.ANTHROPIC}))
    policy = ModelPolicy(ReleaseId("rel"), "atlas", "sha256:0", ReleaseState.LIVE, True, upstream, {"vetted": rule}, NOON)
    principal = Principal(
        KeyId("key"), AccountId("acc"), None, GrantId("grt"), "vetted", frozenset({"api.messages"}), 100, anywhere
    )
    return Admitted(policy, rule, principal, stripped, cap, 0, ())


def forwarded(request: MessagesRequest, under: Admitted) -> dict[str, Any]:
    return json.loads(request.forwarded(under))


# What a body asks for.


def test_a_plain_question_asks_for_nothing() -> None:
    call = a_request().call

    assert (call.surface, call.model, call.stream, call.capabilities) == ("api.messages", "atlas", False, frozenset())
    assert (call.output_tokens, call.choices, call.turns, call.client_ip, call.end_user) == (100, 1, 1, "10.1.2.3", None)


@pytest.mark.parametrize(
    ("members", "capabilities"),
    [
        ({"stream": True}, {"streaming"}),
        ({"system": "Be kind."}, {"system_prompt"}),
        ({"system": [{"type": "text", "text": "Be kind."}]}, {"system_prompt"}),
        ({"system": ""}, set()),
        ({"tools": [WEATHER]}, {"tools"}),
        ({"tools": [{"type": "custom", **WEATHER}]}, {"tools"}),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, {"tools"}),
        ({"tools": [{"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"}]}, {"tools"}),
        ({"tools": [{"type": "computer_20250124", "name": "computer"}]}, {"tools"}),
        ({"tools": [{"type": "memory_20250818", "name": "memory"}]}, {"tools"}),
        ({"tools": [SEARCH]}, {"hosted_tools"}),
        ({"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}, {"hosted_tools"}),
        ({"tools": [{"type": "bash_code_execution", "name": "bash"}]}, {"hosted_tools"}),
        ({"tools": [{"type": "time_machine_20300101", "name": "back"}]}, {"hosted_tools"}),
        ({"tools": [{"type": 7, "name": "seven"}]}, {"hosted_tools"}),
        ({"tools": [WEATHER, SEARCH]}, {"tools", "hosted_tools"}),
        ({"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "other"}]}, {"hosted_tools", "other_models"}),
        ({"tools": [SEARCH], "tool_choice": {"type": "auto"}}, {"hosted_tools"}),
        ({"tool_choice": {"type": "none"}}, {"tools"}),
        ({"mcp_servers": [{"type": "url", "url": "https://mcp.example", "name": "m"}]}, {"hosted_tools"}),
        ({"container": "container_1"}, {"hosted_tools"}),
        ({"container": {"skills": [{"skill_id": "pdf"}]}}, {"hosted_tools"}),
        ({"tools": [WEATHER], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, {"tools"}),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "auto", "disable_parallel_tool_use": False}},
            {"tools", "parallel_tool_calls"},
        ),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"thinking"}),
        ({"thinking": {"type": "adaptive"}}, {"thinking"}),
        ({"thinking": {"type": "not yet invented"}}, {"thinking"}),
        ({"thinking": {"type": "disabled"}}, set()),
        ({"output_config": {"format": {"type": "json_schema", "schema": {}}}}, {"response_format"}),
        ({"output_config": {"effort": "high"}}, set()),
        ({"output_format": {"type": "json_schema", "schema": {}}}, {"response_format"}),
        ({"fallbacks": [{"model": "other"}]}, {"other_models"}),
        ({"fallbacks": "default"}, {"other_models"}),
        ({"fallbacks": []}, set()),
        ({"thread": {"type": "create"}}, {"stored"}),
        ({"messages": [HI, {"role": "assistant", "content": "The answer is"}]}, {"prefill"}),
        ({"messages": [HI, {"role": "system", "content": "Be brief."}]}, {"system_prompt"}),
        ({"service_tier": "auto", "temperature": 1.0, "top_k": 5, "stop_sequences": ["."], "inference_geo": "eu"}, set()),
    ],
)
def test_fields_ask_for_their_capabilities(members: dict[str, Any], capabilities: set[str]) -> None:
    assert asks(**members) == capabilities


IMAGE: dict[str, Any] = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGVsbG8="}}


@pytest.mark.parametrize(
    ("block", "capabilities"),
    [
        ({"type": "text", "text": "Hi"}, set()),
        (IMAGE, {"image_input"}),
        (PDF, {"file_input"}),
        ({"type": "container_upload", "file_id": "file_1"}, {"file_input"}),
        ({"type": "tool_result", "tool_use_id": "t", "content": "sunny"}, set()),
        ({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "sunny"}]}, set()),
        ({"type": "tool_result", "tool_use_id": "t", "content": [IMAGE]}, {"image_input"}),
        ({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "hologram"}]}, {"other_input"}),
        ({"type": "document", "source": {"type": "content", "content": [IMAGE]}}, {"file_input", "image_input"}),
        ({"type": "document", "source": {"type": "content", "content": [{"type": "smell"}]}}, {"file_input", "other_input"}),
        ({"type": "document", "source": {"type": "content", "content": "words"}}, {"file_input"}),
        ({"type": "web_fetch_tool_result", "content": {"type": "web_fetch_result", "content": PDF}}, {"file_input"}),
        ({"type": "search_result", "title": "T", "source": "s", "content": [{"type": "text", "text": "x"}]}, set()),
        ({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}, set()),
        ({"type": "redacted_thinking", "data": "c2ln"}, set()),
        ({"type": "tool_use", "id": "t", "name": "weather", "input": {"type": "image", "content": [{"type": "x"}]}}, set()),
        ({"type": "server_tool_use", "id": "t", "name": "web_search", "input": {"query": "q"}}, set()),
        ({"type": "hologram", "data": "x"}, {"other_input"}),
    ],
)
def test_blocks_ask_for_their_capabilities_wherever_they_stand(block: dict[str, Any], capabilities: set[str]) -> None:
    assert asks_in_message(block) == capabilities


@pytest.mark.parametrize(
    ("tool", "capabilities"),
    [
        ({"type": "tool_reference", "name": "weather"}, {"tools"}),
        ({"type": "tool_definition", "definition": WEATHER}, {"tools"}),
        ({"type": "tool_definition", "definition": SEARCH}, {"hosted_tools"}),
        ({"type": "mcp_toolset_reference", "name": "m"}, {"hosted_tools"}),
    ],
)
def test_a_tool_that_is_added_within_the_conversation_is_a_tool(tool: dict[str, Any], capabilities: set[str]) -> None:
    assert asks_in_message({"type": "tool_addition", "tool": tool}, role="system") == capabilities | {"system_prompt"}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["Hi"]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}, "messages[0].content"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"model": ""}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"tools": ["weather"]}, "tools[0]"),
        ({"tools": {}}, "tools"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"thinking": True}, "thinking"),
        ({"system": 7}, "system"),
        ({"system": [7]}, "system"),
        ({"metadata": "me"}, "metadata"),
        ({"output_config": []}, "output_config"),
    ],
)
def test_what_cannot_be_understood_is_named(members: dict[str, Any], param: str) -> None:
    with pytest.raises(WrongType) as caught:
        a_request(**members)

    assert caught.value.param == param


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(Malformed):
        compile_messages(
            b'{"model":"atlas","model":"other","max_tokens":1,"messages":[{"role":"user","content":"Hi"}]}', None, SECRET
        )


def test_results_of_tools_are_not_turns() -> None:
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "sunny"}]}
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "weather", "input": {}}]}

    assert a_request(messages=[HI, call, result]).call.turns == 1
    assert (
        a_request(
            messages=[HI, call, {"role": "user", "content": [*result["content"], {"type": "text", "text": "And?"}]}]
        ).call.turns
        == 2
    )


def test_the_end_user_is_known_by_a_keyed_hash() -> None:
    end_user = a_request(metadata={"user_id": "anna"}).call.end_user

    assert end_user is not None
    assert "anna" not in end_user
    assert end_user == a_request(metadata={"user_id": "anna"}).call.end_user
    assert end_user != compile_messages(a_body(metadata={"user_id": "anna"}), None, b"other" * 8).call.end_user


def test_encoded_files_are_estimated_by_their_number_and_not_by_their_size() -> None:
    small, large = (
        a_request(messages=[{"role": "user", "content": [{**IMAGE, "source": {**IMAGE["source"], "data": "A" * size}}]}])
        for size in (4, 400_000)
    )

    assert large.call.input_tokens == small.call.input_tokens > 1500


def test_what_an_upstream_keeps_is_named() -> None:
    request = a_request(
        container={"id": "container_1"},
        thread={"type": "continue", "previous_message_id": "msg_1"},
        messages=[{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "file_1"}}]}],
    )

    assert request.references == (
        Reference(ObjectKind.FILE, "file_1", "messages[0].content"),
        Reference(ObjectKind.CONTAINER, "container_1", "container"),
        Reference(ObjectKind.MESSAGE, "msg_1", "thread.previous_message_id"),
    )


def test_a_conversation_that_is_gone_on_with_counts_as_long_as_it_is() -> None:
    request = a_request(thread={"type": "continue", "previous_message_id": "msg_1"})
    detail = {"turns": 4, "tokens": 1000}
    kept = StoredObject(
        ObjectKind.MESSAGE, "msg_1", ReleaseId("rel"), "atlas", AccountId("acc"), GrantId("grt"), None, NOON, detail
    )

    going_on = request.continuing([kept])

    assert going_on.call.turns == request.call.turns + 4
    assert going_on.call.input_tokens == request.call.input_tokens + 1000


# What a screen is given.


def test_a_screen_is_given_all_that_a_model_reads() -> None:
    request = a_request(
        system=[{"type": "text", "text": "in the system prompt"}],
        tools=[
            {**WEATHER, "description": "in a description", "input_schema": {"properties": {"in a key": {"enum": ["in an enum"]}}}}
        ],
        output_config={"format": {"type": "json_schema", "schema": {"properties": {"x": {"description": "in the format"}}}}},
        messages=[
            {"role": "user", "content": "in a string"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "in a thought", "signature": "not signature"},
                    {"type": "redacted_thinking", "data": "not redacted"},
                    {
                        "type": "tool_use",
                        "id": "not id",
                        "name": "weather",
                        "input": {"id": "in an input", "type": ["in a list"]},
                    },
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "not id", "content": [{"type": "text", "text": "in a result"}]},
                    {**IMAGE, "source": {**IMAGE["source"], "data": "not data"}},
                    {
                        "type": "document",
                        "title": "in a title",
                        "source": {"type": "text", "media_type": "text/plain", "data": "in data"},
                    },
                    {"type": "web_search_tool_result", "content": [{"title": "in a find", "encrypted_content": "not sealed"}]},
                    {"type": "hologram", "story": {"deep": ["in the unknown"]}},
                ],
            },
        ],
    )

    texts = request.texts()

    assert {text for text in texts if text.startswith("in ")} == {
        "in the system prompt",
        "in a description",
        "in a key",
        "in an enum",
        "in the format",
        "in a string",
        "in a thought",
        "in an input",
        "in a list",
        "in a result",
        "in a title",
        "in data",
        "in a find",
        "in the unknown",
    }
    assert not any(text.startswith("not ") for text in texts)


def test_half_a_character_does_not_stop_a_screen() -> None:
    request = compile_messages(
        b'{"model":"atlas","max_tokens":1,"messages":[{"role":"user","content":"\\ud83d!"}]}', None, SECRET
    )

    assert request.texts() == ["\ufffd!"]


# What goes upstream.

ALL = ("streaming", "tools", "parallel_tool_calls", "hosted_tools", "system_prompt", "response_format", "thinking")
ODD = (
    b'{ "messages" : [{"content":[{"signature":"c2ln+/=","type":"thinking","thinking":"\\u00e9 \xc3\xa9"},'
    b'{"type":"text","text":"a"}],"role":"assistant"},{"role":"user","content":"Hi"}],\n "max_tokens":1e2 , '
    b'"temperature": 1.0,"x_new":{"b":1,"a":2.50}, "model":"atlas"}'
)


def test_nothing_but_the_model_changes_where_nothing_must() -> None:
    body = ODD.replace(b"1e2", b"100")

    out = compile_messages(body, None, SECRET).forwarded(admitted(*ALL))

    assert out == body.replace(b'"model":"atlas"', b'"model": "upstream-atlas"'.replace(b": ", b":"))
    assert compile_messages(body, None, SECRET).forwarded(admitted(*ALL, upstream_model="atlas")) == body


def test_a_bound_is_a_whole_number() -> None:
    with pytest.raises(WrongType, match="max_tokens"):
        compile_messages(ODD, None, SECRET)


@pytest.mark.parametrize(("asked", "cap", "sent"), [(100, None, 100), (100, 50, 50), (50, 100, 50), (0, 50, 0)])
def test_the_answer_is_bounded_by_the_lower_bound(asked: int, cap: int | None, sent: int) -> None:
    assert forwarded(a_request(max_tokens=asked), admitted(*ALL, cap=cap))["max_tokens"] == sent


@pytest.mark.parametrize(
    ("asked", "budget", "cap", "sent"),
    [
        (8000, 4000, 6000, 4000),
        (8000, 4000, 3000, 2999),
        (8000, 4000, 4000, 3999),
        (8000, 4000, 1000, 4000),
        (8000, 9000, 3000, 9000),
    ],
)
def test_thinking_stays_below_a_bound_that_is_lowered(asked: int, budget: int, cap: int, sent: int) -> None:
    request = a_request(max_tokens=asked, thinking={"type": "enabled", "budget_tokens": budget})

    assert forwarded(request, admitted(*ALL, cap=cap))["thinking"]["budget_tokens"] == sent


SERIAL = {"type": "auto", "disable_parallel_tool_use": True}


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, SERIAL),
        ({"type": "auto"}, SERIAL),
        ({"type": "any", "disable_parallel_tool_use": False}, {"type": "any", "disable_parallel_tool_use": True}),
        ({"type": "tool", "name": "weather"}, {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}),
        ({"type": "none"}, {"type": "none"}),
        (SERIAL, SERIAL),
    ],
)
def test_tools_are_called_in_turn_where_parallel_calls_are_not_allowed(choice: Any, sent: dict[str, Any]) -> None:
    request = a_request(tools=[WEATHER], **({} if choice is None else {"tool_choice": choice}))

    assert forwarded(request, admitted("tools"))["tool_choice"] == sent
    assert forwarded(request, admitted("tools", "parallel_tool_calls")).get("tool_choice") == choice


def test_no_choice_is_made_where_there_are_no_tools() -> None:
    assert "tool_choice" not in forwarded(a_request(), admitted())
    assert "tool_choice" not in forwarded(a_request(container="container_1"), admitted("hosted_tools"))


def test_tools_are_taken_out_wherever_they_are_brought_in() -> None:
    request = a_request(
        tools=[WEATHER],
        tool_choice={"type": "tool", "name": "weather"},
        messages=[
            HI,
            {
                "role": "system",
                "content": [{"type": "tool_addition", "tool": {"type": "tool_definition", "definition": WEATHER}}],
            },
            {
                "role": "system",
                "content": [
                    {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "weather"}},
                    {"type": "text", "text": "Be brief."},
                ],
            },
        ],
    )

    sent = forwarded(request, admitted("system_prompt", stripped=("tools",)))

    assert sent == {
        "model": "upstream-atlas",
        "max_tokens": 100,
        "messages": [HI, {"role": "system", "content": [{"type": "text", "text": "Be brief."}]}],
    }


def test_of_tools_only_the_clients_are_taken_out() -> None:
    request = a_request(tools=[WEATHER, SEARCH, WEATHER], tool_choice={"type": "tool", "name": "weather"})

    sent = forwarded(request, admitted("hosted_tools", stripped=("tools",)))

    assert (sent["tools"], sent["tool_choice"]) == ([SEARCH], SERIAL)
    sent = forwarded(request, admitted("hosted_tools", "parallel_tool_calls", stripped=("tools",)))
    assert (sent["tools"], sent["tool_choice"]) == ([SEARCH], {"type": "auto"})


def test_the_system_prompt_is_taken_out_wherever_it_stands() -> None:
    request = a_request(system="Be kind.", messages=[{"role": "system", "content": "Be brief."}, HI])

    sent = forwarded(request, admitted(stripped=("system_prompt",)))

    assert sent == {"model": "upstream-atlas", "max_tokens": 100, "messages": [HI]}


def test_the_format_is_taken_out_and_what_stands_beside_it_stays() -> None:
    request = a_request(
        output_format={"type": "json_schema"}, output_config={"format": {"type": "json_schema"}, "effort": "high"}
    )

    sent = forwarded(request, admitted(stripped=("response_format",)))

    assert ("output_format" in sent, sent["output_config"]) == (False, {"effort": "high"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
_GOVERNED = {
    "model", "messages", "max_tokens", "stream", "system", "tools", "tool_choice", "thinking", "output_config", "output_format",
    "metadata", "mcp_servers", "container", "fallbacks", "thread",
}  # fmt: skip


@given(
    unknown=st.dictionaries(st.text(min_size=1, max_size=8).filter(lambda key: key not in _GOVERNED), JSON, max_size=4),
    stripped=st.sets(st.sampled_from(["tools", "parallel_tool_calls", "system_prompt", "response_format"])),
    cap=st.none() | st.integers(1, 200),
    order=st.randoms(use_true_random=False),
)
def test_what_no_capability_governs_survives(unknown: dict[str, Any], stripped: set[str], cap: int | None, order: Any) -> None:
    members = {
        "model": "atlas",
        "max_tokens": 100,
        "messages": [{"role": "system", "content": "s"}, HI],
        "system": "Be kind.",
        "tools": [WEATHER, SEARCH],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": False},
        "output_config": {"effort": "low", "format": {"type": "json_schema"}},
        **unknown,
    }
    keys = list(members)
    order.shuffle(keys)
    request = compile_messages(json.dumps({key: members[key] for key in keys}).encode(), None, SECRET)

    sent = forwarded(request, admitted(*(set(ALL) - stripped), stripped=tuple(sorted(stripped)), cap=cap))

    assert {key: sent[key] for key in unknown} == unknown
    assert sent["max_tokens"] == min(100, cap or 100)
    assert ("system" in sent) == ("system_prompt" not in stripped)
    assert (WEATHER in sent["tools"]) == ("tools" not in stripped)
    assert ("format" in sent["output_config"]) == ("response_format" not in stripped)


# Counting.


def test_counting_reads_a_body_by_the_same_rules_and_asks_for_no_answer() -> None:
    body = json.dumps({"model": "atlas", "messages": [HI], "tools": [WEATHER], "thinking": {"type": "adaptive"}}).encode()

    call = compile_count(body, None, SECRET).call

    assert (call.surface, call.capabilities) == ("api.messages", {"tools", "thinking"})
    assert (call.output_tokens, call.choices, call.stream) == (0, 0, False)


def test_a_body_to_be_counted_goes_upstream_as_it_would_to_be_answered() -> None:
    body = a_body(tools=[WEATHER])

    under = admitted("tools")

    assert compile_count(body, None, SECRET).forwarded(under) == compile_messages(body, None, SECRET).forwarded(under)


def test_both_ways_in_are_one_surface() -> None:
    assert (MESSAGES.name, MESSAGES.api, MESSAGES.path) == ("api.messages", Api.ANTHROPIC, "/messages")
    assert (COUNT_TOKENS.name, COUNT_TOKENS.api, COUNT_TOKENS.path) == ("api.messages", Api.ANTHROPIC, "/messages/count_tokens")
