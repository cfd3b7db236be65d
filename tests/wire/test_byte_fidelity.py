"""The same call, directly and through Headgate, by the official clients and by hand: what differs is what the plan changes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wire.kit import KEY
from wire.recorded import Recorded
from wire.recorded_requests import MINIMAL, SYNTHETIC, Exchange, surfaces
from wire.replaying_kit import OURS, REQUEST_IDS, UNFORWARDED, replaying
from wire.replaying_upstream import ASKED_FOR, Answer, Got, ReplayingUpstream, fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wire.kit import Received, Running

USAGE = b'"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9,"x_new":1.50}'
CHUNKS = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant",'
    b'"content":"H\\u00e9"},"finish_reason":null}],"obfuscation":"aB3"}\n\n: keepalive\n\n'
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"tool_calls":'
    b'[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}\n\n'
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],' + USAGE + b"}\n\ndata: [DONE]\n\n"
)
RESPONSE = (
    b'{"id":"resp_1","object":"response","created_at":1.0,"status":"completed","model":"m","output":[{"type":"message","id":"msg_1",'
    b'"role":"assistant","status":"completed","content":[{"type":"output_text","text":"Hi","annotations":[]}]}],'
    b'"parallel_tool_calls":true,"tool_choice":"auto","tools":[],"usage":{"input_tokens":7,"output_tokens":2,"total_tokens":9,'
    b'"input_tokens_details":{"cached_tokens":0},"output_tokens_details":{"reasoning_tokens":0}}}'
)
RESPONSE_EVENTS = (
    b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":' + RESPONSE + b"}\n\n"
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":1,"item_id":"msg_1",'
    b'"output_index":0,"content_index":0,"delta":"Hi","logprobs":[]}\n\n'
    b'event: response.of_tomorrow\ndata: {"type":"response.of_tomorrow","sequence_number":2}\n\n'
    b'event: response.completed\ndata: {"type":"response.completed","sequence_number":3,"response":' + RESPONSE + b"}\n\n"
)
MESSAGE_EVENTS = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",'
    b'"model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":1}}        }\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"",'
    b'"signature":""} }\n\nevent: ping\ndata: {"type": "ping"}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta",'
    b'"thinking":"Hm"}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta",'
    b'"signature":"EqQB/+=="}}\n\nevent: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},'
    b'"usage":{"output_tokens":2}}\n\nevent: message_stop\ndata: {"type":"message_stop"   }\n\n'
)
MESSAGE = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hi"}],'
    b'"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":2}}'
)
CHAT = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"H\\u00e9"},"finish_reason":"stop","x_new":1.50}],'
)
SAY = [{"role": "user", "content": "Hé"}]


@dataclass(frozen=True)
class Called:
    """A call of an official client, and what the server answers.

    Attributes:
        path: The surface.
        body: The answer's.
        call: Makes it.
    """

    path: str
    body: bytes
    call: Callable[[Any], Any]

    @property
    def streamed(self) -> bool:
        return self.body.startswith((b"data:", b"event:"))


ASK_USAGE = {"include_usage": True}
CALLS = {
    "chat": Called(
        "/chat/completions",
        CHAT + USAGE + b"}",
        lambda client: client.chat.completions.create(model=SYNTHETIC, messages=SAY, temperature=0.70, extra_body={"x": [1e22]}),
    ),
    "chat, streamed": Called(
        "/chat/completions",
        CHUNKS,
        lambda client: client.chat.completions.create(model=SYNTHETIC, messages=SAY, stream=True, stream_options=ASK_USAGE),
    ),
    "completions": Called(
        "/completions",
        b'{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"Hi","finish_reason":"stop"}],'
        + USAGE
        + b"}",
        lambda client: client.completions.create(model=SYNTHETIC, prompt="Hé"),
    ),
    "embeddings": Called(
        "/embeddings",
        b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":[4e-07,-0.12345678901234567,1.0]}],"model":"m",'
        b'"usage":{"prompt_tokens":7,"total_tokens":7}}',
        lambda client: client.embeddings.create(model=SYNTHETIC, input="Hé", encoding_format="float"),
    ),
    "moderations": Called(
        "/moderations",
        b'{"id":"modr-1","model":"m","results":[]}\n',
        lambda client: client.moderations.create(model=SYNTHETIC, input="Hé"),
    ),
    "responses": Called(
        "/responses", RESPONSE, lambda client: client.responses.create(model=SYNTHETIC, input="Hé", metadata={"k": "v"})
    ),
    "responses, streamed": Called(
        "/responses", RESPONSE_EVENTS, lambda client: client.responses.create(model=SYNTHETIC, input="Hé", stream=True)
    ),
    "messages": Called("/messages", MESSAGE, lambda client: client.messages.create(model=SYNTHETIC, messages=SAY, max_tokens=50)),
    "messages, streamed": Called(
        "/messages",
        MESSAGE_EVENTS,
        lambda client: client.messages.create(model=SYNTHETIC, messages=SAY, max_tokens=50, stream=True),
    ),
    "count_tokens": Called(
        "/messages/count_tokens",
        b'{ "input_tokens" : 14 }',
        lambda client: client.messages.count_tokens(model=SYNTHETIC, messages=SAY),
    ),
}
STREAM = ((b"content-type", b"text/event-stream; charset=utf-8"),)
JSON = ((b"content-type", b"application/json"),)


def exchange_of(path: str, body: bytes, headers: tuple[tuple[bytes, bytes], ...], *, streamed: bool) -> Exchange:
    one = Recorded(
        *("synthetic", "", path, streamed, "", frozenset(), "POST", "", b"", 200, headers, body, b""),
    )
    asked = {"model": SYNTHETIC, **MINIMAL[path], **({"stream": True} if streamed else {})}
    return Exchange(one, surfaces()[path], json.dumps(asked).encode(), is_own=False)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    played = [
        exchange_of(call.path, call.body, STREAM if call.streamed else JSON, streamed=call.streamed) for call in CALLS.values()
    ]
    with replaying(tmp_path_factory.mktemp("fidelity") / "limits.db", played) as served:
        yield served


def a_client(path: str, port: int, number: int, *, asynchronous: bool = False) -> Any:
    headers = {ASKED_FOR: str(number), "x-mine": "a, b"}
    options: dict[str, Any] = {"max_retries": 0, "timeout": 20, "default_headers": headers, "api_key": KEY}
    if path.startswith("/messages"):
        kind = anthropic.AsyncAnthropic if asynchronous else anthropic.Anthropic
        return kind(base_url=f"http://127.0.0.1:{port}", **options)
    kind = openai.AsyncOpenAI if asynchronous else openai.OpenAI
    return kind(base_url=f"http://127.0.0.1:{port}/v1", **options)


def heard(answer: Any) -> Any:
    """Return what a client makes of an answer, as plain values."""
    if hasattr(answer, "model_dump"):
        return answer.model_dump()
    return [event.model_dump() for event in answer]


@pytest.mark.parametrize("name", CALLS)
def test_an_official_client_hears_and_says_the_same(gateway: Running, name: str) -> None:
    call, number = CALLS[name], list(CALLS).index(name)
    gateway.upstream.received.clear()
    with a_client(call.path, gateway.upstream.port, number) as direct, a_client(call.path, gateway.port, number) as through:
        assert heard(call.call(through)) == heard(call.call(direct))

    up, plain = gateway.upstream.received
    assert up.body == plain.body.replace(json.dumps(SYNTHETIC).encode(), json.dumps(f"the server's {SYNTHETIC}").encode())
    assert {*crossing(up)} - {("x-headgate-request-id", dict(up.headers)["x-headgate-request-id"])} == {*crossing(plain)}


def crossing(received: Received) -> list[tuple[str, str]]:
    """Return the headers that are the client's own."""
    gone = {"host", "connection", "content-length", "accept-encoding", "authorization", "x-api-key"}
    return [(name, value) for name, value in received.headers if name not in gone]


