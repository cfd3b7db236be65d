"""The Anthropic messages API over the small model: answers, thoughts, calls of tools, streams, and counts of tokens."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from headgate.testing.small_model.answer import prompt_tokens
from headgate.testing.small_model.ngrams import split
from headgate.testing.small_model.request import (
    ChatRequest,
    Chosen,
    Function,
    Message,
    Named,
    Rejected,
    ResponseFormat,
    ResponseSchema,
    Tool,
    check_tools,
)
from headgate.testing.small_model.said import Said, event, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headgate.testing.small_model.answer import Choice, SmallModel

PATH = "/v1/messages"
COUNT_PATH = "/v1/messages/count_tokens"
_THOUGHT = "I string words together that often stand together."
_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_TYPES = {
    HTTPStatus.BAD_REQUEST: "invalid_request_error",
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request_too_large",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}


class Turn(msgspec.Struct):
    """One message of the conversation."""

    role: Literal["user", "assistant", "system"]
    content: str | list[dict[str, Any]]


class Asked(msgspec.Struct):
    """A request for a message, or for the count of its tokens; fields that do not matter here are ignored."""

    model: str
    messages: Annotated[list[Turn], msgspec.Meta(min_length=1)]
    max_tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None
    system: str | list[dict[str, Any]] | None = None
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    output_format: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


_DECODER = msgspec.json.Decoder(Asked)


def parse(body: bytes) -> Asked:
    """Read a request for a message.

    Raises:
        Rejected: It is not JSON, lacks a field, or has one that is wrong.
    """
    asked = read(_DECODER, body)
    if asked.max_tokens is None:
        raise Rejected("max_tokens: Field required.", param="max_tokens")
    return asked


def parse_count(body: bytes) -> Asked:
    """Read a request for the count of a message's tokens.

    Raises:
        Rejected: It is not JSON, lacks a field, or has one that is wrong.
    """
    return read(_DECODER, body)


def count(asked: Asked) -> Said:
    """Return the count of its tokens.

    Raises:
        Rejected: It asks for something that is not here.
    """
    return Said(0, body=msgspec.json.encode({"input_tokens": prompt_tokens(_as_chat(asked))}))


def answer(model: SmallModel, asked: Asked) -> Said:
    """Return the answer.

    Raises:
        Rejected: It asks for something that is not here.
    """
    chat = _as_chat(asked)
    (choice,) = model.answer(chat)
    blocks = tuple(_blocks(choice, is_thoughtful=(asked.thinking or {}).get("type", "disabled") != "disabled"))
    stopped_at = _stopped_at(model, chat, choice)
    said = _Answer(
        id="msg_" + secrets.token_hex(12),
        model=asked.model,
        blocks=blocks,
        stop_reason=_STOPS[choice.finish] if stopped_at is None else "stop_sequence",
        stop_sequence=stopped_at,
        input_tokens=prompt_tokens(chat),
        output_tokens=choice.tokens + sum(len(split(block.thought)) for block in blocks),
    )
    return Said(said.output_tokens, events=said.events()) if asked.stream else Said(said.output_tokens, body=said.whole())


def error(wrong: Rejected) -> bytes:
    """Return the error's JSON, as this API has it."""
    type_ = _TYPES.get(HTTPStatus(wrong.status), "api_error")
    return msgspec.json.encode({"type": "error", "error": {"type": type_, "message": wrong.message}, "request_id": None})


@dataclass(frozen=True, slots=True)
class _Block:
    """One block: how it begins, how it goes on, and what it is as a whole."""

    begun: dict[str, Any]
    deltas: tuple[dict[str, Any], ...]
    whole: dict[str, Any]
    thought: str = ""


@dataclass(frozen=True, slots=True)
class _Answer:
    id: str
    model: str
    blocks: Sequence[_Block]
    stop_reason: str
    stop_sequence: str | None
    input_tokens: int
    output_tokens: int

    def whole(self) -> bytes:
        stop = {"stop_reason": self.stop_reason, "stop_sequence": self.stop_sequence}
        return msgspec.json.encode(
            {**self._message(self.output_tokens), "content": [block.whole for block in self.blocks], **stop}
        )

    def events(self) -> Iterator[bytes]:
        yield _event("message_start", message=self._message(1))
        yield _event("ping")
        for index, block in enumerate(self.blocks):
            yield _event("content_block_start", index=index, content_block=block.begun)
            for delta in block.deltas:
                yield _event("content_block_delta", index=index, delta=delta)
            yield _event("content_block_stop", index=index)
        stop = {"stop_reason": self.stop_reason, "stop_sequence": self.stop_sequence}
        yield _event("message_delta", delta=stop, usage={"output_tokens": self.output_tokens})
        yield _event("message_stop")

    def _message(self, output_tokens: int) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {
                "input_tokens": self.input_tokens,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": output_tokens,
            },
        }


