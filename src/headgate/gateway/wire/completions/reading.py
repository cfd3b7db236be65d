"""A completion, read as it passes: chunks as chat has them, whose choices carry ``text`` where chat has a ``delta``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from headgate.gateway.wire.chat.reading import ChatReading
from headgate.gateway.wire.openai import told

if TYPE_CHECKING:
    from headgate.gateway.model import Refusal, Settings


class CompletionReading(ChatReading):
    """Reads one answer to one or several prompts."""

    def withheld(self, refusal: Refusal, settings: Settings) -> bytes:
        """Return a chunk that finishes every open choice as ``content_filter``, and ``[DONE]``."""
        first = self._first
        chunk: dict[str, Any] = {
            "id": None if first is None else first.id,
            "object": "text_completion",
            "created": None if first is None else first.created,
            "model": None if first is None else first.model,
            "choices": [_emptied(index) for index in range(self._choices) if index not in self._finished],
            "headgate": told(refusal, settings),
        }
        return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\ndata: [DONE]\n\n"

    def withheld_whole(self, body: bytes, refusal: Refusal, settings: Settings) -> bytes:
        """Return the same answer with every choice emptied and finished as ``content_filter``."""
        answer = cast("dict[str, Any]", json.loads(body))
        given: Any = answer.get("choices")
        count = len(cast("list[Any]", given)) if isinstance(given, list) else 0
        answer["choices"] = [_emptied(index) for index in range(count)]
        answer["headgate"] = told(refusal, settings)
        return json.dumps(answer, separators=(",", ":")).encode()


def _emptied(index: int) -> dict[str, Any]:
    return {"index": index, "text": "", "logprobs": None, "finish_reason": "content_filter"}