@pytest.mark.parametrize("name", ["chat, streamed", "responses, streamed", "messages, streamed", "embeddings"])
async def test_an_official_client_that_does_not_block_hears_the_same(gateway: Running, name: str) -> None:
    call, number = CALLS[name], list(CALLS).index(name)
    found = list[Any]()
    for port in (gateway.upstream.port, gateway.port):
        async with a_client(call.path, port, number, asynchronous=True) as client:
            answer = await call.call(client)
            found.append([event.model_dump() async for event in answer] if call.streamed else answer.model_dump())

    assert found[0] == found[1]


def both(gateway: Running, answer: Answer, path: str, body: bytes) -> tuple[Got, Got]:
    """Return an answer as it is received directly and through Headgate."""
    upstream = gateway.upstream
    assert isinstance(upstream, ReplayingUpstream)
    upstream.answers = [*upstream.answers[: len(CALLS)], answer]
    headers = ((b"content-type", b"application/json"), (ASKED_FOR.encode(), str(len(CALLS)).encode()))
    credential = (b"authorization", b"Bearer " + KEY.encode())

    async def fetched() -> tuple[Got, Got]:
        target = f"/v1{path}"
        direct = await fetch(upstream.port, target, headers, body)
        return direct, await fetch(gateway.port, target, (*headers, credential), body)

    return asyncio.run(fetched())


ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
EXTRAS = st.lists(st.sampled_from([b": note", b":", b"id: 1", b"retry: 5", b"event: x", b"unheard: of"]), max_size=2)


