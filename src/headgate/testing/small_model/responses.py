"""The responses API over the small model: answers, streams, and responses kept in memory until the process ends.

A response in the background is queued when it is made, in progress when it is first looked at, and complete the time after; with
``x-small-model-background: hold`` in its metadata it stays in progress until it is cancelled.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from headgate.testing.small_model.answer import Call, prompt_tokens
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

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headgate.testing.small_model.answer import Choice, SmallModel

_HOLD = "x-small-model-background"
_THOUGHT = "I string words together that often stand together."
_Status = Literal["queued", "in_progress", "completed", "incomplete", "cancelled"]


class Asked(msgspec.Struct):
    """A request for a response; fields that do not matter here are ignored."""

    model: str
    input: str | list[dict[str, Any]] = ""
    instructions: str | None = None
    stream: bool | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    max_output_tokens: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None

    @property
    def kept(self) -> bool:
        """Whether the response is kept; silence is a yes."""
        return self.store is not False


@dataclass(frozen=True, slots=True)
class Response:
    """A response that was made.

    Attributes:
        body: As it is answered when it is complete.
        events: The same as a stream, in order.
        input_items: What it was asked.
        messages: The conversation up to here, its answer included.
        status: How far it is.
        held: Whether it stays in progress.
        tokens: How many tokens it took.
    """

    body: dict[str, Any]
    events: tuple[dict[str, Any], ...]
    input_items: tuple[dict[str, Any], ...]
    messages: tuple[Message, ...]
    status: _Status
    held: bool
    tokens: int

    @property
    def id(self) -> str:
        """Its identifier."""
        return str(self.body["id"])

    def whole(self) -> bytes:
        """Return it as it stands now."""
        if self.status in ("completed", "incomplete"):
            return msgspec.json.encode(self.body)
        return msgspec.json.encode({**self.body, "status": self.status, "output": [], "usage": None, "incomplete_details": None})

    def stream(self, after: int = -1) -> Iterator[bytes]:
        """Return it as server-sent events, those after a sequence number."""
        for event in self.events:
            if event["sequence_number"] > after:
                yield b"event: " + event["type"].encode() + b"\ndata: " + msgspec.json.encode(event) + b"\n\n"

    def later(self) -> Response:
        """Return it as it is when somebody has looked at it."""
        match self.status:
            case "queued":
                return replace(self, status="in_progress")
            case "in_progress" if not self.held:
                return replace(self, status=self.body["status"])
            case _:
                return self


_decode = msgspec.json.Decoder(Asked).decode


def parse(body: bytes) -> Asked:
    """Read a request.

    Raises:
        Rejected: It is not JSON, lacks a field, or has one that is wrong.
    """
    try:
        asked = _decode(body)
    except msgspec.ValidationError as wrong:
        raise Rejected(f"Invalid request: {wrong}.") from wrong
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise Rejected("The body is not JSON in UTF-8.", code="invalid_json") from wrong
    if asked.background and not asked.kept:
        raise Rejected("background needs store.", param="background")
    return asked


@dataclass(slots=True)
class Responses:
    """Makes responses, and keeps those that are to be kept.

    Args:
        model: Finds the words.
    """

    model: SmallModel
    shelf: dict[str, Response] = field(default_factory=dict[str, Response])

    def make(self, asked: Asked, *, created: int) -> Response:
        """Make a response.

        Args:
            asked: What is wanted.
            created: The present, in seconds since 1970.

        Raises:
            Rejected: It names something that is not here, or that does not exist.
        """
        before = () if asked.previous_response_id is None else self._previous(asked.previous_response_id).messages
        items = _items(asked.input)
        messages = [*before, *map(_message, items)]
        chat = _as_chat(asked, messages)
        (choice,) = self.model.answer(chat)
        body = _body(asked, chat, choice, created=created)
        status: _Status = "queued" if asked.background else body["status"]
        response = Response(
            body=body,
            events=tuple(_numbered(_events(body, choice))),
            input_items=tuple(items),
            messages=(*messages, *map(_message, body["output"])),
            status=status,
            held=(asked.metadata or {}).get(_HOLD) == "hold",
            tokens=choice.tokens,
        )
        if asked.kept:
            self.shelf[response.id] = response
        return response

    def look(self, response_id: str) -> Response:
        """Return a kept response; one in the background goes on each time.

        Raises:
            Rejected: There is none.
        """
        response = self.shelf[self._known(response_id)] = self._find(response_id).later()
        return response

    def cancel(self, response_id: str) -> Response:
        """Cancel a response that is not complete.

        Raises:
            Rejected: There is none, or it was not made in the background.
        """
        response = self._find(response_id)
        if not response.body["background"]:
            raise Rejected("Only a response in the background can be cancelled.", param="response_id")
        if response.status in ("queued", "in_progress"):
            response = self.shelf[response_id] = replace(response, status="cancelled")
        return response

    def delete(self, response_id: str) -> bytes:
        """Delete a response, and say so.

        Raises:
            Rejected: There is none.
        """
        del self.shelf[self._known(response_id)]
        return msgspec.json.encode({"id": response_id, "object": "response.deleted", "deleted": True})

    def asked(self, response_id: str) -> bytes:
        """Return what a response was asked, the newest first.

        Raises:
            Rejected: There is none.
        """
        items = [
            {"id": f"msg_in{index}_{response_id[5:]}", **item} for index, item in enumerate(self._find(response_id).input_items)
        ]
        items.reverse()
        ends = {"first_id": items[0]["id"], "last_id": items[-1]["id"]} if items else {"first_id": None, "last_id": None}
        return msgspec.json.encode({"object": "list", "data": items, **ends, "has_more": False})

    def _find(self, response_id: str) -> Response:
        return self.shelf[self._known(response_id)]

    def _known(self, response_id: str) -> str:
        if response_id not in self.shelf:
            raise Rejected(f"Response with id '{response_id}' not found.", status=HTTPStatus.NOT_FOUND, param="response_id")
        return response_id

    def _previous(self, response_id: str) -> Response:
        if response_id not in self.shelf:
            raise Rejected(
                f"Previous response with id '{response_id}' not found.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        return self.shelf[response_id]


def _items(given: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    return [{"type": "message", **item} for item in given]


def _message(item: dict[str, Any]) -> Message:
    match item["type"]:
        case "function_call":
            return Message("assistant", tool_calls=[{"id": item.get("call_id"), "arguments": item.get("arguments")}])
        case "function_call_output":
            return Message("tool", item.get("output"), tool_call_id=item.get("call_id"))
        case "message" if item.get("role") in ("system", "developer", "user", "assistant"):
            return Message(item["role"], item.get("content"))
        case "reasoning":
            return Message("assistant", None)
        case kind:
            raise Rejected(f"This model understands no {kind} of role {item.get('role')!r}.", param="input")


def _as_chat(asked: Asked, messages: Sequence[Message]) -> ChatRequest:
    """Return the same question in the terms of the model."""
    system = [] if asked.instructions is None else [Message("system", asked.instructions)]
    chat = ChatRequest(
        model=asked.model,
        messages=[*system, *messages],
        max_completion_tokens=asked.max_output_tokens,
        tools=[_tool(tool) for tool in asked.tools] if asked.tools else None,
        tool_choice=_tool_choice(asked.tool_choice),
        parallel_tool_calls=asked.parallel_tool_calls,
        response_format=_format((asked.text or {}).get("format")),
    )
    check_tools(chat)
    return chat


def _tool(tool: dict[str, Any]) -> Tool:
    if tool.get("type") != "function":
        raise Rejected(f"This model has no tool {tool.get('type')!r}.", param="tools")
    return Tool("function", Function(str(tool.get("name")), tool.get("description"), tool.get("parameters") or {}))


def _tool_choice(choice: str | dict[str, Any] | None) -> Any:
    if isinstance(choice, dict):
        return Chosen("function", Named(str(choice.get("name"))))
    return choice


def _format(form: Any) -> ResponseFormat | None:
    if not isinstance(form, dict):
        return None
    members = cast("dict[str, Any]", form)
    if members.get("type") == "json_schema":
        return ResponseFormat("json_schema", ResponseSchema(str(members.get("name")), members.get("schema") or {}))
    return ResponseFormat("json_object" if members.get("type") == "json_object" else "text")


def _body(asked: Asked, chat: ChatRequest, choice: Choice, *, created: int) -> dict[str, Any]:
    """Return the finished response."""
    name = secrets.token_hex(12)
    counted = prompt_tokens(chat)
    cut = choice.finish == "length"
    return {
        "id": f"resp_{name}",
        "object": "response",
        "created_at": created,
        "status": "incomplete" if cut else "completed",
        "background": bool(asked.background),
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": asked.instructions,
        "max_output_tokens": asked.max_output_tokens,
        "model": asked.model,
        "output": _output(asked, choice, name),
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "previous_response_id": asked.previous_response_id,
        "reasoning": {"effort": None, "summary": (asked.reasoning or {}).get("summary")},
        "store": asked.kept,
        "temperature": 1.0,
        "text": asked.text or {"format": {"type": "text"}},
        "tool_choice": asked.tool_choice or "auto",
        "tools": asked.tools or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": {
            "input_tokens": counted,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": choice.tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": counted + choice.tokens,
        },
        "user": None,
        "metadata": asked.metadata or {},
    }


def _output(asked: Asked, choice: Choice, name: str) -> list[dict[str, Any]]:
    status = "incomplete" if choice.finish == "length" else "completed"
    output: list[dict[str, Any]] = []
    if (asked.reasoning or {}).get("summary"):
        output.append({"id": f"rs_{name}", "type": "reasoning", "summary": [{"type": "summary_text", "text": _THOUGHT}]})
    if not choice.calls:
        text = "".join(piece.text for piece in choice.pieces)
        part: dict[str, Any] = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        output.append({"id": f"msg_{name}", "type": "message", "role": "assistant", "status": status, "content": [part]})
    output += [_called(call, f"fc_{name}{index}", status) for index, call in enumerate(choice.calls)]
    return output


def _called(call: Call, name: str, status: str) -> dict[str, Any]:
    arguments = "".join(call.arguments)
    return {
        "id": name,
        "type": "function_call",
        "status": status,
        "call_id": call.id,
        "name": call.name,
        "arguments": arguments,
    }


def _events(body: dict[str, Any], choice: Choice) -> Iterator[dict[str, Any]]:
    """Return a response as the events of a stream, one token each."""
    begun: dict[str, Any] = {**body, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    calls = iter(choice.calls)
    for index, item in enumerate(body["output"]):
        place = {"output_index": index}
        within = {"item_id": item["id"], **place}
        match item["type"]:
            case "message":
                yield {"type": "response.output_item.added", **place, "item": {**item, "status": "in_progress", "content": []}}
                yield from _said(item["content"][0], [piece.text for piece in choice.pieces], {**within, "content_index": 0})
            case "function_call":
                yield {"type": "response.output_item.added", **place, "item": {**item, "status": "in_progress", "arguments": ""}}
                for text in next(calls).arguments:
                    yield {"type": "response.function_call_arguments.delta", **within, "delta": text}
                yield {"type": "response.function_call_arguments.done", **within, "arguments": item["arguments"]}
            case _:
                yield {"type": "response.output_item.added", **place, "item": {**item, "summary": []}}
                yield from _thought(item["summary"][0], {**within, "summary_index": 0})
        yield {"type": "response.output_item.done", **place, "item": item}
    yield {"type": f"response.{body['status']}", "response": body}


def _said(part: dict[str, Any], words: Sequence[str], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
    for word in words:
        yield {"type": "response.output_text.delta", **place, "delta": word, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": part}


def _thought(part: dict[str, Any], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "response.reasoning_summary_part.added", **place, "part": {**part, "text": ""}}
    yield {"type": "response.reasoning_summary_text.delta", **place, "delta": part["text"]}
    yield {"type": "response.reasoning_summary_text.done", **place, "text": part["text"]}
    yield {"type": "response.reasoning_summary_part.done", **place, "part": part}


def _numbered(events: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for number, event in enumerate(events):
        yield {**event, "sequence_number": number}
