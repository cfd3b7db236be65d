"""What a recorded answer says, read with nothing but ``json``: the yardstick for the gateway's own readings.

Slow and plain on purpose. Texts are joined by the names that the published protocols give them; usage is looked up where they
put it; whether a stream was finished is told from its last events.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_CODED = frozenset({"encrypted_content", "signature", "partial_image_b64", "b64_json"})
_CHAT_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")
_RESPONSES_DELTAS = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.function_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
    "response.reasoning_summary_text.delta": "summary",
    "response.reasoning_text.delta": "reasoning",
    "response.code_interpreter_call_code.delta": "code",
    "response.mcp_call_arguments.delta": "mcp",
    "response.audio.transcript.delta": "transcript",
}
_MESSAGES_DELTAS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


class NotJson(Exception):
    """The answer is not what its surface answers with."""


Counts = tuple[int, int] | None
"""Prompt and completion tokens; ``None`` where the answer does not say."""


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says.

    Attributes:
        usage: What it counts.
        texts: Every text in it; where a stream says one again as a whole, it is there once more.
        volume: How many characters of text there are in it at most, each said once.
        finished: Whether a client can tell that nothing is missing.
        failed: Whether it says inside that it failed.
        without_usage: The answer without the chunks that carry nothing but usage.
    """

    usage: Counts
    texts: list[str]
    volume: int
    finished: bool
    failed: bool
    without_usage: bytes


def said(path: str, body: bytes, *, streamed: bool, choices: int) -> Said | None:
    """Return what an answer says; ``None`` where it is not JSON.

    Args:
        path: The surface's.
        body: The answer's.
        streamed: Whether it is a stream.
        choices: How many choices were asked for.
    """
    if path == "/audio/speech":
        return Said(usage=None, texts=[], volume=0, finished=True, failed=False, without_usage=body)
    try:
        return Said(
            usage=usage(path, body, streamed=streamed),
            texts=texts(path, body, streamed=streamed),
            volume=volume(path, body, streamed=streamed),
            finished=not streamed or finished(path, body, choices=choices),
            failed=reports_an_error(body, streamed=streamed),
            without_usage=without_usage_chunks(body) if streamed else body,
        )
    except NotJson:
        return None


def parsed(data: bytes) -> Any:
    """Return JSON as a value.

    Raises:
        NotJson: It is not JSON.
    """
    try:
        return json.loads(data)
    except ValueError:
        raise NotJson from None


def data_of(frame: bytes) -> bytes:
    """Return a frame's data, empty for a comment."""
    lines = re.split(rb"\r\n|\n|\r", frame.removeprefix(b"\xef\xbb\xbf"))
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))


@lru_cache(maxsize=2)
def events(stream: bytes) -> list[Any]:
    """Return every event of a stream as a value, ``[DONE]`` as that text.

    Raises:
        NotJson: One of them is not JSON.
    """
    found = [data_of(frame) for frame in re.split(rb"(?:\r\n){2,}|\n{2,}|\r{2,}", stream)]
    return ["[DONE]" if data == b"[DONE]" else parsed(data) for data in found if data.strip()]


def without_usage_chunks(stream: bytes) -> bytes:
    """Return a stream without the chunks that carry usage and no choice."""
    parts = re.split(rb"((?:\r\n){2,}|\n{2,}|\r{2,})", stream)
    kept = list[bytes]()
    for frame, end in zip(parts[::2], [*parts[1::2], b""], strict=True):
        data = data_of(frame)
        value = parsed(data) if data.startswith(b"{") else {}
        if not (value.get("choices") == [] and value.get("usage") is not None):
            kept += (frame, end)
    return b"".join(kept)


def usage(path: str, body: bytes, *, streamed: bool) -> Counts:
    """Return what the answer counts."""
    values = events(body) if streamed else [parsed(body)]
    values = [value for value in values if isinstance(value, dict)]
    match path:
        case "/responses":
            return _last([_counts(_inside(value, "response").get("usage"), "input_tokens", "output_tokens") for value in values])
        case "/messages":
            return _messages_usage(values)
        case "/messages/count_tokens":
            return 0, 0
        case "/images/generations":
            return _last([_counts(value.get("usage"), "input_tokens", "output_tokens") for value in values])
        case _:
            return _last([_counts(value.get("usage"), "prompt_tokens", "completion_tokens") for value in values])


def _last(found: list[Counts]) -> Counts:
    return next((counts for counts in reversed(found) if counts is not None), None)


def _inside(value: dict[str, Any], name: str) -> dict[str, Any]:
    inner = value.get(name, value)
    return inner if isinstance(inner, dict) else {}


def _counts(value: Any, prompt: str, completion: str) -> Counts:
    if not isinstance(value, dict) or not isinstance(value.get(prompt), int):
        return None
    return value[prompt], value.get(completion) or 0


def _messages_usage(values: list[dict[str, Any]]) -> Counts:
    """Return the most that was said: counts are cumulative, and what was done besides is listed as iterations."""
    prompts, completions = list[int](), list[int]()
    for value in values:
        said = _inside(value, "message").get("usage") or {}
        listed = said.get("iterations") or []
        prompts += [_prompt(said)] if "input_tokens" in said else []
        prompts.append(sum(map(_prompt, listed)))
        completions += [said.get("output_tokens") or 0, sum(one.get("output_tokens") or 0 for one in listed)]
    return (max(prompts), max(completions)) if any(prompts) else None