@st.composite
def chat_streams(draw: st.DrawFn) -> bytes:
    """Return a chat stream of one kind of line end, with what else a stream may hold between its lines and frames."""
    end = draw(ENDS)
    stream = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    stream += b"".join(line + end for line in draw(EXTRAS) if line.startswith(b":"))
    texts = draw(st.lists(st.text(max_size=8), max_size=5))
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]} for text in texts
    ]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    for chunk in chunks:
        data = json.dumps(chunk, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1]))).encode(
            "utf-8", "replace"
        )
        lines = [b"data: " + line for line in data.split(b"\n")]
        before, after = draw(EXTRAS), draw(EXTRAS)
        stream += b"".join(line + end for line in (*before, *lines, *after)) + end * draw(st.integers(1, 3))
    return stream + b"data: [DONE]" + end + end


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=40)
@given(chat_streams(), st.integers(0, 2**32))
def test_any_stream_arrives_byte_for_byte_however_it_is_split(gateway: Running, stream: bytes, seed: int) -> None:
    asked = json.dumps({"model": SYNTHETIC, **MINIMAL["/chat/completions"], "stream": True}).encode()

    direct, through = both(gateway, Answer(200, STREAM, stream, seed=seed), "/chat/completions", asked)

    assert (direct.status, direct.body) == (200, stream)
    assert (through.status, through.body) == (200, stream)


NAMES = st.from_regex(rb"x-[a-z]{1,5}", fullmatch=True).filter(lambda name: not name.startswith(OURS))
VALUES = st.one_of(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30).map(str.encode),
    st.sampled_from([b"a, b", b'"quoted, \\" "', b"x" * 7000, b"caf\xc3\xa9", b"<b>; rel=next", b"=?utf-8?q?x?="]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=8), st.integers(0, 2**32))
def test_any_headers_arrive_in_their_order_and_number(gateway: Running, headers: list[tuple[bytes, bytes]], seed: int) -> None:
    given_headers = (*JSON, *headers, *((name, value + b"2") for name, value in headers[:2]))
    asked = json.dumps({"model": SYNTHETIC, **MINIMAL["/chat/completions"]}).encode()
    gone = UNFORWARDED | {*REQUEST_IDS[surfaces()["/chat/completions"].api]}

    direct, through = both(gateway, Answer(200, given_headers, CALLS["chat"].body, seed=seed), "/chat/completions", asked)

    theirs, ours = (
        [pair for pair in got.headers if pair[0] not in gone and not pair[0].startswith(OURS)] for got in (direct, through)
    )
    for name in {name for name, _ in theirs}:
        assert [value for key, value in ours if key == name] == [value for key, value in theirs if key == name]
    assert len(ours) == len(theirs)
