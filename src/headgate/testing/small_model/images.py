"""The images API over a hash: squares of one colour, real PNG files, no pictures."""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from headgate.testing.small_model.ngrams import split
from headgate.testing.small_model.request import Rejected
from headgate.testing.small_model.said import Said, event, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.testing.small_model.forms import FormAsked

_TOKENS_PER_IMAGE = 272
_SIDE = 8


class Asked(msgspec.Struct):
    """A request for images; fields that do not matter here are ignored."""

    model: str
    prompt: str
    n: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1
    stream: bool | None = None
    partial_images: Annotated[int, msgspec.Meta(ge=0, le=3)] = 0
    metadata: dict[str, str] | None = None


_DECODER = msgspec.json.Decoder(Asked)


def parse(body: bytes) -> Asked:
    """Read a request.

    Raises:
        Rejected: It is not JSON, lacks a field, or has one that is wrong.
    """
    return read(_DECODER, body)


def generate(asked: Asked, *, created: int) -> Said:
    """Return new images."""
    seed = asked.prompt.encode()
    usage = _usage(len(split(asked.prompt)), 0, asked.n)
    if asked.stream:
        events = _events("image_generation", seed, asked.n, asked.partial_images, usage, created)
        return Said(asked.n * _TOKENS_PER_IMAGE, events=events)
    return _whole(seed, asked.n, usage, created, asked.prompt)


def edit(asked: FormAsked, *, created: int) -> Said:
    """Return changed images."""
    prompt = asked.one("prompt")
    if prompt is None:
        raise Rejected("prompt is missing.", param="prompt")
    pictures = asked.given("image")
    seed = prompt.encode() + b"".join(pictures)
    n = asked.number("n", 1)
    usage = _usage(len(split(prompt)), len(pictures), n)
    if asked.one("stream") == "true":
        return Said(n * _TOKENS_PER_IMAGE, events=_events("image_edit", seed, n, 1, usage, created))
    return _whole(seed, n, usage, created, prompt)


def vary(asked: FormAsked, *, created: int) -> Said:
    """Return images like another."""
    pictures = asked.given("image")
    n = asked.number("n", 1)
    return _whole(b"".join(pictures), n, _usage(0, len(pictures), n), created, None)


def png(seed: bytes) -> bytes:
    """Return a square of one colour."""
    colour = hashlib.sha256(seed).digest()[:3]
    rows = b"".join(b"\x00" + colour * _SIDE for _ in range(_SIDE))
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _whole(seed: bytes, n: int, usage: dict[str, Any], created: int, prompt: str | None) -> Said:
    data = [{"b64_json": _drawn(seed, index), **({} if prompt is None else {"revised_prompt": prompt})} for index in range(n)]
    body = {"created": created, "data": data, "output_format": "png", "size": f"{_SIDE}x{_SIDE}", "usage": usage}
    return Said(n * _TOKENS_PER_IMAGE, body=msgspec.json.encode(body))


def _events(kind: str, seed: bytes, n: int, partial: int, usage: dict[str, Any], created: int) -> Iterator[bytes]:
    about = {"created_at": created, "size": "auto", "quality": "low", "background": "opaque", "output_format": "png"}
    for index in range(n):
        for step in range(partial):
            name = f"{kind}.partial_image"
            yield event({"type": name, "b64_json": _drawn(seed, -1 - step), "partial_image_index": step, **about}, name)
        name = f"{kind}.completed"
        yield event({"type": name, "b64_json": _drawn(seed, index), "usage": usage, **about}, name)


def _drawn(seed: bytes, index: int) -> str:
    return base64.b64encode(png(seed + str(index).encode())).decode()


def _usage(words: int, pictures: int, n: int) -> dict[str, Any]:
    given, made = words + 85 * pictures, n * _TOKENS_PER_IMAGE
    return {
        "input_tokens": given,
        "output_tokens": made,
        "total_tokens": given + made,
        "input_tokens_details": {"text_tokens": words, "image_tokens": 85 * pictures},
    }
