"""What a client of a real third-party server gets through Headgate is what it gets from that server."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openai.types.chat import ChatCompletionMessageParam

    from upstream.conftest import Pair

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ASKED: Sequence[ChatCompletionMessageParam] = [
    {"role": "system", "content": "You have random weights."},
    {"role": "user", "content": "Say something, æ or 雨."},
]
BODY: dict[str, Any] = {"model": "tiny", "messages": list(ASKED), "max_tokens": 24, "temperature": 0, "seed": 1}
_NEVER_THE_SAME = re.compile(rb'"(id|created)": ?("[^"]*"|\d+)')


def comparable(body: bytes) -> bytes:
    """Leave out what the server makes up anew for each answer."""
    return _NEVER_THE_SAME.sub(b"", body)


def raw(base: str, key: str, body: dict[str, Any]) -> httpx.Response:
    with httpx.Client(timeout=60, trust_env=False) as client:
        return client.post(f"{base}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"})


def test_a_whole_answer_is_the_servers_own(pair: Pair) -> None:
    direct, through = (raw(base, pair.key, BODY) for base in (pair.direct, pair.through))

    assert direct.status_code == through.status_code == 200, through.text
    assert comparable(through.content) == comparable(direct.content)
    assert through.headers["content-type"] == direct.headers["content-type"]


def test_a_stream_is_the_servers_own_to_the_byte(pair: Pair) -> None:
    direct, through = (raw(base, pair.key, {**BODY, "stream": True}) for base in (pair.direct, pair.through))

    assert direct.content.rstrip().endswith(b"data: [DONE]")
    assert comparable(through.content) == comparable(direct.content)


def test_a_stream_that_a_screen_holds_back_arrives_whole(screened: Pair) -> None:
    direct, through = (raw(base, screened.key, {**BODY, "stream": True}) for base in (screened.direct, screened.through))

    assert comparable(through.content) == comparable(direct.content)


def test_the_official_client_sees_the_same_words_streamed_and_whole(pair: Pair) -> None:
    with pair.client() as client:
        create = client.chat.completions.create
        whole = create(model="tiny", messages=ASKED, max_tokens=24, temperature=0, seed=1)
        with create(model="tiny", messages=ASKED, max_tokens=24, temperature=0, seed=1, stream=True) as stream:
            chunks = list(stream)

    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert streamed == whole.choices[0].message.content
    assert whole.usage is not None
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens


def test_the_servers_own_refusal_is_passed_on(pair: Pair) -> None:
    too_long = {**BODY, "messages": [{"role": "user", "content": "word " * 900}]}

    direct, through = (raw(base, pair.key, too_long) for base in (pair.direct, pair.through))

    assert direct.status_code == through.status_code == 400
    assert json.loads(through.content) == json.loads(direct.content)
    with pair.client() as client, pytest.raises(openai.BadRequestError, match="maximum context length"):
        client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "word " * 900}], max_tokens=24)


def test_a_server_that_answers_one_at_a_time_is_free_again_when_a_client_leaves(pair: Pair) -> None:
    for _ in range(3):
        with (
            httpx.Client(timeout=60, trust_env=False) as client,
            client.stream(
                "POST",
                f"{pair.through}/v1/chat/completions",
                json={**BODY, "max_tokens": 400, "stream": True},
                headers={"authorization": f"Bearer {pair.key}"},
            ) as left,
        ):
            next(left.iter_raw())

    assert raw(pair.through, pair.key, BODY).status_code == 200


def test_what_the_stage_does_not_allow_never_reaches_the_server(pair: Pair) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]

    refused = raw(pair.through, pair.key, {**BODY, "tools": tools})

    assert refused.status_code == 403
    assert json.loads(refused.content)["error"]["code"] == "capability.not_allowed"
