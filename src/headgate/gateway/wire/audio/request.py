"""What is asked for where words become sound or sound becomes words, and what it is taken to cost before anybody has counted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from headgate.gateway.errors import WrongType
from headgate.gateway.model import Call
from headgate.gateway.wire import form_fields
from headgate.gateway.wire.audio.reading import SpeechReading, TranscriptReading
from headgate.gateway.wire.document import read
from headgate.gateway.wire.fields import BYTES_PER_TOKEN, TOKENS_PER_MEDIUM, end_user, model, strings, without_surrogates
from headgate.gateway.wire.plain import PlainForm, PlainRequest

if TYPE_CHECKING:
    from headgate.gateway.wire.multipart import Parts

_NAME = "api.audio"
_CHARACTERS_PER_SECOND = 15
_TOKENS_PER_SECOND = 20
"""Speech is about this fast, and a second of it is counted as this many tokens."""
_BYTES_PER_MEDIUM = 1024 * 1024
"""A minute of ordinary compression, which is about what one medium is taken to be."""
_NOT_PROSE = frozenset(
    {"model", "user", "safety_identifier", "stream", "response_format", "temperature", "timestamp_granularities", "include"}
    | {"chunking_strategy", "known_speaker_references"}
)


def compile_speech(body: bytes, client_ip: str | None, end_user_key: bytes) -> PlainRequest:
    """Read the body of a request to speak.

    Args:
        body: As the client sent it, decompressed.
        client_ip: Where it came from.
        end_user_key: Secret under which the end user's name is hashed.

    Raises:
        Malformed: It is not one JSON object in UTF-8, or a key stands twice in one object.
        WrongType: A field that must be understood cannot be.
    """
    document = read(body)
    spoken = document.value("input")
    if not isinstance(spoken, str):
        raise WrongType("input must be a string.", param="input")
    form = document.value("stream_format")
    if form is not None and form not in ("sse", "audio"):
        raise WrongType("stream_format must be sse or audio.", param="stream_format")
    capabilities = {"audio_output"}
    if form == "sse":
        capabilities.add("streaming")
    if isinstance(document.value("voice"), dict):
        capabilities.add("stored")  # a voice that somebody had made, which the upstream keeps
    prose = tuple(
        without_surrogates(text)
        for key, member in document.members.items()
        if key not in _NOT_PROSE
        for text in strings(member.value)
    )
    call = Call(
        surface=_NAME,
        model=model(document),
        stream=form == "sse",
        capabilities=frozenset(capabilities),
        input_tokens=max(1, len(body) // BYTES_PER_TOKEN),
        output_tokens=0,
        choices=0,
        turns=0,
        client_ip=client_ip,
        end_user=end_user((document.value("safety_identifier"), document.value("user")), end_user_key),
        media_tokens=(len(spoken) // _CHARACTERS_PER_SECOND + 1) * _TOKENS_PER_SECOND,
        scannable=False,
    )
    return PlainRequest(call, document, prose, SpeechReading)


def compile_transcription(parts: Parts, client_ip: str | None, end_user_key: bytes) -> PlainForm:
    """Read the form of a request to write down what is said.

    Args:
        parts: The form.
        client_ip: Where it came from.
        end_user_key: Secret under which the end user's name is hashed.

    Raises:
        WrongType: A field that must be understood cannot be.
    """
    return _compile_form(parts, client_ip, end_user_key)


def compile_translation(parts: Parts, client_ip: str | None, end_user_key: bytes) -> PlainForm:
    """Read the form of a request to write down in English what is said.

    Args:
        parts: The form.
        client_ip: Where it came from.
        end_user_key: Secret under which the end user's name is hashed.

    Raises:
        WrongType: A field that must be understood cannot be.
    """
    return _compile_form(parts, client_ip, end_user_key)


def _compile_form(parts: Parts, client_ip: str | None, end_user_key: bytes) -> PlainForm:
    sound = parts.file("file")
    if sound is None:
        raise WrongType("file must be a file.", param="file")
    stream = form_fields.boolean(parts, "stream") or False
    included = {part.text for part in parts.named("include")}
    capabilities = {"audio_input"}
    if stream:
        capabilities.add("streaming")
    if "logprobs" in included:
        capabilities.add("logprobs")
    prose = form_fields.prose(parts, passing_over=_NOT_PROSE)
    media = sum(part.size // _BYTES_PER_MEDIUM + 1 for part in parts.parts if part.text is None or part.text.startswith("data:"))
    call = Call(
        surface=_NAME,
        model=form_fields.model(parts),
        stream=stream,
        capabilities=frozenset(capabilities),
        input_tokens=max(1, sum(map(len, prose)) // BYTES_PER_TOKEN) + media * TOKENS_PER_MEDIUM,
        output_tokens=0,
        choices=0,
        turns=0,
        client_ip=client_ip,
        end_user=end_user((parts.text("safety_identifier"), parts.text("user")), end_user_key),
    )
    answered = partial(TranscriptReading, form=parts.text("response_format") or "json")
    return PlainForm(call, parts, prose, answered, {"logprobs": (("include[]", "logprobs"), ("include", "logprobs"))})
