"""Ends that are not the upstream's own, in the words of the responses API: a stream cut off, and an answer withheld.

A stream that is cut ends with an ``error`` event. Its members stand where the API has them, and again within ``error``, which is
where the official client looks before it raises. A stream that a screen stops ends as one does that the API itself filters: what
is open is closed as incomplete, with the text that was shown and no more, and ``response.incomplete`` says ``content_filter``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import msgspec

from headgate.gateway.wire.openai import body_of, told

if TYPE_CHECKING:
    from headgate.gateway.model import Refusal, Settings
    from headgate.gateway.wire.responses.texts import Texts

_ECHOED = (
    "id",
    "object",
    "created_at",
    "model",
    "background",
    "conversation",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "usage",
    "user",
)
"""Members of a response that carry nothing of what the model said; what is not here may."""
_UNSEEN: dict[str, Any] = {
    "id": "resp_withheld",
    "object": "response",
    "created_at": 0,
    "model": "",
    "parallel_tool_calls": False,
    "tool_choice": "auto",
    "tools": [],
}
"""Stands for a response of which nothing was shown, not even that it had begun."""


def cut_off(number: int, refusal: Refusal, settings: Settings, *, type_: str | None) -> bytes:
    """Return the ``error`` event that ends a stream.

    Args:
        number: Its sequence number.
        refusal: Why.
        settings: Where a person may turn.
        type_: What the error's type shall be, instead of the one that its kind has.
    """
    said = json.loads(body_of(refusal, settings, type_=type_))["error"]
    flat = {key: said[key] for key in ("code", "message", "param")}
    return _framed({"type": "error", "sequence_number": number, **flat, "error": said})


def emptied(response: Any, refusal: Refusal, settings: Settings) -> dict[str, Any]:
    """Return a response in the place of another, incomplete and without output."""
    given = cast("dict[str, Any]", response) if isinstance(response, dict) else {}
    return _incomplete({**_UNSEEN, **given}, [], refusal, settings)


def listed_nothing(refusal: Refusal, settings: Settings) -> bytes:
    """Return an empty list that says why it is empty."""
    empty: dict[str, Any] = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    return msgspec.json.encode({**empty, "headgate": told(refusal, settings)})


@dataclass(slots=True)
class _Item:
    """An output item that has been shown."""

    item: dict[str, Any]
    done: bool = False
    content: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    summary: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    closed: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])


class Shown:
    """What a client has been shown of a stream, as far as its end must fit it.

    Args:
        texts: The text that it was shown.
    """

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._response: dict[str, Any] | None = None
        self._items: dict[int, _Item] = {}

    def take(self, event: dict[str, Any]) -> None:
        """Take in an event."""
        kind: Any = event.get("type")
        response: Any = event.get("response")
        if isinstance(response, dict):
            self._response = cast("dict[str, Any]", response)
            return
        index: Any = event.get("output_index")
        if not isinstance(index, int):
            return
        match kind:
            case "response.output_item.added" | "response.output_item.done":
                item: Any = event.get("item")
                if isinstance(item, dict):
                    known = self._items.setdefault(index, _Item({}))
                    known.item = cast("dict[str, Any]", item)
                    known.done = kind == "response.output_item.done"
            case "response.content_part.added" | "response.content_part.done":
                self._part(index, "content", event.get("content_index"), event)
            case "response.reasoning_summary_part.added" | "response.reasoning_summary_part.done":
                self._part(index, "summary", event.get("summary_index"), event)
            case _:
                pass

    def ended(self, number: int, refusal: Refusal, settings: Settings) -> bytes:
        """Return the events that close what is open and end the stream.

        Args:
            number: The first one's sequence number.
            refusal: Why.
            settings: Where a person may turn.
        """
        events: list[dict[str, Any]] = []
        response = self._response
        if response is None:
            response = _UNSEEN
            events.append({"type": "response.created", "response": {**_UNSEEN, "status": "in_progress", "output": []}})
        output: list[dict[str, Any]] = []
        for index, known in sorted(self._items.items()):
            if not known.done:
                self._close(index, known, events)
            output.append(known.item)
        events.append({"type": "response.incomplete", "response": _incomplete(response, output, refusal, settings)})
        return b"".join([_framed({**event, "sequence_number": number + offset}) for offset, event in enumerate(events)])

    def _part(self, index: int, holder: str, part_index: Any, event: dict[str, Any]) -> None:
        known = self._items.get(index)
        part: Any = event.get("part")
        if known is None or not isinstance(part_index, int) or not isinstance(part, dict):
            return
        (known.content if holder == "content" else known.summary)[part_index] = cast("dict[str, Any]", part)
        if str(event.get("type")).endswith(".done"):
            known.closed.add((holder, part_index))

    def _close(self, index: int, known: _Item, events: list[dict[str, Any]]) -> None:
        """Close an item: each open part with the text that was shown of it, then the item itself."""
        where: dict[str, Any] = {"item_id": known.item.get("id"), "output_index": index}
        for at, part in sorted(known.summary.items()):
            if ("summary", at) not in known.closed:
                text = self._texts.at(f"{index}/summary/{at}/text")
                known.summary[at] = {**part, "text": text}
                place = {**where, "summary_index": at}
                events.append({"type": "response.reasoning_summary_text.done", **place, "text": text})
                events.append({"type": "response.reasoning_summary_part.done", **place, "part": known.summary[at]})
        for at, part in sorted(known.content.items()):
            if ("content", at) not in known.closed:
                known.content[at] = self._close_part(index, at, part, {**where, "content_index": at}, events)
        item = {**known.item, "status": "incomplete"}
        if known.content:
            item["content"] = [part for _, part in sorted(known.content.items())]
        if known.summary:
            item["summary"] = [part for _, part in sorted(known.summary.items())]
        for member in ("arguments", "input", "code"):  # of a call that is not finished, nobody is told that it is
            if isinstance(item.get(member), str):
                item[member] = self._texts.at(f"{index}/{member}")
        known.item = item
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})

    def _close_part(
        self, index: int, at: int, part: dict[str, Any], place: dict[str, Any], events: list[dict[str, Any]]
    ) -> dict[str, Any]:
        match part.get("type"):
            case "refusal":
                part = {**part, "refusal": self._texts.at(f"{index}/content/{at}/refusal")}
                events.append({"type": "response.refusal.done", **place, "refusal": part["refusal"]})
            case "reasoning_text":
                part = {**part, "text": self._texts.at(f"{index}/content/{at}/text")}
                events.append({"type": "response.reasoning_text.done", **place, "text": part["text"]})
            case "output_text":
                part = {**part, "text": self._texts.at(f"{index}/content/{at}/text")}
                events.append({"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []})
            case _:
                pass
        events.append({"type": "response.content_part.done", **place, "part": part})
        return part


def _incomplete(response: dict[str, Any], output: list[dict[str, Any]], refusal: Refusal, settings: Settings) -> dict[str, Any]:
    return {
        **{key: response[key] for key in _ECHOED if key in response},
        "status": "incomplete",
        "error": None,
        "incomplete_details": {"reason": "content_filter"},
        "output": output,
        "headgate": told(refusal, settings),
    }


def _framed(event: dict[str, Any]) -> bytes:
    return b"event: " + event["type"].encode() + b"\ndata: " + msgspec.json.encode(event) + b"\n\n"