def _event(name: str, **members: Any) -> bytes:
    return event({"type": name, **members}, name)


def _blocks(choice: Choice, *, is_thoughtful: bool) -> Iterator[_Block]:
    if is_thoughtful:
        signature = base64.b64encode(hashlib.sha256(_THOUGHT.encode()).digest()).decode()
        yield _Block(
            {"type": "thinking", "thinking": "", "signature": ""},
            (
                *({"type": "thinking_delta", "thinking": text} for text in split(_THOUGHT)),
                {"type": "signature_delta", "signature": signature},
            ),
            {"type": "thinking", "thinking": _THOUGHT, "signature": signature},
            _THOUGHT,
        )
    if choice.pieces:
        texts = [piece.text for piece in choice.pieces]
        deltas = tuple({"type": "text_delta", "text": text} for text in texts)
        yield _Block({"type": "text", "text": ""}, deltas, {"type": "text", "text": "".join(texts)})
    for call in choice.calls:
        named = {"type": "tool_use", "id": "toolu_" + call.id.removeprefix("call_"), "name": call.name}
        deltas = tuple({"type": "input_json_delta", "partial_json": text} for text in call.arguments)
        yield _Block({**named, "input": {}}, deltas, {**named, "input": _given(call.arguments)})


def _given(arguments: Sequence[str]) -> Any:
    try:
        return msgspec.json.decode("".join(arguments))
    except msgspec.DecodeError:  # cut short where the answer had to end
        return {}


def _stopped_at(model: SmallModel, chat: ChatRequest, choice: Choice) -> str | None:
    """Return the text at which an answer was stopped; what would have followed tells."""
    if choice.finish != "stop" or not chat.stops():
        return None
    (uncut,) = model.answer(msgspec.structs.replace(chat, stop=None))
    said, full = ("".join(piece.text for piece in each.pieces) for each in (choice, uncut))
    return next((stop for stop in chat.stops() if full[len(said) :].startswith(stop)), None)


def _as_chat(asked: Asked) -> ChatRequest:
    """Return the same question in the terms of the model."""
    system = [] if asked.system is None else [Message("system", asked.system)]
    format_ = (asked.output_config or {}).get("format") or asked.output_format
    choice = asked.tool_choice or {}
    chat = ChatRequest(
        model=asked.model,
        messages=[*system, *(message for turn in asked.messages for message in _messages(turn))],
        max_completion_tokens=asked.max_tokens,
        stop=asked.stop_sequences,
        tools=[_tool(tool) for tool in asked.tools] if asked.tools else None,
        tool_choice=_tool_choice(choice),
        parallel_tool_calls=False if choice.get("disable_parallel_tool_use") else None,
        response_format=None if format_ is None else _format(format_),
    )
    check_tools(chat)
    return chat


def _messages(turn: Turn) -> Iterator[Message]:
    """Yield one turn as messages: results of tools are messages of their own."""
    if isinstance(turn.content, str):
        yield Message(turn.role, turn.content)
        return
    parts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for block in turn.content:
        match block.get("type"):
            case "tool_result":
                yield Message("tool", block.get("content"), tool_call_id=block.get("tool_use_id"))
            case "tool_use":
                calls.append({"id": block.get("id"), "arguments": block.get("input")})
            case "thinking" | "redacted_thinking":
                pass
            case "text" | "image" | "document":
                parts.append(block)
            case kind:
                raise Rejected(f"messages: this model understands no {kind!r}.", param="messages")
    if parts or calls or not turn.content:
        yield Message(turn.role, parts or None, tool_calls=calls or None)


def _tool(tool: dict[str, Any]) -> Tool:
    if tool.get("type", "custom") != "custom":
        raise Rejected(f"tools: this model runs no {tool['type']!r}.", param="tools")
    if not isinstance(tool.get("name"), str):
        raise Rejected("tools: a tool needs a name.", param="tools")
    return Tool("function", Function(tool["name"], tool.get("description"), tool.get("input_schema") or {}))


def _tool_choice(choice: dict[str, Any]) -> Literal["none", "auto", "required"] | Chosen | None:
    match choice.get("type"):
        case "tool":
            return Chosen("function", Named(str(choice.get("name"))))
        case "any":
            return "required"
        case "none":
            return "none"
        case _:
            return None


def _format(wanted: dict[str, Any]) -> ResponseFormat:
    schema = wanted.get("schema")
    if wanted.get("type") != "json_schema" or not isinstance(schema, dict):
        raise Rejected("output_config.format must be a json_schema with a schema.", param="output_config")
    return ResponseFormat("json_schema", ResponseSchema("answer", schema))  # pyright: ignore[reportUnknownArgumentType]
