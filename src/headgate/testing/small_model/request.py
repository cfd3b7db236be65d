"""What a caller asks for, read strictly enough to say what is wrong with it."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Annotated, Any, Literal

import msgspec

_WHERE = re.compile(r" - at `\$\.?(.*)`$")

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]


class Rejected(Exception):
    """The request is answered with an error in the form that OpenAI uses.

    Args:
        message: What is wrong, for people.
        status: The HTTP status.
        kind: The error's ``type``.
        param: The field that is wrong.
        code: The error's ``code``.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = HTTPStatus.BAD_REQUEST,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.param = param
        self.code = code

    def body(self) -> bytes:
        """Return the error's JSON."""
        return msgspec.json.encode(
            {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}
        )


class Message(msgspec.Struct):
    """One message; fields that do not matter here are ignored."""

    role: Role
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None

    def text(self) -> str:
        """Return the words of the message."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return " ".join(part["text"] for part in self.content if isinstance(part.get("text"), str))

    def other_parts(self) -> int:
        """Return how many parts are no text: images, sounds, files."""
        return 0 if not isinstance(self.content, list) else sum(not isinstance(part.get("text"), str) for part in self.content)


class Function(msgspec.Struct):
    """A function that may be called."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] = {}


class Tool(msgspec.Struct):
    """A tool; functions are the only kind."""

    type: Literal["function"]
    function: Function


class Named(msgspec.Struct):
    """The name of a function."""

    name: str


class Chosen(msgspec.Struct):
    """A tool that must be called."""

    type: Literal["function"]
    function: Named


class StreamOptions(msgspec.Struct):
    """What a stream also carries."""

    include_usage: bool = False


class ResponseSchema(msgspec.Struct):
    """The schema that an answer must satisfy."""

    name: str
    schema: dict[str, Any] = {}


class ResponseFormat(msgspec.Struct):
    """Which form the answer takes."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: ResponseSchema | None = None


_Limit = Annotated[int, msgspec.Meta(ge=1)]


class ChatRequest(msgspec.Struct):
    """A request for a chat completion; fields that do not matter here are ignored, sampling settings among them."""

    model: str
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: _Limit | None = None
    max_completion_tokens: _Limit | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=128)] | None = None
    stop: str | Annotated[list[str], msgspec.Meta(max_length=4)] | None = None
    seed: int | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | Chosen | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    metadata: dict[str, str] | None = None

    def most_tokens(self) -> int | None:
        """Return how many tokens an answer may have; ``None`` when that is left to the model."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    def stops(self) -> list[str]:
        """Return the texts at which an answer ends."""
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [stop for stop in stops if stop]


_decode = msgspec.json.Decoder(ChatRequest).decode


def parse(body: bytes) -> ChatRequest:
    """Read a request.

    Raises:
        Rejected: It is not JSON, lacks a field, or has one that is wrong.
    """
    try:
        request = _decode(body)
    except msgspec.ValidationError as wrong:
        where = _WHERE.search(str(wrong))
        missing = re.search(r"missing required field `(\w+)`", str(wrong))
        param = ".".join(filter(None, (where[1] if where else "", missing[1] if missing else ""))) or None
        raise Rejected(f"Invalid request: {wrong}.", param=param) from wrong
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise Rejected("The body is not JSON in UTF-8.", code="invalid_json") from wrong
    if request.top_logprobs is not None and not request.logprobs:
        raise Rejected("top_logprobs needs logprobs.", param="top_logprobs")
    if request.stream_options is not None and not request.stream:
        raise Rejected("stream_options needs stream.", param="stream_options")
    check_tools(request)
    form = request.response_format
    if form is not None and form.type == "json_schema" and form.json_schema is None:
        raise Rejected("json_schema is missing.", param="response_format.json_schema")
    return request


def check_tools(request: ChatRequest) -> None:
    """Check that the tool that must be called is there.

    Raises:
        Rejected: It is not.
    """
    names = {tool.function.name for tool in request.tools or ()}
    if request.tool_choice is not None and not names and request.tool_choice != "none":
        raise Rejected("tool_choice needs tools.", param="tool_choice")
    if isinstance(request.tool_choice, Chosen) and request.tool_choice.function.name not in names:
        raise Rejected(f"There is no tool {request.tool_choice.function.name}.", param="tool_choice")
