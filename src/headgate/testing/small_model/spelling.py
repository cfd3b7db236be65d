"""The bodies and stream events of chat completions, as the OpenAI API documents them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headgate.testing.small_model.answer import Choice
    from headgate.testing.small_model.ngrams import Piece

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every body and event of one answer carries.

    Attributes:
        id: The answer's identifier.
        created: When it was made, in seconds since 1970.
        model: The model's name.
        fingerprint: What the answer depends on besides the request.
        top_logprobs: How many alternatives to list for each token; ``None`` for no log-probabilities at all.
    """

    id: str
    created: int
    model: str
    fingerprint: str
    top_logprobs: int | None


def usage(prompt_tokens: int, choices: Sequence[Choice]) -> dict[str, Any]:
    """Return the count of tokens."""
    completion_tokens = sum(choice.tokens for choice in choices)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def body(envelope: Envelope, choices: Sequence[Choice], prompt_tokens: int) -> bytes:
    """Return a whole answer."""
    return msgspec.json.encode(
        {
            "id": envelope.id,
            "object": "chat.completion",
            "created": envelope.created,
            "model": envelope.model,
            "choices": [
                {
                    "index": index,
                    "message": _message(choice),
                    "logprobs": _logprobs(choice.pieces, envelope.top_logprobs),
                    "finish_reason": choice.finish,
                }
                for index, choice in enumerate(choices)
            ],
            "usage": usage(prompt_tokens, choices),
            "system_fingerprint": envelope.fingerprint,
        }
    )


def events(envelope: Envelope, choices: Sequence[Choice], *, prompt_tokens: int, with_usage: bool) -> Iterator[bytes]:
    """Return an answer as server-sent events, one token each; several answers take turns."""
    parts = [_parts(envelope, index, choice) for index, choice in enumerate(choices)]
    for turn in zip_longest(*parts):
        for part in turn:
            if part is not None:
                yield _event(envelope, [part], None, with_usage=with_usage)
    if with_usage:
        yield _event(envelope, [], usage(prompt_tokens, choices), with_usage=True)
    yield DONE


def models(names: Sequence[str], created: int) -> bytes:
    """Return the list of models."""
    return msgspec.json.encode({"object": "list", "data": [_model(name, created) for name in names]})


def model(name: str, created: int) -> bytes:
    """Return one model."""
    return msgspec.json.encode(_model(name, created))


def _model(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "headgate (a stand-in, not a model)"}


def _message(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join([piece.text for piece in choice.pieces]), "refusal": None}
    if choice.calls:
        message["content"] = None
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": "".join(call.arguments)}}
            for call in choice.calls
        ]
    return message


def _parts(envelope: Envelope, index: int, choice: Choice) -> Iterator[dict[str, Any]]:
    """Return the choices of one answer's events, in order."""

    def part(delta: dict[str, Any], finish: str | None = None, pieces: Sequence[Piece] = ()) -> dict[str, Any]:
        logprobs = _logprobs(pieces, envelope.top_logprobs) if pieces else None
        return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}

    yield part({"role": "assistant", "content": None if choice.calls else "", "refusal": None})
    for piece in choice.pieces:
        yield part({"content": piece.text}, None, [piece])
    for at, call in enumerate(choice.calls):
        named = {"index": at, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        yield part({"tool_calls": [named]})
        for text in call.arguments:
            yield part({"tool_calls": [{"index": at, "function": {"arguments": text}}]})
    yield part({}, choice.finish)


def _event(envelope: Envelope, choices: list[dict[str, Any]], counted: dict[str, Any] | None, *, with_usage: bool) -> bytes:
    said: dict[str, Any] = {
        "id": envelope.id,
        "object": "chat.completion.chunk",
        "created": envelope.created,
        "model": envelope.model,
        "system_fingerprint": envelope.fingerprint,
        "choices": choices,
    }
    if with_usage:
        said["usage"] = counted
    return b"data: " + msgspec.json.encode(said) + b"\n\n"


def _logprobs(pieces: Sequence[Piece], top: int | None) -> dict[str, Any] | None:
    if top is None:
        return None
    content = [
        {
            **_logprob(piece.text, piece.logprob),
            "top_logprobs": [_logprob(text, logprob) for text, logprob in piece.alternatives[:top]],
        }
        for piece in pieces
    ]
    return {"content": content, "refusal": None}


def _logprob(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}
