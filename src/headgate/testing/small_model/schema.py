"""A value for a JSON schema: the arguments of a tool call, or an answer that must have a given form.

The common part of JSON Schema is honoured (types, properties, required, enum, const, bounds, items, local references,
alternatives); what is not known is ignored, so a value may miss a rare constraint. Optional properties are given too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from headgate.testing.small_model.ngrams import Draws

_WORDS = ("river", "gate", "bank", "bridge", "field", "mill", "road", "valley", "water", "willow")
_DATES = {"date": "2026-03-01", "date-time": "2026-03-01T12:00:00Z", "time": "12:00:00Z"}
_FORMATS = {
    **_DATES,
    "email": "keeper@canal.example",
    "uri": "https://canal.example/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "canal.example",
}
_DEEPEST = 12
_MOST_ITEMS = 2
_LONGEST_ARRAY = 64


def value_for(schema: Any, draws: Draws) -> Any:
    """Return a value that the schema admits.

    Args:
        schema: A decoded JSON schema; anything else admits anything.
        draws: What decides between equals.
    """
    return _value(schema, draws, schema, 0)


def _value(schema: Any, draws: Draws, whole: Any, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return None
    schema = cast("dict[str, Any]", schema)
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][draws.below(len(schema["enum"]))]
    if (target := _referred(schema.get("$ref"), whole)) is not None:
        return _value(target, draws, whole, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(key), list) and schema[key]:
            return _value(schema[key][0], draws, whole, depth + 1)
    return _of_type(_type(schema), schema, draws, whole, depth)


def _of_type(kind: str, schema: dict[str, Any], draws: Draws, whole: Any, depth: int) -> Any:
    value: Any = None
    match kind:
        case "object":
            properties = schema.get("properties")
            named = cast("dict[str, Any]", properties) if isinstance(properties, dict) else {}
            value = {name: _value(inner, draws, whole, depth + 1) for name, inner in named.items()}
        case "array":
            items = schema.get("items", {"type": "string"})
            value = [_value(items, draws, whole, depth + 1) for _ in range(_count(schema))]
        case "integer":
            low, high = _bounds(schema)
            low, high = math.ceil(low), math.floor(high)
            value = low + draws.below(max(1, min(high - low + 1, 1 << 30)))
        case "number":
            low, high = _bounds(schema)
            value = round(low + (high - low) * (1 + draws.below(98)) / 100, 6)
        case "boolean":
            value = draws.below(2) == 1
        case "null":
            pass
        case _:
            value = _string(schema, draws)
    return value


def _count(schema: dict[str, Any]) -> int:
    """Return how many items an array gets."""
    most = int(_number(schema.get("maxItems"), _MOST_ITEMS))
    least = int(_number(schema.get("minItems"), min(1, most)))
    return min(max(least, min(_MOST_ITEMS, most)), _LONGEST_ARRAY)


def _type(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        return next((each for each in cast("list[Any]", kind) if isinstance(each, str) and each != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "string"


def _bounds(schema: dict[str, Any]) -> tuple[float, float]:
    low = _number(schema.get("minimum"), _number(schema.get("exclusiveMinimum"), -math.inf) + 1)
    high = _number(schema.get("maximum"), _number(schema.get("exclusiveMaximum"), math.inf) - 1)
    if math.isinf(low):
        low = 0 if math.isinf(high) or high > 0 else high - 100
    return low, max(low, low + 100 if math.isinf(high) else high)


def _number(value: Any, default: float) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else default


def _string(schema: dict[str, Any], draws: Draws) -> str:
    if (text := _FORMATS.get(str(schema.get("format")))) is not None:
        return text
    text = _WORDS[draws.below(len(_WORDS))]
    least, most = int(_number(schema.get("minLength"), 0)), int(_number(schema.get("maxLength"), 1000))
    while len(text) < min(least, 1000):
        text += " " + _WORDS[draws.below(len(_WORDS))]
    return text[: max(most, least)]


def _referred(reference: Any, whole: Any) -> Any:
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found = whole
    for step in filter(None, reference.removeprefix("#").split("/")):
        if not isinstance(found, dict) or step not in found:
            return None
        found = cast("dict[str, Any]", found)[step]
    return found
