from __future__ import annotations

import openai
import pytest

from wire.kit import KEY, MODEL, Running


def a_client(served: Running, key: str = KEY) -> openai.OpenAI:
    return openai.OpenAI(base_url=served.url, api_key=key, max_retries=0, timeout=20)


def test_the_sdk_gets_an_answer(served: Running) -> None:
    with a_client(served) as client:
        answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}])

    assert answer.choices[0].message.content == "Hello."
    outcome = served.recorder.outcome()
    assert (outcome.status.value, outcome.charged_tokens, outcome.usage_exact) == ("completed", 12, True)


def test_the_sdk_gets_a_stream_without_the_usage_it_did_not_ask_for(served: Running) -> None:
    with a_client(served) as client:
        chunks = list(client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}], stream=True))

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello."
    assert all(chunk.usage is None for chunk in chunks)
    outcome = served.recorder.outcome()
    assert (outcome.status.value, outcome.prompt_tokens, outcome.completion_tokens) == ("completed", 7, 5)


def test_the_sdk_gets_the_usage_that_it_asked_for(served: Running) -> None:
    with a_client(served) as client:
        chunks = list(
            client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": "Hi"}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )

    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 12


async def test_the_asynchronous_sdk_streams(served: Running) -> None:
    async with openai.AsyncOpenAI(base_url=served.url, api_key=KEY, max_retries=0, timeout=20) as client:
        stream = await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}], stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert text == "Hello."


def test_the_sdk_lists_models_and_looks_one_up(served: Running) -> None:
    with a_client(served) as client:
        assert [model.id for model in client.models.list()] == [MODEL]
        assert client.models.retrieve(MODEL).id == MODEL
        with pytest.raises(openai.NotFoundError) as caught:
            client.models.retrieve("org/other")

    assert caught.value.code == "model_not_found"


def test_the_sdk_names_a_bad_key(served: Running) -> None:
    with a_client(served, "hg_test_nobody") as client, pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}])
