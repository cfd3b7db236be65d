"""The embeddings API over a hash: the same text, the same numbers; like texts are not alike."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from typing import Annotated, Literal

import msgspec

from headgate.testing.small_model.ngrams import Draws, split
from headgate.testing.small_model.said import Said, read

_DIMENSIONS = 64


class Asked(msgspec.Struct):
    """A request for embeddings."""

    model: str
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=4096)] = _DIMENSIONS
    metadata: dict[str, str] | None = None

    def inputs(self) -> list[str | list[int]]:
        """Return each input."""
        match self.input:
            case str(text):
                return [text]
            case [int(), *_] as tokens:
                return [[token for token in tokens if isinstance(token, int)]]
            case several:
                return [each for each in several if not isinstance(each, int)]


_DECODER = msgspec.json.Decoder(Asked)


def parse(body: bytes) -> Asked:
    """Read a request.

    Raises:
        Rejected: It is not JSON, lacks a field, or has one that is wrong.
    """
    return read(_DECODER, body)


def answer(asked: Asked) -> Said:
    """Return the answer."""
    inputs = asked.inputs()
    count = sum(len(split(each)) if isinstance(each, str) else len(each) for each in inputs)
    data: list[dict[str, object]] = []
    for index, each in enumerate(inputs):
        vector = _vector(each, asked.dimensions)
        packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": vector if asked.encoding_format == "float" else packed})
    usage = {"prompt_tokens": count, "total_tokens": count}
    return Said(0, body=msgspec.json.encode({"object": "list", "data": data, "model": asked.model, "usage": usage}))


def _vector(given: str | list[int], dimensions: int) -> list[float]:
    draws = Draws(hashlib.sha256(msgspec.json.encode(given)).digest())
    raw = [draws.fraction() - 0.5 for _ in range(dimensions)]
    length = math.sqrt(sum(each * each for each in raw))
    return [each / length for each in raw]
