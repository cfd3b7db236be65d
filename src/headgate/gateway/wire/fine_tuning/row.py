"""One row of a file for fine-tuning: what a model is to learn from, and everything in it that can be read.

Four shapes are published: conversations, prompts with completions, preferences between two answers, and conversations that a
grader judges, which may carry fields of their own. All text of a row is looked at, whatever the field that it stands in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from headgate.gateway.errors import RowMalformed
from headgate.gateway.wire.document import read
from headgate.gateway.wire.fields import strings, without_surrogates
from headgate.gateway.wire.jsonl import at_line
from headgate.kernel.errors import HeadgateError

if TYPE_CHECKING:
    from headgate.gateway.wire.document import Document

_MEDIA = {"image_url": "image_input", "input_image": "image_input", "input_audio": "audio_input", "file": "file_input"}
_NOT_PROSE = frozenset({"role", "type", "id", "tool_call_id", *_MEDIA})
_TEXT = frozenset({"text", "refusal", "input_text", "output_text"})
_SHAPES = "A row is {messages}, {prompt, completion}, or {input, preferred_output, non_preferred_output}."


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """A row as it was read.

    Attributes:
        texts: Everything in it that a model would read as prose.
        capabilities: Rights that it makes use of.
    """

    texts: list[str]
    capabilities: frozenset[str]


def read_training_row(line: bytes, number: int) -> TrainingRow:
    """Read a row.

    Args:
        line: The line, without its end.
        number: Which line it is, from 1.

    Raises:
        RowMalformed: It is not a row of any shape.
    """
    try:
        document = read(line)
    except HeadgateError as error:
        raise at_line(number, error) from None
    capabilities = _capabilities(document, number)
    members = {key: member.value for key, member in document.members.items()}
    texts = [without_surrogates(text) for text in strings(members, passing_over=_NOT_PROSE)]
    return TrainingRow(texts, capabilities)


def _capabilities(document: Document, number: int) -> frozenset[str]:
    if "messages" in document.members:
        return _messages(document.value("messages"), number, "messages")
    if isinstance(document.value("prompt"), str) and isinstance(document.value("completion"), str):
        return frozenset()
    if "preferred_output" in document.members:
        found: set[str] = set()
        for key in ("preferred_output", "non_preferred_output"):
            found |= _messages(document.value(key), number, key)
        given = document.value("input")
        if not isinstance(given, dict):
            raise _malformed(number, "input must be an object with messages")
        return frozenset(found | _messages(cast("dict[str, Any]", given).get("messages"), number, "input.messages"))
    raise _malformed(number, "it has none of the shapes that a row may have")


def _messages(messages: Any, number: int, where: str) -> frozenset[str]:
    if not isinstance(messages, list) or not messages:
        raise _malformed(number, f"{where} must be a non-empty array")
    found: set[str] = set()
    for message in cast("list[Any]", messages):
        if not isinstance(message, dict) or not isinstance(cast("dict[str, Any]", message).get("role"), str):
            raise _malformed(number, f"{where} must hold objects with a role")
        content = cast("dict[str, Any]", message).get("content")
        if content is not None and not isinstance(content, str | list):
            raise _malformed(number, f"a content in {where} must be a string or an array")
        for part in cast("list[Any]", content) if isinstance(content, list) else []:
            kind = cast("dict[str, Any]", part).get("type") if isinstance(part, dict) else None
            if not isinstance(kind, str):
                raise _malformed(number, f"a content part in {where} must be an object with a type")
            if kind not in _TEXT:
                found.add(_MEDIA.get(kind, "other_input"))
    return frozenset(found)


def _malformed(number: int, what: str) -> RowMalformed:
    return RowMalformed(f"Line {number}: {what}.", rule="fine-tuning row", help=_SHAPES)
