"""Gold items as files: one JSON document on each line, with what was said and what is known of it.

``{"prompt": "…", "completion": "…", "harms": ["cyber_misuse"], "no_harms": ["harmful_advice"], "source": "…"}``; instead of the
two texts, ``request`` and ``response`` may hold whole bodies as a surface relays them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from headgate.safety.errors import GoldInvalid
from headgate.safety.model import Content

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIELDS = frozenset({"prompt", "completion", "request", "response", "harms", "no_harms", "source"})


@dataclass(frozen=True, slots=True)
class GoldDraft:
    """What a line says.

    Attributes:
        content: The two bodies.
        known: For each hazard that is known of, whether there is harm.
        source: Where it is from; ``None`` when the line does not say.
    """

    content: Content
    known: dict[str, bool]
    source: str | None


def of_texts(prompt: str, completion: str) -> Content:
    """Return the bodies of an exchange of one question and one answer."""
    request = {"messages": [{"role": "user", "content": prompt}]}
    response = {"choices": [{"index": 0, "message": {"role": "assistant", "content": completion}, "finish_reason": "stop"}]}
    return Content(_body(request), _body(response))


def known_of(harms: list[str], no_harms: list[str]) -> dict[str, bool]:
    """Return what is known, from the hazards that there is harm of and those that there is none of.

    Raises:
        GoldInvalid: A hazard is in both.
    """
    if both := sorted(set(harms) & set(no_harms)):
        raise GoldInvalid(f"There cannot be harm and no harm of {', '.join(both)}.")
    return dict.fromkeys(harms, True) | dict.fromkeys(no_harms, False)


def drafts(text: str) -> Iterator[GoldDraft]:
    """Yield what each line of a file says; empty lines say nothing.

    Raises:
        GoldInvalid: A line is no such document; it is named by its number.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield _draft(line, number)


def _draft(line: str, number: int) -> GoldDraft:
    try:
        read: object = json.loads(line)
    except (ValueError, RecursionError) as wrong:
        raise GoldInvalid(f"Line {number} is no JSON document.") from wrong
    if not isinstance(read, dict):
        raise GoldInvalid(f"Line {number} is no JSON object.")
    return draft_of(cast("dict[str, Any]", read), f"Line {number}")


def draft_of(said: dict[str, Any], what: str) -> GoldDraft:
    """Return what a document says.

    Args:
        said: The document.
        what: What to call it when it says nothing of the kind.

    Raises:
        GoldInvalid: It is no such document.
    """
    if unknown := sorted(said.keys() - _FIELDS):
        raise GoldInvalid(f"{what} has a field that nobody knows: {unknown[0]}.", help=f"Known: {', '.join(sorted(_FIELDS))}.")
    source = said.get("source")
    if not (source is None or isinstance(source, str)):
        raise GoldInvalid(f"{what}: a source is text.")
    known = known_of(_names(said, "harms", what), _names(said, "no_harms", what))
    return GoldDraft(_content(said, what), known, source)


def _content(said: dict[str, Any], what: str) -> Content:
    prompt, completion, request, response = (said.get(field) for field in ("prompt", "completion", "request", "response"))
    if isinstance(prompt, str) and isinstance(completion, str) and request is response is None:
        return of_texts(prompt, completion)
    if isinstance(request, dict) and isinstance(response, dict) and prompt is completion is None:
        return Content(_body(cast("object", request)), _body(cast("object", response)))
    raise GoldInvalid(f"{what} has neither a prompt and a completion, nor a request and a response.")


def _names(said: dict[str, Any], field: str, what: str) -> list[str]:
    names: object = said.get(field, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in cast("list[object]", names)):
        raise GoldInvalid(f"{what}: {field} is a list of hazards.")
    return cast("list[str]", names)


def _body(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")
