"""The completions API over the small model: each prompt is answered as a conversation of one message would be."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from itertools import accumulate, zip_longest
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from headgate.testing.small_model.answer import prompt_tokens
from headgate.testing.small_model.request import ChatRequest, Message, StreamOptions
from headgate.testing.small_model.said import Said, event, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headgate.testing.small_model.answer import Choice, SmallModel
    from headgate.testing.small_model.ngrams import Piece

_Limit = Annotated[int, msgspec.Meta(ge=1)]
_DONE = b"data: [DONE]\n\n"


class Asked(msgspec.Struct):
    """A request for completions; fields that do not matter here are ignored."""

    model: str
    prompt: str | list[str | int | list[int]] | None = None
    suffix: str | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None
    n: _Limit | None = None
    best_of: _Limit | None = None
    echo: bool | None = None
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=5)] | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    metadata: dict[str, str] | None = None

    def prompts(self) -> list[str]:
        """Return each prompt as text; token numbers stand for themselves."""
        match self.prompt:
            case None:
                return [""]
            case str(text):
                return [text]
            case [int(), *_] as tokens:
                return [str(tokens)]
            case several:
                return [str(each) for each in several]


_DECODER = msgspec.json.Decoder(Asked)


def parse(body: bytes) -> Asked:
    """Read a request.

    Raises:
        Rejected: It is not JSON, lacks a field, or has one that is wrong.
    """
    return read(_DECODER, body)


@dataclass(frozen=True, slots=True)
class _Envelope:
    id: str
    created: int
    model: str

    def around(self, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
            **more,
        }


def answer(model: SmallModel, asked: Asked, *, created: int) -> Said:
    """Return the answer."""
    written: list[tuple[str, Choice]] = []
    prompt_count = completion_count = 0
    for prompt in asked.prompts():
        conversation = ChatRequest(
            asked.model,
            [Message("user", prompt + (asked.suffix or ""))],
            max_tokens=16 if asked.max_tokens is None else asked.max_tokens,
            n=max(asked.n or 1, asked.best_of or 1),
            stop=asked.stop,
            seed=asked.seed,
        )
        choices = model.answer(conversation)
        prompt_count += prompt_tokens(conversation)
        completion_count += sum(choice.tokens for choice in choices)
        written += [(prompt if asked.echo else "", choice) for choice in choices[: asked.n or 1]]
    usage = {
        "prompt_tokens": prompt_count,
        "completion_tokens": completion_count,
        "total_tokens": prompt_count + completion_count,
    }
    envelope = _Envelope("cmpl-" + secrets.token_hex(12), created, asked.model)
    if asked.stream:
        with_usage = asked.stream_options is not None and asked.stream_options.include_usage
        return Said(completion_count, events=_events(envelope, written, asked, usage if with_usage else None))
    whole = [
        _choice(index, echo + "".join(piece.text for piece in choice.pieces), choice.finish, choice.pieces, asked.logprobs)
        for index, (echo, choice) in enumerate(written)
    ]
    return Said(completion_count, body=msgspec.json.encode(envelope.around(whole, usage=usage)))


def _events(
    envelope: _Envelope, written: Sequence[tuple[str, Choice]], asked: Asked, usage: dict[str, int] | None
) -> Iterator[bytes]:
    more: dict[str, Any] = {} if usage is None else {"usage": None}
    parts = [_parts(index, echo, choice, asked.logprobs) for index, (echo, choice) in enumerate(written)]
    for turn in zip_longest(*parts):
        for part in turn:
            if part is not None:
                yield event(envelope.around([part], **more))
    if usage is not None:
        yield event(envelope.around([], usage=usage))
    yield _DONE


def _parts(index: int, echo: str, choice: Choice, logprobs: int | None) -> Iterator[dict[str, Any]]:
    if echo:
        yield _choice(index, echo, None, (), None)
    for piece in choice.pieces:
        yield _choice(index, piece.text, None, [piece], logprobs)
    yield _choice(index, "", choice.finish, (), None)


def _choice(index: int, text: str, finish: str | None, pieces: Sequence[Piece], logprobs: int | None) -> dict[str, Any]:
    told: dict[str, Any] | None = None
    if logprobs is not None and pieces:
        told = {
            "tokens": [piece.text for piece in pieces],
            "token_logprobs": [piece.logprob for piece in pieces],
            "top_logprobs": [dict(piece.alternatives[:logprobs]) for piece in pieces] if logprobs else None,
            "text_offset": [0, *accumulate(len(piece.text) for piece in pieces[:-1])],
        }
    return {"text": text, "index": index, "logprobs": told, "finish_reason": finish}
