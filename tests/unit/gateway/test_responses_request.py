"""What a responses request asks for, and what of it goes upstream."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.decide import STRIPPABLE, admit
from headgate.gateway.errors import Malformed, WrongType
from headgate.gateway.model import (
    Admitted,
    ModelPolicy,
    ObjectKind,
    OnExtra,
    Principal,
    ReleaseState,
    StageRule,
    StoredObject,
    Upstream,
)
from headgate.gateway.wire.responses import ResponsesRequest, compile_responses
from headgate.gateway.wire.surface import Reference
from headgate.kernel.ids import AccountId, EpochId, GrantId, KeyId, ReleaseId

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
FUNCTION: dict[str, Any] = {"type": "function", "name": "f", "parameters": {}}
SEARCH: dict[str, Any] = {"type": "web_search"}
ASSISTANT: dict[str, Any] = {"role": "assistant", "content": "Well."}
USER: dict[str, Any] = {"role": "user", "content": "Hi"}


def read(text: str) -> ResponsesRequest:
    return compile_responses(text.encode(), None, b"k")


def compiled(**members: Any) -> ResponsesRequest:
    return read(json.dumps({"model": "atlas", **members}))


def _no_objection(client_ip: str | None, now: datetime) -> None:
    del client_ip, now


def admitted(request: ResponsesRequest, allowed: set[str] | frozenset[str] = frozenset(), **changes: Any) -> Admitted:
    """Admit a request at a stage that takes out what it does not allow."""
    rule = StageRule(
        stage="s",
        epoch=EpochId("rel_1/s/1"),
        surfaces=frozenset({"api.responses"}),
        capabilities=frozenset(allowed),
        on_extra=OnExtra.STRIP,
        **changes,
    )
    policy = ModelPolicy(
        release_id=ReleaseId("rel_1"),
        model="atlas",
        version_digest="sha256:0",
        state=ReleaseState.LIVE,
        gated=True,
        upstream=Upstream("http://u/v1", "atlas"),
        rules={"c": rule},
        created=NOON,
    )
    principal = Principal(KeyId("key_1"), AccountId("acc_1"), None, GrantId("grt_1"), "c", rule.surfaces, 100, _no_objection)
    decision = admit(request.call, principal, policy, now=NOON, assumed_output_tokens=100)
    assert isinstance(decision, Admitted), decision
    return decision


def forwarded(request: ResponsesRequest, allowed: set[str] | frozenset[str] = frozenset(), **changes: Any) -> Any:
    return json.loads(request.forwarded(admitted(request, allowed, **changes)))


@pytest.mark.parametrize(
    ("members", "capabilities"),
    [
        ({}, set[str]()),
        ({"input": "Hi"}, set[str]()),
        ({"input": [USER]}, set[str]()),
        ({"stream": True}, {"streaming"}),
        ({"instructions": "Be brief."}, {"system_prompt"}),
        ({"instructions": ""}, set[str]()),
        ({"input": [{"role": "developer", "content": "x"}, USER]}, {"system_prompt"}),
        ({"input": [{"type": "message", "role": "system", "content": "x"}, USER]}, {"system_prompt"}),
        ({"input": [USER, ASSISTANT]}, {"prefill"}),
        ({"input": [{"role": "oracle", "content": "x"}]}, {"other_input"}),
        ({"tools": [FUNCTION]}, {"tools"}),
        ({"tools": [{"type": "custom", "name": "c"}]}, {"tools"}),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [FUNCTION]}]}, {"tools"}),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [FUNCTION, SEARCH]}]}, {"hosted_tools"}),
        ({"tools": [SEARCH, FUNCTION]}, {"tools", "hosted_tools"}),
        ({"tools": [{"type": "mcp"}]}, {"hosted_tools"}),
        ({"tools": [{"type": "x_new"}]}, {"hosted_tools"}),
        ({"tools": [{}]}, {"hosted_tools"}),
        ({"input": [{"type": "additional_tools", "role": "developer", "tools": [SEARCH]}]}, {"hosted_tools"}),
        ({"input": [{"type": "tool_search_output", "tools": [FUNCTION]}]}, {"tools"}),
        ({"input": [{"type": "mcp_approval_response", "approve": True}]}, {"hosted_tools"}),
        ({"tool_choice": "auto"}, set[str]()),
        ({"tool_choice": "required"}, {"tools"}),
        ({"tool_choice": {"type": "function", "name": "f"}}, {"tools"}),
        ({"tool_choice": {"type": "web_search"}}, {"hosted_tools"}),
        ({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [FUNCTION, SEARCH]}}, {"tools", "hosted_tools"}),
        ({"parallel_tool_calls": True}, {"parallel_tool_calls"}),
        ({"parallel_tool_calls": False}, set[str]()),
        ({"text": {"format": {"type": "text"}, "verbosity": "low"}}, set[str]()),
        ({"text": {"format": {"type": "json_object"}}}, {"response_format"}),
        ({"input": [{"type": "configuration_update", "text": {"format": {"type": "json_schema"}}}]}, {"response_format"}),
        ({"reasoning": {"effort": "high"}}, set[str]()),
        ({"reasoning": {"summary": "auto"}}, {"thinking"}),
        ({"reasoning": {"generate_summary": "auto"}}, {"thinking"}),
        ({"include": ["reasoning.encrypted_content"]}, {"thinking"}),
        ({"include": ["message.output_text.logprobs"]}, {"logprobs"}),
        ({"top_logprobs": 3}, {"logprobs"}),
        ({"top_logprobs": 0}, set[str]()),
        ({"seed": 0}, {"seed"}),
        ({"store": False}, set[str]()),
        ({"store": None}, set[str]()),
        ({"store": True}, {"stored"}),
        ({"background": True}, {"stored", "background"}),
        ({"previous_response_id": "resp_1"}, {"stored"}),
        ({"conversation": {"id": "conv_1"}}, {"stored"}),
        ({"prompt": {"id": "pmpt_1"}}, {"stored"}),
        ({"prompt": {"id": "pmpt_1", "variables": {"a": {"type": "input_file", "file_id": "file-1"}}}}, {"stored", "file_input"}),
        ({"prompt_cache_options": {"comparison_response_id": "resp_1"}}, {"stored"}),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, {"stored"}),
        ({"input": [{"id": "msg_1"}]}, {"stored"}),
        ({"input": [{**USER, "content": [{"type": "input_image", "image_url": "data:,"}]}]}, {"image_input"}),
        ({"input": [{**USER, "content": [{"type": "input_file", "file_data": "x"}]}]}, {"file_input"}),
        ({"input": [{**USER, "content": [{"type": "input_audio", "input_audio": {"data": "x"}}]}]}, {"audio_input"}),
        ({"input": [{**USER, "content": [{"type": "input_smell"}]}]}, {"other_input"}),
        ({"input": [{"type": "function_call_output", "output": [{"type": "input_image", "file_id": "f"}]}]}, {"image_input"}),
        ({"input": [{"type": "computer_call_output", "output": {"type": "computer_screenshot"}}]}, {"image_input"}),
        ({"input": [{"type": "reasoning", "summary": []}, {"type": "web_search_call", "id": "ws_1"}, USER]}, set[str]()),
        ({"input": [{"type": "x_unheard_of"}]}, {"other_input"}),
        ({"max_tool_calls": 3, "metadata": {"a": "b"}, "truncation": "auto", "x_new": 1}, set[str]()),
    ],
)
def test_what_a_request_makes_use_of(members: dict[str, Any], capabilities: set[str]) -> None:
    assert compiled(**members).call.capabilities == capabilities


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": ""}, "model"),
        ({"input": 3}, "input"),
        ({"input": [3]}, "input[0]"),
        ({"input": [{"type": "message", "content": "x"}]}, "input[0]"),
        ({"input": [{**USER, "content": 5}]}, "input[0].content"),
        ({"input": [{**USER, "content": [{}]}]}, "input[0].content[0]"),
        ({"tools": {}}, "tools"),
        ({"tools": ["x"]}, "tools[0]"),
        ({"input": [{"type": "additional_tools", "tools": 1}]}, "input[0].tools"),
        ({"instructions": [USER]}, "instructions"),
        ({"stream": "yes"}, "stream"),
        ({"store": "yes"}, "store"),
        ({"background": 1}, "background"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": True}, "max_output_tokens"),
        ({"previous_response_id": ["resp_1"]}, "previous_response_id"),
        ({"conversation": {}}, "conversation"),
        ({"prompt": "x"}, "prompt"),
        ({"text": "x"}, "text"),
        ({"include": "x"}, "include"),
        ({"reasoning": "x"}, "reasoning"),
    ],
)
def test_what_cannot_be_understood_is_named(members: dict[str, Any], param: str) -> None:
    with pytest.raises(WrongType) as caught:
        compiled(**members)

    assert caught.value.param == param


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(Malformed):
        read('{"model":"atlas","store":false,"store":true}')


def test_turns_bounds_and_end_users_are_read() -> None:
    request = compiled(input=[USER, ASSISTANT, USER], max_output_tokens=50, safety_identifier="ada", user="bob")

    assert (request.call.turns, request.call.output_tokens, request.call.choices) == (2, 50, 1)
    assert compiled(input="Hi", user="ada").call.end_user == request.call.end_user
    assert compiled(input="Hi").call.turns == 1


def test_everything_that_names_what_an_upstream_keeps_is_found() -> None:
    request = compiled(
        previous_response_id="resp_1",
        conversation="conv_1",
        input=[
            {"id": "msg_1"},
            {**USER, "content": [{"type": "input_file", "file_id": "file-1"}]},
            {"type": "code_interpreter_call", "container_id": "cntr_1"},
            {"type": "shell_call", "environment": {"type": "container_reference", "container_id": "cntr_2"}},
            {
                **ASSISTANT,
                "content": [{"type": "output_text", "text": "x", "annotations": [{"type": "file", "file_id": "cited"}]}],
            },
            USER,
        ],
        tools=[
            {"type": "code_interpreter", "container": "cntr_3"},
            {"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-2"]}},
            {"type": "image_generation", "input_image_mask": {"file_id": "file-3"}},
            {"type": "function", "name": "f", "parameters": {"properties": {"type": {"file_id": "x"}}}},
        ],
        prompt={"id": "pmpt_1", "variables": {"a": {"type": "input_image", "file_id": "file-4"}}},
    )

    assert {(each.kind, each.id) for each in request.references} == {
        (ObjectKind.RESPONSE, "resp_1"),
        (None, "conv_1"),
        (ObjectKind.RESPONSE_ITEM, "msg_1"),
        (ObjectKind.FILE, "file-1"),
        (ObjectKind.CONTAINER, "cntr_1"),
        (ObjectKind.CONTAINER, "cntr_2"),
        (ObjectKind.CONTAINER, "cntr_3"),
        (ObjectKind.FILE, "file-2"),
        (ObjectKind.FILE, "file-3"),
        (ObjectKind.FILE, "file-4"),
    }
    assert Reference(ObjectKind.RESPONSE_ITEM, "msg_1", "input[0].id") in request.references


def test_what_a_request_goes_on_from_counts() -> None:
    before = compiled(input="Hi", previous_response_id="resp_1")
    kept = StoredObject(
        ObjectKind.RESPONSE,
        "resp_1",
        ReleaseId("rel_1"),
        "atlas",
        AccountId("acc_1"),
        GrantId("grt_1"),
        None,
        NOON,
        {"turns": 4, "tokens": 1000},
    )
    after = before.continuing([kept])

    assert (after.call.turns, after.call.input_tokens) == (5, before.call.input_tokens + 1000)


def test_pictures_that_no_screen_reads_are_declared() -> None:
    assert compiled(tools=[SEARCH]).call.scannable
    assert not compiled(tools=[{"type": "image_generation"}]).call.scannable
    assert not compiled(include=["code_interpreter_call.outputs"]).call.scannable


def test_a_body_that_asks_for_nothing_more_goes_as_it_came() -> None:
    text = '{ "model" : "atlas",\n "input":"caf\\u00e9", "store":false, "temperature":1.0e0, "x_new":[1,2.50] }'

    request = read(text)
    assert request.forwarded(admitted(request)) == text.encode()


def test_silence_about_keeping_becomes_a_no_where_nothing_may_be_kept() -> None:
    assert forwarded(compiled(input="Hi"))["store"] is False
    assert forwarded(compiled(input="Hi", store=None))["store"] is False
    assert "store" not in forwarded(compiled(input="Hi"), {"stored"})


def test_bounds_are_set_where_the_stage_sets_them() -> None:
    assert forwarded(compiled(input="Hi"), max_output_tokens=20)["max_output_tokens"] == 20
    assert forwarded(compiled(input="Hi", max_output_tokens=30), max_output_tokens=20)["max_output_tokens"] == 20
    assert forwarded(compiled(input="Hi", max_output_tokens=10), max_output_tokens=20)["max_output_tokens"] == 10


def test_parallel_calls_are_turned_off_where_they_are_not_allowed() -> None:
    request = compiled(tools=[FUNCTION], parallel_tool_calls=True)

    assert forwarded(request, {"tools"})["parallel_tool_calls"] is False
    assert forwarded(compiled(tools=[FUNCTION]), {"tools"})["parallel_tool_calls"] is False
    assert forwarded(request, {"tools", "parallel_tool_calls"})["parallel_tool_calls"] is True
    assert "parallel_tool_calls" not in forwarded(compiled(input="Hi"))


def test_what_is_taken_out_is_out_and_the_rest_stays() -> None:
    request = compiled(
        input=[{"role": "developer", "content": "x"}, USER, {"type": "additional_tools", "tools": [FUNCTION]}, ASSISTANT, USER],
        instructions="Be brief.",
        tools=[FUNCTION, SEARCH],
        tool_choice="required",
        text={"format": {"type": "json_object"}, "verbosity": "low"},
        include=["message.output_text.logprobs", "file_search_call.results"],
        top_logprobs=2,
        seed=4,
        store=False,
    )

    assert forwarded(request, {"hosted_tools"}) == {
        "model": "atlas",
        "input": [USER, ASSISTANT, USER],
        "tools": [SEARCH],
        "text": {"verbosity": "low"},
        "include": ["file_search_call.results"],
        "store": False,
        "parallel_tool_calls": False,
    }


def test_a_screen_reads_all_prose_and_no_names() -> None:
    texts = compiled(
        instructions="one",
        input=[
            {"type": "message", "id": "msg_1", "role": "user", "content": [{"type": "input_text", "text": "two"}]},
            {"type": "function_call", "call_id": "call_1", "name": "three", "arguments": '{"a":"four"}'},
            {"type": "function_call_output", "call_id": "call_1", "output": "five"},
            {**USER, "content": [{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]},
        ],
        tools=[{"type": "function", "name": "six", "parameters": {"properties": {"id": {"description": "seven"}}}}],
        prompt={"id": "pmpt_1", "variables": {"a": "eight"}},
        text={"format": {"type": "json_schema", "schema": {"properties": {"type": {"description": "nine"}}}}},
    ).texts()

    assert texts == ["one", "two", "three", '{"a":"four"}', "five", "six", "seven", "eight", "nine"]


def test_half_characters_are_readable_to_a_screen() -> None:
    assert read('{"model":"atlas","input":"a\\ud800b"}').texts() == ["a\ufffdb"]


_MEMBERS: dict[str, st.SearchStrategy[Any]] = {
    "input": st.one_of(
        st.text(),
        st.lists(
            st.sampled_from(
                [USER, ASSISTANT, {"role": "system", "content": "x"}, {"type": "additional_tools", "tools": [FUNCTION]}]
            )
        ),
    ),
    "instructions": st.one_of(st.none(), st.text(max_size=5)),
    "tools": st.lists(st.sampled_from([FUNCTION, SEARCH, {"type": "custom", "name": "c"}]), max_size=4),
    "tool_choice": st.sampled_from(["auto", "required", "none", {"type": "function", "name": "f"}]),
    "parallel_tool_calls": st.booleans(),
    "text": st.sampled_from([{}, {"format": {"type": "text"}}, {"verbosity": "low", "format": {"type": "json_object"}}]),
    "include": st.lists(st.sampled_from(["message.output_text.logprobs", "file_search_call.results"]), max_size=3),
    "top_logprobs": st.integers(0, 20),
    "seed": st.integers(0, 9),
    "store": st.sampled_from([None, False]),
    "max_output_tokens": st.integers(1, 1000),
    "x_new": st.floats(allow_nan=False, allow_infinity=False),
}


@given(st.fixed_dictionaries({}, optional=_MEMBERS), st.sets(st.sampled_from(sorted(STRIPPABLE))))
def test_what_goes_upstream_never_asks_for_more_than_the_stage_allows(members: dict[str, Any], allowed: set[str]) -> None:
    hosted = {"hosted_tools", "prefill"}
    body = compiled(**members)
    again = compile_responses(body.forwarded(admitted(body, allowed | hosted, max_output_tokens=64)), None, b"k")

    assert again.call.capabilities <= allowed | hosted
    assert again.store is False
    assert again.call.output_tokens is not None
    assert again.call.output_tokens <= 64
    for key in ("x_new", "max_tool_calls"):
        assert again.document.value(key) == members.get(key)
