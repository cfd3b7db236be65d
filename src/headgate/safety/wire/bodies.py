"""Every text of an exchange, by whatever surface it came and whatever shape its bodies have.

A reader of ``choices[0].message.content`` alone misses the second choice, the arguments of a tool call, the reasoning, the
refusal and every field invented after it was written. So this one takes every string, and leaves out only what is known to
be no text: identifiers, roles, models, media. Strings that travel in pieces (the deltas of a stream, chunk by chunk or event by
event, the parts of one message) are joined before anybody looks at them, and an event that only repeats what the deltas said
adds nothing; JSON within JSON (tool arguments) is opened. Bodies come from strangers: nothing here raises, and a body that
cannot be parsed is one passage of raw text rather than nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import msgspec

from headgate.safety.model import Passage, Texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_NOT_TEXT = frozenset(
    {
        "bytes",
        "call_id",
        "created",
        "detail",
        "encrypted_content",
        "file_id",
        "finish_reason",
        "format",
        "id",
        "index",
        "item_id",
        "logprobs",
        "model",
        "object",
        "obfuscation",
        "previous_response_id",
        "prompt_cache_key",
        "role",
        "safety_identifier",
        "service_tier",
        "signature",
        "status",
        "stop_reason",
        "system_fingerprint",
        "tool_call_id",
        "type",
        "usage",
        "user",
    }
)
"""Fields that carry no words of anybody."""

_MEDIA = frozenset({"image_url", "input_audio", "audio", "file"})
_DEEPEST = 64
_MEDIA_TEXTS = frozenset({"transcript", "filename"})
_DONE = "[DONE]"
_CONVERSATIONS = frozenset({"messages", "input", "output"})
"""Fields that hold one message after another."""
_PLACES = ("output_index", "index")
_PARTS = ("content_index", "summary_index")


def texts(request: bytes, response: bytes) -> Texts:
    """Return every text of an exchange.

    Args:
        request: The request's body, decompressed; empty when it was not kept.
        response: The response's body, decompressed, streamed or not; empty when it was not kept.
    """
    return Texts(
        prompt=request_passages(request) if request.strip() else None,
        completion=response_passages(response) if response.strip() else None,
    )


def request_passages(body: bytes) -> tuple[Passage, ...]:
    """Return the passages of a request: one for each message, one for each tool call, one for each other field with text."""
    document = _document(body)
    if document is None:
        return _raw(body)
    passages: list[Passage] = []
    for name, value in document.items():
        if name in _CONVERSATIONS and isinstance(value, list):
            for message in cast("list[object]", value):
                passages += _message(message)
        elif name not in _NOT_TEXT:
            passages += _joined(name, value)
    return tuple(passages)


def response_passages(body: bytes) -> tuple[Passage, ...]:
    """Return the passages of a response, streamed or not: answers, reasoning, refusals and tool calls of every choice."""
    document = _document(body)
    if document is None:
        return _stream(body)
    return tuple(_completion(document))


def _completion(document: Mapping[str, object]) -> Iterator[Passage]:
    for name, value in document.items():
        if name == "choices" and isinstance(value, list):
            for place, choice in enumerate(cast("list[object]", value)):
                gathered = _Gathered()
                gathered.add_choice(choice, place)
                yield from gathered.passages()
        elif name in _CONVERSATIONS and isinstance(value, list):
            for message in cast("list[object]", value):
                yield from _message(message)
        elif name not in _NOT_TEXT:
            yield from _joined(name, value)


def _stream(body: bytes) -> tuple[Passage, ...]:
    """Join the frames of an event stream; text that is in no frame is kept as it is."""
    gathered = _Gathered()
    others: list[tuple[str, object]] = []
    frames, loose = _frames(body)
    for data in frames:
        document = _document(data.encode("utf-8", "replace"))
        if document is None:
            loose.append(data)
            continue
        if gathered.add_event(document):
            continue
        for name, value in document.items():
            if name == "choices" and isinstance(value, list):
                for place, choice in enumerate(cast("list[object]", value)):
                    gathered.add_choice(choice, place)
            elif name not in _NOT_TEXT:
                others.append((name, value))
    unparsed = "\n".join(loose)
    return (*gathered.passages(), *gathered.not_said_yet(others), *([Passage("unparsed", unparsed)] if unparsed.strip() else []))


def _frames(body: bytes) -> tuple[list[str], list[str]]:
    """Return the data of each frame of an event stream (the last may be cut short), and the lines that belong to none."""
    frames: list[str] = []
    loose: list[str] = []
    frame: list[str] = []
    for line in [*body.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]:
        if line.startswith("data:"):
            frame.append(line[5:].removeprefix(" "))
        elif not line.strip():
            data, frame = "\n".join(frame), []
            if data.strip() not in {"", _DONE}:
                frames.append(data)
        elif not line.startswith((":", "event:", "id:", "retry:")):
            loose.append(line)
    return frames, loose


class _Gathered:
    """The strings of every choice, by where they stand; pieces of one string are joined in the order they came."""

    def __init__(self) -> None:
        self._pieces: dict[tuple[str, str], list[str]] = {}

    def add_choice(self, choice: object, place: int) -> None:
        number = place
        if isinstance(choice, dict):
            index = cast("dict[str, object]", choice).get("index")
            number = index if isinstance(index, int) else place
        source = f"answer {number + 1}"
        for path, text in _leaves(cast("object", choice)):
            # A delta and a whole message name the same things; their envelopes' names do not matter.
            field = ".".join(step for step in path if step not in {"delta", "message"})
            self._pieces.setdefault((source, field), []).append(text)

    def add_event(self, event: Mapping[str, object]) -> bool:
        """Take in an event that carries a piece of text; return whether it is one."""
        kind, delta = event.get("type"), event.get("delta")
        if not isinstance(kind, str) or not isinstance(delta, str | dict):
            return False
        place = next((value for name in _PLACES if isinstance(value := event.get(name), int)), 0)
        part = "".join(f".{value + 1}" for name in _PARTS if isinstance(value := event.get(name), int) and value)
        source = f"answer {place + 1}"
        if isinstance(delta, str):
            said = kind.removeprefix("response.").removesuffix(".delta")
            field = f"{'text' if said == 'output_text' else said}{part}"
            self._pieces.setdefault((source, field), []).append(delta)
            return True
        for path, text in _leaves(cast("object", delta)):
            field = ".".join("arguments" if step == "partial_json" else step for step in path) + part
            self._pieces.setdefault((source, field), []).append(text)
        return True

    def not_said_yet(self, others: Iterable[tuple[str, object]]) -> Iterator[Passage]:
        """Yield the texts of other fields that no piece has said, each once."""
        said = {"".join(pieces) for pieces in self._pieces.values()}
        for source, value in others:
            fresh = [text for _, text in _leaves(value) if text not in said]
            said.update(fresh)
            joined = "\n".join(fresh)
            if joined.strip():
                yield Passage(source, joined)

    def passages(self) -> Iterator[Passage]:
        for (source, field), pieces in self._pieces.items():
            name = source if field in {"content", "text"} else f"{source} {field.replace('.', ' ')}"
            joined = "".join(pieces)
            if field.endswith("arguments"):
                yield from _opened(name, joined)
            elif joined.strip():
                yield Passage(name, joined)


def _message(message: object) -> Iterator[Passage]:
    """Yield a message's own text as one passage (a sentence may be split over its parts), then its tool calls."""
    if not isinstance(message, dict):
        yield from _joined("message", message)
        return
    fields = cast("dict[str, object]", message)
    role = fields.get("role")
    source = role if isinstance(role, str) and role.isidentifier() else "message"
    plain: list[str] = []
    for path, text in _leaves(fields):
        if path[-1] == "arguments":
            yield from _opened(f"{source} tool call", text)
        else:
            plain.append(text)
    joined = "\n".join(plain)
    if joined.strip():
        yield Passage(source, joined)