def _prompt(said: dict[str, Any]) -> int:
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return sum(said.get(name) or 0 for name in names)


# Whether a stream came to an end that its protocol knows.


def finished(path: str, body: bytes, *, choices: int) -> bool:
    """Return whether a client can tell that nothing is missing."""
    values = events(body)
    if "[DONE]" in values:
        return True
    kinds = {value.get("type") for value in values}
    match path:
        case "/responses":
            return bool(kinds & {"response.completed", "response.incomplete", "response.failed", "error"})
        case "/messages":
            return bool(kinds & {"message_stop", "error"})
        case _:
            ends = {
                choice.get("index", 0)
                for value in values
                for choice in value.get("choices") or ()
                if choice.get("finish_reason") is not None
            }
            return len(ends) >= choices or any(value.get("error") is not None for value in values)


def reports_an_error(body: bytes, *, streamed: bool) -> bool:
    """Return whether the answer says inside that it failed."""
    values = events(body) if streamed else [parsed(body)]
    return any(
        isinstance(value, dict)
        and (
            value.get("error") is not None or value.get("type") in ("error", "response.failed") or value.get("status") == "failed"
        )
        for value in values
    )


# Text: every text that a client would put together, whole.


def texts(path: str, body: bytes, *, streamed: bool) -> list[str]:
    """Return the texts of an answer."""
    values = [value for value in (events(body) if streamed else [parsed(body)]) if isinstance(value, dict)]
    joined: dict[Any, str] = defaultdict(str)
    for value in values:
        for channel, text in _parts(path, value, streamed=streamed):
            joined[channel] += text
    return [text for text in joined.values() if text]


def volume(path: str, body: bytes, *, streamed: bool) -> int:
    """Return how many characters of text there are in an answer at most, each said once."""
    values = [value for value in (events(body) if streamed else [parsed(body)]) if isinstance(value, dict)]
    if path == "/responses" and streamed:
        deltas = sum(_leaves(value.get("delta")) for value in values)
        whole = max((_leaves(_inside(value, "response").get("output")) for value in values), default=0)
        items = sum(_leaves(value.get("item")) for value in values if value.get("type") == "response.output_item.done")
        besides = sum(_leaves(value.get("annotation")) + _leaves(value.get("error")) for value in values)
        return max(deltas, whole, items) + besides + 200
    return sum(_leaves(value) for value in values)


def _leaves(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return sum(map(_leaves, value))
    if isinstance(value, dict):
        return sum(_leaves(item) for key, item in value.items() if key not in _CODED)
    return 0


def _parts(path: str, value: dict[str, Any], *, streamed: bool) -> Iterator[tuple[Any, str]]:
    match path:
        case "/chat/completions":
            for choice in value.get("choices") or ():
                yield from _chat(choice.get("index", 0), choice.get("delta" if streamed else "message") or {})
        case "/completions":
            for choice in value.get("choices") or ():
                yield choice.get("index", 0), choice.get("text") or ""
        case "/images/generations":
            for number, image in enumerate(value.get("data") or ()):
                yield number, image.get("revised_prompt") or ""
        case "/responses":
            yield from _responses(value)
        case "/messages":
            yield from _messages(value)
        case _:
            return


def _chat(index: int, said: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    for name in _CHAT_TEXTS:
        yield from _text_or_parts((index, name), said.get(name))
    yield (index, "transcript"), (said.get("audio") or {}).get("transcript") or ""
    yield (index, "function"), (said.get("function_call") or {}).get("arguments") or ""
    for position, call in enumerate(said.get("tool_calls") or ()):
        function: dict[str, Any] = call.get("function") or {}
        arguments: Any = function.get("arguments")
        yield (index, "tool", call.get("index", position)), arguments if isinstance(arguments, str) else ""


def _text_or_parts(channel: Any, value: Any) -> Iterator[tuple[Any, str]]:
    if isinstance(value, str):
        yield channel, value
    elif isinstance(value, list):
        for part in value:
            yield (channel, "part"), part.get("text") or ""
            yield from _text_or_parts((channel, "thinking"), part.get("thinking"))


def _responses(value: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    kind = _RESPONSES_DELTAS.get(value.get("type", ""))
    if kind is not None:
        where = tuple(value.get(name) for name in ("item_id", "output_index", "content_index", "summary_index"))
        yield (kind, *where), value["delta"]
    output: list[dict[str, Any]] = _inside(value, "response").get("output") or []
    for number, item in enumerate(output):
        channel = ("output", value.get("type"), number)
        for name in ("arguments", "input", "code"):
            if isinstance(item.get(name), str):
                yield (*channel, name), item[name]
        for name in ("content", "summary"):
            for place, part in enumerate(item.get(name) or ()):
                for text in ("text", "refusal"):
                    yield (*channel, name, place, text), part.get(text) or ""


def _messages(value: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    delta = value.get("delta") or {}
    name = _MESSAGES_DELTAS.get(delta.get("type", ""))
    if name is not None:
        yield (value.get("index"), name), delta.get(name) or ""
    blocks = [(value.get("index"), value.get("content_block") or {})]
    blocks += [(number, block) for number, block in enumerate(_inside(value, "message").get("content") or ())]
    for number, block in blocks:
        for text in ("text", "thinking"):
            yield (number, text), block.get(text) or ""
