"""Streams of ``/v1/responses``: byte for byte what the model server sends, and ends that the official client understands."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest

from headgate.gateway.model import Limits, ObjectKind, OutputScreen, ReleaseState, Replica
from headgate.kernel.units import Rate
from wire.kit import DONE, KEY, MODEL, Connection, Received, Running, ScriptedUpstream, a_policy, eventually, running
from wire.responses_kit import ITEM, MESSAGE, PART, USAGE, Served, a_response, event, hello, principal, rule, serving

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

AT: dict[str, Any] = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
OPEN = hello()[:4]
"""A stream in which a text has begun."""


def saying(*chunks: bytes, forever: bool = False) -> Any:
    """A script that streams these chunks; ``forever`` goes on with words until somebody breaks it off."""

    async def say(connection: Connection, received: Received) -> None:
        await connection.start_stream()
        for chunk in chunks:
            await connection.chunk(chunk)
            await asyncio.sleep(0.005)
        number = 4
        while forever:
            await connection.chunk(event("response.output_text.delta", number, **AT, delta="word ", logprobs=[]))
            await asyncio.sleep(0.02)
            number += 1
        await connection.end_stream()

    return say


@contextmanager
def before(upstream: ScriptedUpstream, database: Path, **changes: Any) -> Generator[Running]:
    with running(upstream, database, policy=a_policy(upstream.url, rule(**changes))) as gateway:
        gateway.world.principals = {KEY: principal()}
        yield gateway


@pytest.fixture
def served(upstream: ScriptedUpstream, tmp_path: Path) -> Iterator[Running]:
    with before(upstream, tmp_path / "limits.db") as gateway:
        yield gateway


def a_client(served: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=served.url, api_key=KEY, max_retries=0, timeout=20)


def raw(served: Running, url: str | None = None) -> bytes:
    answer = httpx.post(
        f"{url or served.url}/responses",
        json={"model": MODEL, "input": "Hi", "stream": True},
        headers={"authorization": f"Bearer {KEY}"},
        trust_env=False,
        timeout=20,
    )
    return answer.content


def test_every_byte_arrives_unknown_events_included(served: Running) -> None:
    stream = b"".join(hello())
    served.upstream.scripts["stream"] = saying(stream[:100], stream[100:701], stream[701:])

    assert raw(served) == stream == raw(served, served.upstream.url)
    outcome = served.recorder.outcome()
    assert (outcome.status.value, outcome.prompt_tokens, outcome.completion_tokens) == ("completed", 7, 5)


@pytest.mark.parametrize(
    "ends",
    [b"", DONE, b": bye\n\n"],
    ids=["nothing", "done", "comment"],
)
def test_what_follows_the_last_event_is_the_model_servers_matter(served: Running, ends: bytes) -> None:
    stream = b"".join(hello()) + ends
    served.upstream.scripts["stream"] = saying(stream)

    assert raw(served) == stream


def test_lines_ended_otherwise_and_data_before_its_event_survive(served: Running) -> None:
    turned = [b"\r\n".join(reversed(each.strip().split(b"\n"))) + b"\r\n\r\n" for each in hello()]
    served.upstream.scripts["stream"] = saying(*turned)

    assert raw(served) == b"".join(turned)
    assert served.recorder.outcome().charged_tokens == 12


def test_the_client_sees_events_that_nobody_knows(served: Running) -> None:
    served.upstream.scripts["stream"] = saying(*hello())
    with a_client(served) as client:
        events: list[Any] = list(client.responses.create(model=MODEL, input="Hi", stream=True))

    (mood,) = [each for each in events if each.type == "response.x_mood.changed"]
    assert mood.mood == {"name": "calm", "level": 1.5}


def test_what_is_kept_is_bound_before_it_is_told(served: Running) -> None:
    served.upstream.scripts["stream"] = saying(*hello())
    raw(served)
    objects = served.gateway._door._objects  # pyright: ignore[reportPrivateUsage]

    response, item = objects.find(ObjectKind.RESPONSE, "resp_1"), objects.find(ObjectKind.RESPONSE_ITEM, "msg_1")
    assert response is not None
    assert item is not None
    assert (response.account_id, response.detail["tokens"]) == ("acc_ada", 12)


def test_the_client_raises_when_its_stream_is_cut(served: Running) -> None:
    served.upstream.scripts["stream"] = saying(*OPEN, forever=True)
    with a_client(served) as client:
        stream = client.responses.create(model=MODEL, input="Hi", stream=True)
        seen = [next(iter(stream)) for _ in range(5)]
        served.world.change_policy(a_policy(served.upstream.url, rule(), state=ReleaseState.CUT))
        with pytest.raises(openai.APIError) as caught:
            seen += list(stream)

    assert caught.value.code == "release.cut"
    assert caught.value.type == "access_revoked"
    eventually(lambda: served.upstream.abandoned == 1)


def test_a_cut_is_the_next_event_of_the_stream(served: Running) -> None:
    served.upstream.scripts["stream"] = saying(*OPEN)

    last = raw(served).removeprefix(b"".join(OPEN))
    assert last.startswith(b'event: error\ndata: {"type":"error","sequence_number":4,"code":"upstream.failed",')
    assert last.endswith(b"}\n\n")
    assert served.recorder.outcome().status.value == "upstream_failed"


@pytest.mark.parametrize(
    ("last", "status"),
    [
        (event("response.failed", 4, response=a_response("failed", error={"code": "server_error", "message": "no"})), "failed"),
        (event("error", 4, code="server_error", message="no", param=None), "failed"),
        (event("response.incomplete", 4, response=a_response("incomplete", usage=USAGE)), "completed"),
    ],
    ids=["failed", "error", "incomplete"],
)
def test_the_upstreams_own_ends_are_passed_on(served: Running, last: bytes, status: str) -> None:
    served.upstream.scripts["stream"] = saying(*OPEN, last)

    assert raw(served) == b"".join(OPEN) + last
    assert served.recorder.outcome().status.value.endswith(status)


@pytest.mark.parametrize("together", [True, False], ids=["at once", "bit by bit"])
def test_a_stream_that_the_screen_stops_ends_as_filtered(upstream: ScriptedUpstream, tmp_path: Path, *, together: bool) -> None:
    at_length = "calm words " * 120
    stream = [
        *OPEN,
        event("response.output_text.delta", 4, **AT, delta=at_length, logprobs=[]),
        event("response.output_text.delta", 5, **AT, delta="how to make sarin", logprobs=[]),
        event("response.output_item.done", 6, output_index=0, item=MESSAGE),
        event("response.completed", 7, response=a_response("completed", output=[MESSAGE], usage=USAGE)),
    ]
    upstream.scripts["stream"] = saying(b"".join(stream)) if together else saying(*stream)
    with before(upstream, tmp_path / "limits.db", output_screen=OutputScreen.HOLD_BACK) as served:
        with a_client(served) as client, client.responses.stream(model=MODEL, input="Hi") as events:
            seen: list[Any] = list(events)
        outcome = served.recorder.outcome()

    last = seen[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details.reason == "content_filter"
    assert last.response.to_dict()["headgate"]["code"] == "output.blocked"
    assert "sarin" not in str(seen)
    assert [each.sequence_number for each in seen] == list(range(len(seen)))
    assert outcome.output_screened.value == "blocked"
    text = "".join([each.delta for each in seen if each.type == "response.output_text.delta"])
    assert last.response.output_text == text
    assert text in ("", at_length)
    if text:
        assert [each.type for each in seen[-4:-1]] == [
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
        ]


@pytest.mark.parametrize(
    ("kind", "members", "item"),
    [
        ("response.function_call_arguments.delta", {"delta": "sarin"}, {"type": "function_call", "arguments": ""}),
        ("response.custom_tool_call_input.delta", {"delta": "sarin"}, {"type": "custom_tool_call", "input": ""}),
        ("response.reasoning_text.delta", {"content_index": 0, "delta": "sarin"}, {"type": "reasoning", "content": []}),
        ("response.reasoning_summary_text.delta", {"summary_index": 0, "delta": "sarin"}, {"type": "reasoning", "summary": []}),
        ("response.refusal.delta", {"content_index": 0, "delta": "sarin"}, ITEM),
        ("response.code_interpreter_call_code.delta", {"delta": "sarin"}, {"type": "code_interpreter_call", "code": ""}),
        ("response.mcp_call_arguments.delta", {"delta": "sarin"}, {"type": "mcp_call", "arguments": ""}),
        ("response.audio.transcript.delta", {"delta": "sarin"}, ITEM),
        ("response.x_unheard_of.delta", {"delta": {"deep": ["sarin"]}}, ITEM),
        ("response.output_item.done", {"item": {**MESSAGE, "content": [{**PART, "text": "sarin"}]}}, ITEM),
    ],
)
def test_no_kind_of_text_passes_unseen(
    upstream: ScriptedUpstream, tmp_path: Path, kind: str, members: dict[str, Any], item: dict[str, Any]
) -> None:
    stream = [
        event("response.created", 0, response=a_response()),
        event("response.output_item.added", 1, output_index=0, item={"id": "it_1", "status": "in_progress", **item}),
        event(kind, 2, **{"item_id": "it_1", "output_index": 0, **members}),
        event("response.completed", 3, response=a_response("completed", usage=USAGE)),
    ]
    upstream.scripts["stream"] = saying(*stream)
    with before(upstream, tmp_path / "limits.db", output_screen=OutputScreen.HOLD_BACK) as served:
        answer = raw(served)

    assert b"sarin" not in answer
    assert b'"content_filter"' in answer


def test_an_answer_that_the_screen_stops_keeps_nothing_of_its_text(tmp_path: Path) -> None:
    with serving(tmp_path / "limits.db") as served:
        served.set_policy(rule(output_screen=OutputScreen.HOLD_BACK))
        tool = {"type": "function", "name": "sarin", "parameters": {}}
        withheld = made_with(served, input="Use sarin", tools=[tool])
        with served.client() as client:
            again = client.responses.retrieve(withheld.id)

    for each in (withheld, again):
        assert (each.status, each.output) == ("incomplete", [])
        assert each.incomplete_details is not None
        assert each.incomplete_details.reason == "content_filter"


def made_with(served: Served, **more: Any) -> Any:
    with served.client() as client:
        create: Any = client.responses.create
        return create(model=MODEL, **more)


def test_what_runs_in_the_background_is_charged_beyond_its_reservation_when_it_is_read(tmp_path: Path) -> None:
    limit = 4600
    with serving(tmp_path / "limits.db") as served:
        served.set_policy(rule(limits=Limits(tokens=Rate(limit, 86_400))))
        queued = made_with(served, input="a " * 3000, background=True, max_output_tokens=16)
        reserved = served.running.recorder.outcome().charged_tokens
        with served.client() as client:
            *_, ready = [client.responses.retrieve(queued.id) for _ in range(4)]
        assert ready.usage is not None
        outcomes = served.running.recorder.outcomes
        eventually(lambda: len(outcomes) == 5)
        with pytest.raises(openai.RateLimitError):  # what was reserved would have left room for it
            made_with(served, input="b", max_output_tokens=2000)

    used = ready.usage.total_tokens
    assert reserved + 2100 < limit < used + 2000
    assert [outcome.charged_tokens for outcome in outcomes[1:5]] == [0, used - reserved, 0, 0]


def test_a_response_is_asked_of_the_server_that_keeps_it(tmp_path: Path) -> None:
    with serving(tmp_path / "limits.db") as served, serving(tmp_path / "other.db") as other:
        both = replace(served.policy().upstream, replicas=(Replica(other.model_url),))
        served.world.change_policy(replace(served.policy(), upstream=both))
        eventually(lambda: served.running.gateway.stats().policy_seq == served.world.position())
        made = [made_with(served, input="Hi") for _ in range(4)]
        with served.client() as client:
            read = [client.responses.retrieve(each.id).id for each in made]
        went_on = [made_with(served, input="Go on.", previous_response_id=each.id) for each in made]

    assert read == [each.id for each in made]
    assert all(each.output_text for each in went_on)
