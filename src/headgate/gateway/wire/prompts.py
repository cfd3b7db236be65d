"""What a model is given to read, where an API takes it in several shapes: text, several texts, token numbers, parts of a kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from headgate.gateway.errors import WrongType
from headgate.gateway.wire.fields import TOKENS_PER_MEDIUM, strings

_PARTS = {"image_url": "image_input", "input_image": "image_input", "input_audio": "audio_input", "file": "file_input"}


@dataclass(frozen=True, slots=True)
class Prompts:
    """Several prompts, of which it is known what they are.

    Attributes:
        count: How many there are.
        capabilities: The rights that their kinds need.
        opaque_bytes: How much of the body they take up without being prose.
        opaque_tokens: What that is taken to be in tokens.
    """

    count: int = 1
    capabilities: frozenset[str] = frozenset()
    opaque_bytes: int = 0
    opaque_tokens: int = 0


def prompts(value: Any, *, param: str) -> Prompts:
    """Return what a field holds that is given to a model.

    Args:
        value: The field's value; ``None`` for one that is absent, which stands for one empty prompt.
        param: What the field is called.

    Raises:
        WrongType: It cannot be a prompt.
    """
    if value is None or isinstance(value, str):
        return Prompts()
    if not isinstance(value, list):
        return _together([_prompt(value, param)])
    elements = cast("list[Any]", value)
    if not elements:
        raise WrongType(f"{param} must not be empty.", param=param)
    if _are_tokens(elements):
        return _together([_prompt(elements, param)])
    return _together([_prompt(element, param) for element in elements])


def _together(several: list[Prompts]) -> Prompts:
    return Prompts(
        sum(each.count for each in several),
        frozenset[str]().union(*(each.capabilities for each in several)),
        sum(each.opaque_bytes for each in several),
        sum(each.opaque_tokens for each in several),
    )


def _prompt(value: Any, param: str) -> Prompts:
    if isinstance(value, str):
        return Prompts()
    if isinstance(value, dict):
        kind: Any = cast("dict[str, Any]", value).get("type")
        if kind == "text":
            return Prompts()
        size = sum(len(text) for text in strings(cast("dict[str, Any]", value)))
        # A kind of part that no capability names is a right that no stage gives.
        return Prompts(1, frozenset({_PARTS.get(str(kind), "other_input")}), size, TOKENS_PER_MEDIUM)
    tokens = cast("list[Any]", value) if isinstance(value, list) else [value]
    if not _are_tokens(tokens):
        raise WrongType(f"{param} must be text, or token numbers, or an array of either.", param=param)
    # A number takes up its digits and the comma behind them.
    return Prompts(1, frozenset({"token_input"}), sum(len(str(token)) + 1 for token in tokens), len(tokens))


def _are_tokens(values: list[Any]) -> bool:
    return all(isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 for value in values)
