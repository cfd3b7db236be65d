from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest

from headgate.testing.installation import small_model

if TYPE_CHECKING:
    from collections.abc import Iterator

SAID: list[Any] = [{"role": "user", "content": "Tell me of the gate."}]
NOTCHES: Any = {
    "type": "function",
    "function": {"name": "raise_gate", "parameters": {"type": "object", "properties": {"notches": {"type": "integer"}}}},
}
CLOSE: Any = {"type": "function", "function": {"name": "close_gate", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with small_model() as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=url, api_key="unused", max_retries=0) as client:
        yield client


def fault(name: str) -> dict[str, str]:
    return {"x-small-model-fault": name}


def test_the_official_client_lists_the_model(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["small-model"]
    assert "stand-in" in client.models.retrieve("small-model").owned_by


def test_the_official_client_gets_an_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="small-model", messages=SAID, seed=3, logprobs=True, top_logprobs=2)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.system_fingerprint
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.choices[0].logprobs is not None
    assert len(answer.choices[0].logprobs.content or ()) == answer.usage.completion_tokens
    again = client.chat.completions.create(model="small-model", messages=SAID, seed=3)
    assert again.choices[0].message.content == answer.choices[0].message.content
    assert again.id != answer.id


def test_the_official_client_streams_the_same_words(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="small-model", messages=SAID, n=2)
    stream = client.chat.completions.create(
        model="small-model", messages=SAID, n=2, stream=True, stream_options={"include_usage": True}
    )
    said = ["", ""]
    usage = None
    for chunk in stream:
        for choice in chunk.choices:
            said[choice.index] += choice.delta.content or ""
        usage = chunk.usage or usage
    assert said == [choice.message.content for choice in whole.choices]
    assert usage == whole.usage


async def test_the_official_asynchronous_client_streams(url: str) -> None:
    async with openai.AsyncOpenAI(base_url=url, api_key="unused") as client:
        whole = await client.chat.completions.create(model="small-model", messages=SAID)
        stream = await client.chat.completions.create(model="small-model", messages=SAID, stream=True)
        said = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(said) == whole.choices[0].message.content


def test_the_official_client_joins_parallel_tool_calls(client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "Please raise_gate, then close_gate."}]
    with client.chat.completions.stream(model="small-model", messages=messages, tools=[NOTCHES, CLOSE]) as stream:
        answer = stream.get_final_completion()
    assert answer.choices[0].finish_reason == "tool_calls"
    calls = answer.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls] == ["raise_gate", "close_gate"]
    assert isinstance(json.loads(calls[0].function.arguments)["notches"], int)
    messages += [answer.choices[0].message, *({"role": "tool", "tool_call_id": call.id, "content": "done"} for call in calls)]
    after = client.chat.completions.create(model="small-model", messages=messages, tools=[NOTCHES, CLOSE])
    assert after.choices[0].message.tool_calls is None
    assert after.choices[0].message.content


def test_errors_are_those_that_the_official_client_knows(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="another", messages=SAID)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        client.chat.completions.create(model="small-model", messages=[])
    assert wrong.value.param == "messages"
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="small-model", messages=SAID, extra_headers=fault("status=503"))
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="small-model", messages=SAID, metadata=fault("status=500"))


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/chat/completions", b"{", 400),
        ("POST", "/chat/completions", b"\xff", 400),
        ("GET", "/chat/completions", b"", 405),
        ("POST", "/models", b"", 405),
        ("GET", "/models/another", b"", 404),
        ("GET", "/nothing", b"", 404),
    ],
)
def test_what_cannot_be_answered_is_an_error_in_the_common_form(
    url: str, method: str, path: str, body: bytes, status: int
) -> None:
    answer = httpx.request(method, url + path, content=body)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_it_says_that_it_is_a_stand_in(url: str) -> None:
    assert "stand-in" in httpx.get(url.removesuffix("/v1") + "/").text


@pytest.mark.parametrize("stream", [False, True])
def test_a_connection_closed_early_is_broken_and_not_ended(url: str, stream: bool) -> None:
    body = {"model": "small-model", "messages": SAID, "stream": stream}
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(f"{url}/chat/completions", json=body, headers=fault("close-early=2"))


@pytest.mark.parametrize("stream", [False, True])
def test_garbage_is_neither_json_nor_a_stream(url: str, stream: bool) -> None:
    body = {"model": "small-model", "messages": SAID, "stream": stream}
    answer = httpx.post(f"{url}/chat/completions", json=body, headers=fault("garbage"))
    assert answer.status_code == 200
    assert not answer.content.startswith((b"{", b"data:"))


def test_an_unknown_fault_is_refused(url: str) -> None:
    body = {"model": "small-model", "messages": SAID}
    assert httpx.post(f"{url}/chat/completions", json=body, headers=fault("fire")).status_code == 400


@pytest.mark.parametrize(("asked", "stream"), [("stall=2", True), ("stall", False), ("slow=3000", True)])
async def test_work_stops_when_the_caller_hangs_up(url: str, asked: str, stream: bool) -> None:
    async with httpx.AsyncClient(base_url=url) as client:

        async def state() -> dict[str, int]:
            return (await client.get(url.removesuffix("/v1") + "/state")).json()

        before = await state()
        body = {"model": "small-model", "messages": SAID, "stream": stream}
        call = asyncio.ensure_future(client.post("/chat/completions", json=body, headers=fault(asked)))
        while (await state())["working"] == 0:  # noqa: ASYNC110 - it works in another process
            await asyncio.sleep(0.01)
        assert not call.done()
        call.cancel()
        while (now := await state())["working"]:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    assert now["hung_up"] == before["hung_up"] + 1


def test_a_taken_port_is_refused(url: str) -> None:
    port = url.removesuffix("/v1").rpartition(":")[2]
    command = [sys.executable, "-m", "headgate.testing.small_model", "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Nobody can listen" in done.stderr


def test_it_speaks_as_fast_as_it_is_told_under_the_name_it_is_given() -> None:
    with (
        small_model("--model", "slow-one", "--tokens-per-second", "5000") as url,
        openai.OpenAI(base_url=url, api_key="unused") as client,
    ):
        stream = client.chat.completions.create(model="slow-one", messages=SAID, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream).endswith(".")
