"""The moderations API over a list of words."""

from __future__ import annotations

import re
import secrets
from typing import Any

import msgspec

from headgate.testing.small_model.said import Said, read

_WORDS = {"violence": ("kill", "shoot", "stab"), "harassment": ("idiot", "moron"), "illicit": ("sarin", "heist")}


class Asked(msgspec.Struct):
    """A request for judgements."""

    model: str
    input: str | list[str | dict[str, Any]]
    metadata: dict[str, str] | None = None

    def inputs(self) -> list[str]:
        """Return each text; parts are one input together."""
        match self.input:
            case str(text):
                return [text]
            case [dict(), *_] as parts:
                return [" ".join(str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part)]
            case several:
                return [str(each) for each in several]


_DECODER = msgspec.json.Decoder(Asked)


def parse(body: bytes) -> Asked:
    """Read a request.

    Raises:
        Rejected: It is not JSON, lacks a field, or has one that is wrong.
    """
    return read(_DECODER, body)


def answer(asked: Asked) -> Said:
    """Return the answer."""
    results: list[dict[str, object]] = []
    for text in asked.inputs():
        words = set(re.findall(r"\w+", text.lower()))
        found = {category: bool(words.intersection(listed)) for category, listed in _WORDS.items()}
        scores = {category: 0.98 if there else 1.5e-7 for category, there in found.items()}
        results.append({"flagged": any(found.values()), "categories": found, "category_scores": scores})
    body = {"id": "modr-" + secrets.token_hex(12), "model": asked.model, "results": results}
    return Said(0, body=msgspec.json.encode(body))
