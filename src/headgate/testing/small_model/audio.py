"""The audio API over the small model: a hum as long as the text, and prose that has nothing to do with the sound."""

from __future__ import annotations

import base64
import hashlib
import io
import math
import struct
import wave
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from headgate.testing.small_model.ngrams import split
from headgate.testing.small_model.request import ChatRequest, Message, Rejected
from headgate.testing.small_model.said import Said, event, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.testing.small_model.answer import SmallModel
    from headgate.testing.small_model.forms import FormAsked

_RATE = 8000
_SAMPLES_PER_CHARACTER = 80
_FORMS = ("json", "text", "srt", "vtt", "verbose_json")
_SECONDS_PER_WORD = 0.4


class Asked(msgspec.Struct):
    """A request to speak; fields that do not matter here are ignored."""

    model: str
    input: str
    voice: str | dict[str, Any]
    instructions: str | None = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "wav"
    stream_format: Literal["sse", "audio"] = "audio"
    metadata: dict[str, str] | None = None


_DECODER = msgspec.json.Decoder(Asked)


def parse(body: bytes) -> Asked:
    """Read a request.

    Raises:
        Rejected: It is not JSON, lacks a field, or has one that is wrong.
    """
    return read(_DECODER, body)


def speak(asked: Asked) -> Said:
    """Return a hum: raw samples where they are asked for, a WAV file otherwise."""
    samples = _hum(len(asked.input) * _SAMPLES_PER_CHARACTER)
    sound = samples if asked.response_format == "pcm" else _wav(samples)
    given = len(split(asked.input))
    if asked.stream_format == "sse":
        return Said(given, events=_spoken(sound, given))
    return Said(given, body=sound, content_type=b"audio/pcm" if asked.response_format == "pcm" else b"audio/wav")


def transcribe(model: SmallModel, asked: FormAsked) -> Said:
    """Return prose that the sound's digest determines."""
    sound = asked.given("file")[0]
    form = asked.one("response_format") or "json"
    if form not in _FORMS:
        raise Rejected(f"response_format must be one of {', '.join(_FORMS)}.", param="response_format")
    seed = hashlib.sha256(sound + (asked.one("prompt") or "").encode()).hexdigest()
    pieces = [piece.text for piece in model.answer(ChatRequest(asked.model, [Message("user", seed)]))[0].pieces]
    text = "".join(pieces).replace("\n", " ").strip()
    given = max(1, len(sound) // 1000)
    usage = {
        "type": "tokens",
        "input_tokens": given,
        "output_tokens": len(pieces),
        "total_tokens": given + len(pieces),
        "input_token_details": {"text_tokens": 0, "audio_tokens": given},
    }
    if asked.one("stream") == "true":
        return Said(len(pieces), events=_written(pieces, usage))
    return _transcript(text, form, usage, len(pieces))


def _transcript(text: str, form: str, usage: dict[str, Any], tokens: int) -> Said:
    segments = _segments(text)
    seconds = segments[-1]["end"] if segments else 0.0
    match form:
        case "text":
            return Said(tokens, body=text.encode() + b"\n", content_type=b"text/plain; charset=utf-8")
        case "srt":
            cues = [f"{each['id'] + 1}\n{_stamp(each, ',')}\n{each['text'].strip()}\n" for each in segments]
            return Said(tokens, body="\n".join(cues).encode(), content_type=b"text/plain; charset=utf-8")
        case "vtt":
            cues = [f"{_stamp(each, '.')}\n{each['text'].strip()}\n" for each in segments]
            return Said(tokens, body="\n".join(["WEBVTT\n", *cues]).encode(), content_type=b"text/vtt; charset=utf-8")
        case "verbose_json":
            body = {
                "task": "transcribe",
                "language": "english",
                "duration": seconds,
                "text": text,
                "segments": segments,
                "usage": {"type": "duration", "seconds": math.ceil(seconds)},
            }
            return Said(tokens, body=msgspec.json.encode(body))
        case _:
            return Said(tokens, body=msgspec.json.encode({"text": text, "usage": usage}))


def _segments(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    start = 0.0
    for at, sentence in enumerate(filter(None, (part.strip() for part in text.split(".")))):
        end = start + _SECONDS_PER_WORD * len(sentence.split())
        found.append({"id": at, "seek": 0, "start": start, "end": end, "text": f" {sentence}.", "tokens": [], "temperature": 0.0})
        start = end
    return found


def _stamp(segment: dict[str, Any], point: str) -> str:
    return " --> ".join(
        f"00:{int(at) // 60:02}:{int(at) % 60:02}{point}{round(at % 1 * 1000):03}" for at in (segment["start"], segment["end"])
    )


def _written(pieces: list[str], usage: dict[str, Any]) -> Iterator[bytes]:
    for piece in pieces:
        yield event({"type": "transcript.text.delta", "delta": piece})
    yield event({"type": "transcript.text.done", "text": "".join(pieces), "usage": usage})


def _spoken(sound: bytes, given: int) -> Iterator[bytes]:
    for start in range(0, len(sound), 1024):
        yield event({"type": "speech.audio.delta", "audio": base64.b64encode(sound[start : start + 1024]).decode()})
    made = len(sound) // 100
    usage = {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}
    yield event({"type": "speech.audio.done", "usage": usage})


def _hum(samples: int) -> bytes:
    wave_form = [int(8000 * math.sin(2 * math.pi * 220 * at / _RATE)) for at in range(samples)]
    return struct.pack(f"<{samples}h", *wave_form)


def _wav(samples: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(_RATE)
        writer.writeframes(samples)
    return file.getvalue()
