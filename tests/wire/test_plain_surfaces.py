"""Completions, embeddings, moderations, images and audio with the official client, and the refusal of everything else."""

from __future__ import annotations

import base64
import json
import socket
import struct
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest
import zstandard

from headgate.gateway.model import Limits, OnExtra, OutputScreen
from headgate.kernel.units import Rate
from headgate.testing.small_model.images import png
from headgate.traffic.model import Screened
from wire.kit import KEY, MODEL, a_principal
from wire.plain_kit import ALL, SURFACES, Served, rule, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headgate.traffic.model import Outcome

# The official client still has what OpenAI has withdrawn for its own models; other servers go on serving it.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

BINARY = bytes(range(256)) * 40 + b"\r\n\r\ndata: [DONE]\n\n{"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("plain") / "limits.db") as served:
        yield served


@pytest.fixture
def served(house: Served) -> Served:
    """The same gateway for every test, as it was when it started."""
    house.running.recorder.admissions.clear()
    house.running.recorder.outcomes.clear()
    house.running.screen.shown.clear()
    house.running.screen.seen.clear()
    house.before_model()
    return house


def outcome(served: Served) -> Outcome:
    return served.running.recorder.outcome()


def post(served: Served, path: str, **more: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {KEY}", **more.pop("headers", {})}
    return httpx.post(f"{served.running.url}/{path}", headers=headers, timeout=20, **more)


# Completions.


def test_completions_are_the_same_as_without_a_gateway_but_for_the_name(served: Served) -> None:
    asked: dict[str, Any] = {
        "prompt": "The canal",
        "max_tokens": 12,
        "n": 2,
        "echo": True,
        "logprobs": 2,
        "seed": 7,
        "suffix": ".",
    }

    with served.client() as client, served.direct() as direct:
        through = client.completions.create(model=MODEL, **asked)
        plain = direct.completions.create(model=MODEL, **asked)

    assert through.choices == plain.choices
    assert through.usage is not None
    ended = outcome(served)
    assert ended.charged_tokens == through.usage.total_tokens
    assert ended.usage_exact


def test_a_completion_is_streamed_without_the_usage_that_nobody_asked_for(served: Served) -> None:
    with served.client() as client:
        whole = client.completions.create(model=MODEL, prompt=["One", "Two"], n=2)
        chunks = list(client.completions.create(model=MODEL, prompt=["One", "Two"], n=2, stream=True))

    said = ["".join(choice.text for chunk in chunks for choice in chunk.choices if choice.index == index) for index in range(4)]
    assert said == [choice.text for choice in whole.choices]
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert served.running.recorder.outcome(2).charged_tokens == (whole.usage.total_tokens if whole.usage else 0)


async def test_the_asynchronous_client_gets_the_usage_that_it_asked_for(served: Served) -> None:
    async with served.asynchronous() as client:
        stream = await client.completions.create(
            model=MODEL, prompt="The canal", stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]

    assert chunks[-1].usage is not None
    assert not chunks[-1].choices


COMPLETION = b'{"id":"c","object":"text_completion","choices":[{"index":0,"text":"x","finish_reason":"stop"}],"x":1.50}'


def test_a_completions_body_goes_on_as_it_was_written_but_for_the_model(served: Served) -> None:
    served.before_bytes(COMPLETION)
    body = b'{ "prompt":"a\\u00e9",\n "temperature":1.50,"model" : "atlas", "x_new":{"b":[1e3]},"max_tokens":3 }'

    answer = post(served, "completions", content=body, headers={"content-type": "application/json"})

    assert answer.content == COMPLETION
    assert served.forwarded().body == body.replace(b'"atlas"', b'"upstream-atlas"')


@pytest.mark.parametrize(
    ("asked", "bounds"),
    [
        ({}, {"max_tokens": 10}),
        ({"max_tokens": 9}, {"max_tokens": 9}),
        ({"max_tokens": 500}, {"max_tokens": 10}),
        ({"max_tokens": 4, "n_predict": 500}, {"max_tokens": 4, "n_predict": 10}),
        ({"max_new_tokens": 500}, {"max_new_tokens": 10}),
    ],
)
def test_every_name_of_the_bound_is_capped(served: Served, asked: dict[str, int], bounds: dict[str, int]) -> None:
    served.before_bytes(COMPLETION, stage_rule=rule(max_output_tokens=10, on_extra=OnExtra.STRIP))

    post(served, "completions", json={"model": MODEL, "prompt": "x", **asked}).raise_for_status()

    forwarded = served.forwarded().value
    assert {key: value for key, value in forwarded.items() if key not in ("model", "prompt")} == bounds


def test_a_completion_without_a_bound_keeps_the_default_of_the_api_where_tokens_are_limited(served: Served) -> None:
    served.before_bytes(COMPLETION, stage_rule=rule(limits=Limits(tokens=Rate(100_000, 60))))

    post(served, "completions", json={"model": MODEL, "prompt": "x"}).raise_for_status()

    assert served.forwarded().value["max_tokens"] == 16


def test_what_a_stage_takes_out_of_a_completion_is_out(served: Served) -> None:
    served.before_bytes(COMPLETION, stage_rule=rule(capabilities=frozenset({"streaming"}), on_extra=OnExtra.STRIP))
    asked = {"n": 3, "best_of": 5, "logprobs": 0, "seed": 1, "guided_regex": "a*", "user": "u"}

    answer = post(served, "completions", json={"model": MODEL, "prompt": "x", **asked})

    assert answer.headers["x-headgate-stripped"] == "logprobs,n,response_format,seed"
    assert served.forwarded().value == {"model": "upstream-atlas", "prompt": "x", "user": "u"}


def test_every_prompt_is_reserved_for(served: Served) -> None:
    served.before_model(rule(limits=Limits(tokens=Rate(1000, 60))))
    # 10 prompts, each written 3 times, of 40 tokens.
    with served.client() as client, pytest.raises(openai.RateLimitError) as caught:
        client.completions.create(model=MODEL, prompt=["x"] * 10, n=2, best_of=3, max_tokens=40)

    assert caught.value.code == "limit.tokens"


@pytest.mark.parametrize("prompt", [[1, 2, 3], [[1, 2], [3]]])
def test_token_numbers_need_a_right_of_their_own(served: Served, prompt: Any) -> None:
    with served.client() as client:
        assert client.completions.create(model=MODEL, prompt=prompt).choices
        served.before_model(rule(capabilities=ALL - {"token_input"}))
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.completions.create(model=MODEL, prompt=prompt)
        with pytest.raises(openai.PermissionDeniedError):
            client.embeddings.create(model=MODEL, input=prompt)

    assert caught.value.code == "capability.not_allowed"
    assert "token_input" in caught.value.message


@pytest.mark.parametrize("field", ["prompt", "suffix", "x_template"])
def test_the_input_screen_reads_every_field_of_a_completion(served: Served, field: str) -> None:
    served.before_model(rule(input_screen=True))

    with served.client() as client, pytest.raises(openai.PermissionDeniedError) as caught:
        client.completions.create(model=MODEL, prompt="x", extra_body={field: "how to make sarin"})

    assert caught.value.code == "input.blocked"


def stream_of(*texts: str) -> list[bytes]:
    chunks = [{"id": "c", "object": "text_completion", "choices": [{"index": 0, "text": text}]} for text in texts]
    return [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]


def test_a_stream_that_the_screen_stops_ends_as_filtered_content(served: Served) -> None:
    frames = [*stream_of("fine. " * 300, "now sarin", " and more"), b"data: [DONE]\n\n"]
    served.before_bytes(frames, "text/event-stream", rule(output_screen=OutputScreen.HOLD_BACK))

    with served.client() as client:
        chunks = list(client.completions.create(model=MODEL, prompt="x", stream=True))

    assert "sarin" not in "".join(choice.text for chunk in chunks for choice in chunk.choices)
    assert chunks[-1].choices[0].finish_reason == "content_filter"
    assert outcome(served).output_screened is Screened.BLOCKED


def test_a_whole_completion_that_the_screen_stops_is_empty(served: Served) -> None:
    body = COMPLETION.replace(b'"x",', b'"now sarin",')
    served.before_bytes(body, stage_rule=rule(output_screen=OutputScreen.TRAIL))

    with served.client() as client:
        answer = client.completions.create(model=MODEL, prompt="x")

    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("", "content_filter")


# Embeddings and moderations.


def test_embeddings_survive_in_both_spellings(served: Served) -> None:
    with served.client() as client, served.direct() as direct:
        floats = client.embeddings.create(model=MODEL, input=["One", "Two"], encoding_format="float", dimensions=7)
        default = client.embeddings.create(model=MODEL, input=["One", "Two"], dimensions=7)  # the client asks for base64
        plain = direct.embeddings.create(model=MODEL, input=["One", "Two"], encoding_format="float", dimensions=7)

    assert floats.data == plain.data
    assert [len(each.embedding) for each in default.data] == [7, 7]
    assert default.data[1].embedding == pytest.approx(floats.data[1].embedding)
    ended = served.running.recorder.outcome(2)
    assert (ended.prompt_tokens, ended.completion_tokens, ended.charged_tokens) == (2, 0, 2)


async def test_the_asynchronous_client_embeds_token_numbers(served: Served) -> None:
    async with served.asynchronous() as client:
        answer = await client.embeddings.create(model=MODEL, input=[[1, 2, 3], [4]])

    assert answer.usage.prompt_tokens == 4


def test_embeddings_base64_is_byte_for_byte_what_the_server_said(served: Served) -> None:
    packed = base64.b64encode(struct.pack("<3f", 0.1, -2.5, 3e9)).decode()
    body = b'{"data":[{"embedding":"%s","index":0}],"usage":{"prompt_tokens":1,"total_tokens":1},"n":1.50}' % packed.encode()
    served.before_bytes(body)

    assert post(served, "embeddings", json={"model": MODEL, "input": "x", "encoding_format": "base64"}).content == body


def test_no_completion_is_reserved_for_embeddings(served: Served) -> None:
    served.before_model(rule(limits=Limits(tokens=Rate(100, 3600)), max_output_tokens=1))

    with served.client() as client:
        response = client.embeddings.with_raw_response.create(model=MODEL, input="a few words")

    assert "x-headgate-max-output-tokens" not in response.headers
    assert served.running.recorder.admissions[0].reserved_tokens < 50


def test_a_conversation_is_no_input_of_embeddings(served: Served) -> None:
    with served.client() as client, pytest.raises(openai.PermissionDeniedError) as caught:
        client.embeddings.create(model=MODEL, input="x", extra_body={"messages": [{"role": "user", "content": "y"}]})

    assert "other_input" in caught.value.message


def test_moderations_are_charged_as_estimated_because_nobody_counts(served: Served) -> None:
    with served.client() as client:
        answer = client.moderations.create(model=MODEL, input=["a kind word", "I will stab the idiot"])
        parts = client.moderations.create(
            model=MODEL,
            input=[{"type": "text", "text": "kill"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
        )

    assert [result.flagged for result in answer.results] == [False, True]
    assert parts.results[0].flagged
    ended = served.running.recorder.outcome(2)
    admitted = served.running.recorder.admissions[-1]
    assert not ended.usage_exact
    assert ended.charged_tokens == admitted.reserved_tokens
    assert "image_input" in admitted.capabilities


def test_the_input_screen_reads_what_is_embedded_and_moderated(served: Served) -> None:
    served.before_model(rule(input_screen=True))

    with served.client() as client:
        for ask in (client.embeddings.create, client.moderations.create):
            with pytest.raises(openai.PermissionDeniedError) as caught:
                ask(model=MODEL, input=["fine", "sarin"])
            assert caught.value.code == "input.blocked"


async def test_the_asynchronous_client_moderates(served: Served) -> None:
    async with served.asynchronous() as client:
        assert not (await client.moderations.create(model=MODEL, input="peace")).results[0].flagged


# Images.


def test_images_are_drawn_changed_and_varied(served: Served) -> None:
    with served.client() as client, served.direct() as direct:
        drawn = client.images.generate(model=MODEL, prompt="a heron", n=2)
        plain = direct.images.generate(model=MODEL, prompt="a heron", n=2)
        edited = client.images.edit(model=MODEL, image=[("a.png", png(b"a")), ("b.png", png(b"b"))], prompt="bluer", n=1)
        varied = client.images.create_variation(model=MODEL, image=png(b"a"), n=2)  # pyright: ignore[reportDeprecated]

    assert drawn.data == plain.data
    assert edited.data is not None
    assert varied.data is not None
    assert len(varied.data) == 2
    ended = served.running.recorder.outcome(3)
    assert varied.usage is not None
    assert ended.charged_tokens == varied.usage.total_tokens
    assert "image_input" in served.running.recorder.admissions[-1].capabilities


@pytest.mark.parametrize("kind", ["image_generation", "image_edit"])
def test_images_are_streamed_to_the_last_that_was_asked_for(served: Served, kind: str) -> None:
    with served.client() as client:
        if kind == "image_edit":
            stream: Any = client.images.edit(model=MODEL, image=png(b"a"), prompt="bluer", n=2, stream=True)
        else:
            stream = client.images.generate(model=MODEL, prompt="a heron", n=2, stream=True, partial_images=2)
        events = [event.type for event in stream]

    assert events.count(f"{kind}.completed") == 2
    assert events.count(f"{kind}.partial_image") >= 2
    assert outcome(served).usage_exact


async def test_the_asynchronous_client_edits_an_image(served: Served) -> None:
    async with served.asynchronous() as client:
        edited = await client.images.edit(model=MODEL, image=png(b"a"), mask=png(b"m"), prompt="bluer")

    assert edited.data


def test_another_model_that_would_draw_is_a_right_that_nobody_has(served: Served) -> None:
    with served.client() as client:
        for ask in (
            lambda: client.images.generate(model=MODEL, prompt="a heron", svg={"model": "unreleased"}),
            lambda: client.images.edit(model=MODEL, prompt="a heron", image=png(b"a"), svg={"model": "unreleased"}),
        ):
            with pytest.raises(openai.PermissionDeniedError) as caught:
                ask()
            assert "hosted_tools" in caught.value.message


# Audio.


def test_speech_is_byte_for_byte_what_the_server_said(served: Served) -> None:
    with served.client() as client, served.direct() as direct:
        through = client.audio.speech.create(model=MODEL, voice="alloy", input="The canal begins.", response_format="wav")
        plain = direct.audio.speech.create(model=MODEL, voice="alloy", input="The canal begins.", response_format="wav")

    assert through.content == plain.content
    assert through.response.headers["content-type"] == "audio/wav"
    ended = outcome(served)
    assert ended.response_body == plain.content
    assert not ended.usage_exact


@pytest.mark.parametrize("kind", ["audio/mpeg", "application/octet-stream", "audio/pcm; rate=24000"])
@pytest.mark.parametrize("answer", [BINARY, [BINARY[:100], BINARY[100:]], b""], ids=["whole", "chunked", "empty"])
def test_any_bytes_are_sound(served: Served, kind: str, answer: Any) -> None:
    served.before_bytes(answer, kind)

    response = post(served, "audio/speech", json={"model": MODEL, "voice": "alloy", "input": "x"})

    assert response.content == b"".join([answer] if isinstance(answer, bytes) else answer)
    assert response.headers["content-type"] == kind


async def test_the_asynchronous_client_streams_speech_as_events(served: Served) -> None:
    async with (
        served.asynchronous() as client,
        client.audio.speech.with_streaming_response.create(
            model=MODEL, voice="alloy", input="The canal begins.", stream_format="sse"
        ) as response,
    ):
        body = b"".join([chunk async for chunk in response.iter_bytes()])

    assert body.count(b"speech.audio.delta") > 1
    assert outcome(served).usage_exact


def test_the_input_screen_reads_what_is_to_be_spoken_and_how(served: Served) -> None:
    served.before_model(rule(input_screen=True))

    with served.client() as client:
        for spoken, how in (("sarin", ""), ("x", "as one who sells sarin")):
            with pytest.raises(openai.PermissionDeniedError):
                client.audio.speech.create(model=MODEL, voice="alloy", input=spoken, instructions=how)


@pytest.mark.parametrize("form", ["json", "text", "srt", "vtt", "verbose_json"])
def test_a_transcript_is_the_same_in_every_form(served: Served, form: Any) -> None:
    served.before_model(rule(output_screen=OutputScreen.HOLD_BACK))

    with served.client() as client, served.direct() as direct:
        through = client.audio.transcriptions.create(model=MODEL, file=("a.wav", BINARY), response_format=form)
        plain = direct.audio.transcriptions.create(model=MODEL, file=("a.wav", BINARY), response_format=form)

    assert through == plain
    assert outcome(served).output_screened is Screened.PASSED
    said = through if isinstance(through, str) else through.text
    assert "".join(served.running.screen.shown).strip() == said.strip()


def test_a_transcript_is_streamed_and_screened_once(served: Served) -> None:
    served.before_model(rule(output_screen=OutputScreen.HOLD_BACK))

    with served.client() as client:
        events = list(client.audio.transcriptions.create(model=MODEL, file=("a.wav", BINARY), stream=True))

    assert events[-1].type == "transcript.text.done"
    assert "".join(event.delta for event in events if event.type == "transcript.text.delta") == events[-1].text
    assert outcome(served).usage_exact


def events_of(*events: dict[str, object]) -> list[bytes]:
    return [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]


@pytest.mark.parametrize(
    "events",
    [
        [{"type": "transcript.text.delta", "delta": "now sarin"}, {"type": "transcript.text.done", "text": "now sarin"}],
        [{"type": "transcript.text.segment", "text": "now sarin", "speaker": "A"}],
        [{"type": "transcript.text.done", "text": "now sarin"}],
    ],
)
def test_a_transcript_that_the_screen_stops_ends_with_what_was_shown(served: Served, events: list[dict[str, object]]) -> None:
    frames = events_of({"type": "transcript.text.delta", "delta": "fine. " * 300}, *events)
    served.before_bytes(frames, "text/event-stream", rule(output_screen=OutputScreen.HOLD_BACK))

    with served.client() as client:
        said = list(client.audio.transcriptions.create(model=MODEL, file=("a.wav", BINARY), stream=True))

    assert said[-1].type == "transcript.text.done"
    assert said[-1].text == "".join(event.delta for event in said if event.type == "transcript.text.delta")
    assert "sarin" not in said[-1].text


@pytest.mark.parametrize(
    ("form", "body", "kind"),
    [
        ("json", b'{"text":"now sarin"}', "application/json"),
        ("verbose_json", b'{"text":"","segments":[{"text":"now sarin"}]}', "application/json"),
        ("text", b"now sarin\n", "text/plain"),
        ("vtt", b"WEBVTT\n\n00:00 --> 00:01\nnow sarin\n", "text/vtt"),
    ],
)
def test_a_whole_transcript_that_the_screen_stops_says_nothing(served: Served, form: str, body: bytes, kind: str) -> None:
    served.before_bytes(body, kind, rule(output_screen=OutputScreen.HOLD_BACK))

    answer = post(
        served, "audio/transcriptions", data={"model": MODEL, "response_format": form}, files={"file": ("a.wav", BINARY)}
    )

    assert b"sarin" not in answer.content
    assert answer.headers["x-headgate-withheld"] == "output.blocked"
    assert outcome(served).output_screened is Screened.BLOCKED


async def test_the_asynchronous_client_translates(served: Served) -> None:
    async with served.asynchronous() as client:
        translations = client.audio.translations
        answer = await translations.create(  # pyright: ignore[reportDeprecated]
            model=MODEL, file=("a.wav", BINARY), prompt="About a canal."
        )

    assert answer.text


# What no screen can read.


ASKS: dict[str, Callable[[openai.OpenAI], object]] = {
    "speech": lambda client: client.audio.speech.create(model=MODEL, voice="alloy", input="x"),
    "generation": lambda client: client.images.generate(model=MODEL, prompt="x"),
    "edit": lambda client: client.images.edit(model=MODEL, prompt="x", image=png(b"a")),
    "variation": lambda client: client.images.create_variation(  # pyright: ignore[reportDeprecated]
        model=MODEL, image=png(b"a")
    ),
}


@pytest.mark.parametrize("what", sorted(ASKS))
@pytest.mark.parametrize("mode", [OutputScreen.HOLD_BACK, OutputScreen.TRAIL])
def test_a_gated_stage_that_shows_nothing_unread_serves_no_images_and_no_sound(
    served: Served, what: str, mode: OutputScreen
) -> None:
    served.before_model(rule(output_screen=mode))

    with served.client() as client, pytest.raises(openai.PermissionDeniedError) as caught:
        ASKS[what](client)

    assert caught.value.code == "output.unscannable"
    assert not served.running.recorder.admissions


@pytest.mark.parametrize("what", sorted(ASKS))
def test_an_open_model_serves_them_and_the_record_says_that_nobody_looked(served: Served, what: str) -> None:
    served.before_model(rule(output_screen=OutputScreen.HOLD_BACK), gated=False)

    with served.client() as client:
        ASKS[what](client)

    assert outcome(served).output_screened is Screened.UNSCANNED


# Refusals.

EVERY: dict[str, tuple[Callable[[openai.OpenAI], object], str]] = {
    **{what: (ask, "api.audio" if what == "speech" else "api.images") for what, ask in ASKS.items()},
    "completions": (lambda client: client.completions.create(model=MODEL, prompt="x"), "api.completions"),
    "embeddings": (lambda client: client.embeddings.create(model=MODEL, input="x"), "api.embeddings"),
    "moderations": (lambda client: client.moderations.create(model=MODEL, input="x"), "api.moderations"),
    "transcription": (lambda client: client.audio.transcriptions.create(model=MODEL, file=("a.wav", b"x")), "api.audio"),
    "translation": (
        lambda client: client.audio.translations.create(  # pyright: ignore[reportDeprecated]
            model=MODEL, file=("a.wav", b"x")
        ),
        "api.audio",
    ),
}


@pytest.mark.parametrize("what", sorted(EVERY))
def test_a_surface_that_the_stage_does_not_admit_is_refused(served: Served, what: str) -> None:
    ask, surface = EVERY[what]
    served.before_model(rule(surfaces=SURFACES - {surface}))

    with served.client() as client, pytest.raises(openai.PermissionDeniedError) as caught:
        ask(client)

    assert caught.value.code == "surface.not_admitted"
    assert surface in caught.value.message


@pytest.mark.parametrize("what", sorted(EVERY))
def test_a_key_without_the_scope_opens_nothing(served: Served, what: str) -> None:
    ask, surface = EVERY[what]
    world = served.running.world
    principal = world.principals[KEY]
    try:
        world.change_principal(KEY, scopes=principal.scopes - {surface})
        served.before_model()
        with served.client() as client, pytest.raises(openai.PermissionDeniedError) as caught:
            ask(client)
    finally:
        world.change_principal(KEY, scopes=principal.scopes)

    assert caught.value.code == "scope.missing"


NEEDS = {
    "speech": "audio_output",
    "edit": "image_input",
    "variation": "image_input",
    "transcription": "audio_input",
    "translation": "audio_input",
}


@pytest.mark.parametrize("what", sorted(NEEDS))
def test_a_capability_that_is_missing_is_named(served: Served, what: str) -> None:
    served.before_model(rule(capabilities=ALL - {NEEDS[what]}))

    with served.client() as client, pytest.raises(openai.PermissionDeniedError) as caught:
        EVERY[what][0](client)

    assert caught.value.code == "capability.not_allowed"
    assert NEEDS[what] in caught.value.message


@pytest.mark.parametrize("what", sorted(EVERY))
def test_an_unknown_key_opens_nothing(served: Served, what: str) -> None:
    with (
        openai.OpenAI(base_url=served.running.url, api_key="hg_test_nobody", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        EVERY[what][0](client)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "realtime?model=atlas", 403, "surface.not_admitted"),
        ("POST", "realtime/client_secrets", 403, "surface.not_admitted"),
        ("POST", "assistants", 403, "surface.not_admitted"),
        ("POST", "audio/voices", 403, "surface.not_admitted"),
        ("GET", "vector_stores/vs_1", 403, "surface.not_admitted"),
        ("POST", "nothing", 404, "surface.unknown"),
        ("POST", "completions/", 404, "surface.unknown"),
        ("GET", "embeddings", 405, "request.method_not_allowed"),
        ("GET", "audio/transcriptions", 405, "request.method_not_allowed"),
        ("PUT", "images/edits", 405, "request.method_not_allowed"),
    ],
)
def test_every_other_path_is_refused_by_name(served: Served, method: str, path: str, status: int, code: str) -> None:
    answer = httpx.request(method, f"{served.running.url}/{path}", headers={"authorization": f"Bearer {KEY}"}, json={})

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_what_is_not_served_is_told_only_to_whoever_has_a_key(served: Served) -> None:
    assert httpx.post(f"{served.running.url}/assistants", json={}).json()["error"]["code"] == "key.missing"


def test_a_realtime_handshake_is_answered_with_a_refusal(served: Served) -> None:
    handshake = (
        f"GET /v1/realtime?model={MODEL} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.running.port), timeout=10) as connection:
        connection.sendall(handshake.encode())
        answer = connection.recv(65_536)

    assert b" 403 " in answer.partition(b"\r\n")[0]
    assert b"surface.not_admitted" in answer


# Compressed bodies.


def test_a_body_in_zstd_is_read_and_goes_on_plain(served: Served) -> None:
    served.before_bytes(b"{}")
    body = json.dumps({"model": MODEL, "input": "x" * 5000}).encode()

    answer = post(
        served,
        "embeddings",
        content=zstandard.compress(body),
        headers={"content-type": "application/json", "content-encoding": "zstd"},
    )

    assert answer.status_code == 200
    assert served.forwarded().value["input"] == "x" * 5000
    assert not any(name == "content-encoding" for name, _ in served.forwarded().headers)


def test_a_bomb_in_zstd_is_refused(served: Served) -> None:
    answer = post(
        served,
        "embeddings",
        content=zstandard.compress(bytes(64 * 1024 * 1024)),
        headers={"content-type": "application/json", "content-encoding": "zstd"},
    )

    assert answer.status_code == 413


def test_a_principal_of_the_kit_opens_only_what_it_says() -> None:
    assert a_principal().scopes.isdisjoint(SURFACES)