def _joined(source: str, value: object) -> Iterator[Passage]:
    joined = "\n".join(text for _, text in _leaves(value))
    if joined.strip():
        yield Passage(source, joined)


def _opened(source: str, arguments: str) -> Iterator[Passage]:
    """Yield tool arguments as they stand, and the strings within them when escapes may hide their words."""
    if not arguments.strip():
        return
    yield Passage(source, arguments)
    if "\\" in arguments and (document := _document(arguments.encode("utf-8", "replace"))) is not None:
        yield from _joined(f"{source} (opened)", document)


def _leaves(value: object) -> list[tuple[tuple[str, ...], str]]:
    """Return every string below ``value`` that may be somebody's words, with the field names that lead to it."""
    found: list[tuple[tuple[str, ...], str]] = []
    # A stack, not recursion: bodies nest as deep as a stranger likes. It is filled backwards, so that order is kept.
    waiting: list[tuple[tuple[str, ...], object]] = [((), value)]
    while waiting:
        path, here = waiting.pop()
        if isinstance(here, str):
            found.append((path or ("text",), here))
        elif len(path) >= _DEEPEST:
            found.append(((*path, "deeper"), json.dumps(here, ensure_ascii=False)))
        elif isinstance(here, list):
            items = cast("list[object]", here)
            waiting += [((*path, *_numbered(item, place, path)), item) for place, item in reversed(list(enumerate(items)))]
        elif isinstance(here, dict):
            fields = cast("dict[str, object]", here)
            media = not _MEDIA.isdisjoint(path)
            waiting += [
                ((*path, name), item)
                for name, item in reversed(fields.items())
                if name not in _NOT_TEXT and not (media and isinstance(item, str) and name not in _MEDIA_TEXTS)
            ]
    return found


def _numbered(item: object, place: int, path: tuple[str, ...]) -> tuple[str, ...]:
    """Return what tells a list's items apart in a path: their own index if they say one; parts of one text share a place."""
    if path and path[-1] == "content":
        return ()
    if isinstance(item, dict):
        index = cast("dict[str, object]", item).get("index")
        if isinstance(index, int):
            place = index
    return (str(place + 1),)


def _document(body: bytes) -> dict[str, Any] | None:
    """Return a JSON object, or ``None`` when the body is none."""
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        value = _tolerated(body)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _tolerated(body: bytes) -> object:
    """Return what a body says that is not quite JSON, as a lenient reader takes it: bytes that are no UTF-8, halves of pairs."""
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _raw(body: bytes) -> tuple[Passage, ...]:
    text = body.decode("utf-8", "replace")
    return (Passage("unparsed", text),) if text.strip() else ()
