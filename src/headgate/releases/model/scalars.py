"""Quantities and names as a plan writes them, each with one reader, one spelling and one line of JSON Schema.

A reader takes what people write (``50k``, ``14d``, ``30/min``, ``1.0e-3``) or a value that is already typed, and says in
one sentence what is wrong otherwise. The spelling written back is exact, so that a plan read from its canonical form is
the same plan.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from enum import Enum
from operator import not_
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, Strict, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from headgate.kernel.units import Rate, parse_count, parse_rate, parse_span

MOST = 10**15
"""The largest count a plan may state; sums of many such still fit 64 bits."""

LEAST_CHANCE = 1e-9
"""The smallest rate that a gate may state: showing it already takes more than three thousand million labels."""

SENTENCE = r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*$"
"""Words for people hold nothing that moves a cursor, colours a screen or turns the direction of reading."""


class Everything(Enum):
    """Every exchange is drawn, not a sample."""

    ALL = "all"


_URL_SCHEMES = ("http", "https")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def _wrong(code: Literal["count", "span", "rate", "share", "use", "url", "digest"], what: str, fix: str) -> PydanticCustomError:
    return PydanticCustomError("plan_" + code, "{what}", {"what": what, "fix": fix})


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`" if len(text) <= 40 else f"`{text[:40]}…`"  # noqa: PLR2004 - a message stays on one line


def read_count(value: Any) -> int:
    """Read a count such as ``40``, ``50k`` or ``1.5M``.

    Raises:
        PydanticCustomError: It is not one, is negative, is not whole, or is larger than ``MOST``.
    """
    fix = "write a whole number such as 40, 50k or 1.5M"
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _wrong("count", f"not a count: {_shown(value)}", fix)
    if str(value).startswith("-"):
        raise _wrong("count", f"a count cannot be negative: {_shown(value)}", fix)
    try:
        count = parse_count(value)
    except ValueError:
        raise _wrong("count", f"not a count: {_shown(value)}", fix) from None
    if count > MOST:
        raise _wrong("count", f"larger than any count a plan may state: {_shown(value)}", "write at most 1000000G")
    return count


def read_positive(value: Any) -> int:
    """Read a count that is one or more.

    Raises:
        PydanticCustomError: It is not one.
    """
    count = read_count(value)
    if count == 0:
        raise _wrong(
            "count", "a count of zero says nothing here", "write one or more, or leave the key out if it may be left out"
        )
    return count


def read_span(value: Any) -> timedelta:
    """Read a span of whole seconds such as ``15m``, ``14d`` or ``2w``.

    Raises:
        PydanticCustomError: It is not one, is shorter than a second, or is longer than a century.
    """
    fix = "write a number and a unit: 30s, 15m, 6h, 14d or 2w"
    if isinstance(value, timedelta):
        span = value
    elif isinstance(value, bool) or not isinstance(value, str):
        bare = isinstance(value, int | float) and not isinstance(value, bool)
        raise _wrong(
            "span", f"a span of time needs a unit: {_shown(value)}" if bare else f"not a span of time: {_shown(value)}", fix
        )
    elif value.startswith("-"):
        raise _wrong("span", f"a span of time cannot be negative: {_shown(value)}", fix)
    else:
        try:
            span = parse_span(value)
        except ValueError:
            raise _wrong("span", f"not a span of time, or longer than a century: {_shown(value)}", fix) from None
    if span < timedelta(seconds=1) or span.microseconds:
        raise _wrong("span", f"a span of time is one or more whole seconds, not {_shown(value)}", fix)
    return span


def read_rate(value: Any) -> Rate:
    """Read a rate such as ``30/min`` or ``200k/day``.

    Raises:
        PydanticCustomError: It is not one.
    """
    fix = "write a count per span: 30/min, 200k/day, 400/week or 10/15m"
    if isinstance(value, Rate):
        return value
    if isinstance(value, bool) or not isinstance(value, str):
        bare = isinstance(value, int | float) and not isinstance(value, bool)
        raise _wrong("rate", f"a rate needs a span: {_shown(value)}" if bare else f"not a rate: {_shown(value)}", fix)
    if value.startswith("-"):
        raise _wrong("rate", f"a rate cannot be negative: {_shown(value)}", fix)
    try:
        rate = parse_rate(value)
    except ValueError:
        raise _wrong("rate", f"not a rate: {_shown(value)}", fix) from None
    if rate.count == 0:
        raise _wrong("rate", f"a rate of zero says nothing here: {_shown(value)}", "write one or more per span")
    if rate.count > MOST or rate.per_s > MOST:
        raise _wrong("rate", f"larger than any rate a plan may state: {_shown(value)}", fix)
    return rate


def read_sample(value: Any) -> Rate | Everything:
    """Read a rate, or the word ``all``.

    Raises:
        PydanticCustomError: It is neither.
    """
    return Everything.ALL if value in ("all", Everything.ALL) else read_rate(value)


def read_share(value: Any) -> float:
    """Read a share or probability strictly between 0 and 1, or 1 itself.

    Raises:
        PydanticCustomError: It is not one.
    """
    fix = "write a number above 0 and at most 1, such as 1.0e-3"
    if isinstance(value, str) and value.endswith("%"):
        raise _wrong("share", f"a share is written as a number, not in percent: {_shown(value)}", fix)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong("share", f"not a share: {_shown(value)}", fix)
    if not (math.isfinite(value) and 0 < value <= 1):
        raise _wrong("share", f"a share lies above 0 and at most at 1: {_shown(value)}", fix)
    return float(value)


def read_chance(value: Any) -> float:
    """Read a rate or an error probability that a test is made for: strictly between 0 and 1, and not vanishing.

    Raises:
        PydanticCustomError: It is not one.
    """
    share = read_share(value)
    if not LEAST_CHANCE <= share < 1:
        raise _wrong(
            "share",
            f"no labels could ever decide this: {_shown(value)}",
            f"write a number from {LEAST_CHANCE} up to, not including, 1",
        )
    return share


def read_use(value: Any) -> float:
    """Read requests per seat per day, as a number or as a rate.

    Raises:
        PydanticCustomError: It is neither, or is not above zero.
    """
    fix = "write requests per seat per day: 20, 0.5 or 140/week"
    if isinstance(value, str):
        try:
            value = parse_rate(value).per_day()
        except ValueError:
            raise _wrong("use", f"not an expected use: {_shown(value)}", fix) from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and 0 < value <= MOST):
        raise _wrong("use", f"not an expected use: {_shown(value)}", fix)
    return float(value)


def read_url(value: Any) -> str:
    """Read the address of a model server.

    Raises:
        PydanticCustomError: It is not an http(s) address, carries a credential, or carries a query.
    """
    fix = "write the address up to and including its version, such as http://127.0.0.1:8000/v1"
    if not isinstance(value, str):
        raise _wrong("url", f"not an address: {_shown(value)}", fix)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise _wrong("url", f"not an address: {_shown(value)}", fix) from None
    if parts.scheme not in _URL_SCHEMES or not parts.hostname or port == 0 or re.search(r"\s", value):
        raise _wrong("url", f"not an http or https address: {_shown(value)}", fix)
    if parts.username is not None or parts.password is not None:
        raise _wrong("url", "the address carries a credential", "name the variable that holds the key in api_key_env")
    if parts.query or parts.fragment:
        raise _wrong("url", "the address carries a query or a fragment", fix)
    return value.rstrip("/")


def read_digest(value: Any) -> str:
    """Read ``sha256:`` with 64 hex digits.

    Raises:
        PydanticCustomError: It is not one.
    """
    if not isinstance(value, str) or _DIGEST.fullmatch(value) is None:
        raise _wrong(
            "digest", f"not a digest: {_shown(value)}", "write sha256: and 64 lower-case hex digits, as sha256sum prints them"
        )
    return value


def spell_span(span: timedelta) -> str:
    """Return the exact spelling of a span: ``1209600s``."""
    return f"{span // timedelta(seconds=1)}s"


def spell_rate(rate: Rate) -> str:
    """Return the exact spelling of a rate: ``200000/86400s``."""
    return f"{rate.count}/{rate.per_s}s"


def spell_sample(sample: Rate | Everything) -> str:
    """Return the exact spelling of a sample."""
    return spell_rate(sample) if isinstance(sample, Rate) else sample.value


_SPAN_PATTERN = r"^[0-9]+(\.[0-9]+)?(s|sec|second|m|min|minute|h|hour|d|day|w|week)$"
_RATE_PATTERN = r"^[0-9][0-9_,]*(\.[0-9]+)?[kMG]?/([0-9]+(\.[0-9]+)?)?(s|sec|second|m|min|minute|h|hour|d|day|w|week)$"

Count = Annotated[
    int,
    BeforeValidator(read_count),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^[0-9][0-9_,]*(\.[0-9]+)?[kMG]?$"}],
            "description": "A count: 40, 50k, 1.5M.",
        }
    ),
]
Positive = Annotated[
    int,
    BeforeValidator(read_positive),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^[0-9][0-9_,]*(\.[0-9]+)?[kMG]?$"}],
            "description": "A count of one or more: 40, 50k, 1.5M.",
        }
    ),
]
Span = Annotated[
    timedelta,
    BeforeValidator(read_span),
    PlainSerializer(spell_span, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _SPAN_PATTERN, "description": "A span of time: 15m, 6h, 14d, 2w."}),
]
RatePer = Annotated[
    Rate,
    BeforeValidator(read_rate),
    PlainSerializer(spell_rate, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _RATE_PATTERN, "description": "A count per span: 30/min, 200k/day."}),
]
Sample = Annotated[
    Rate | Everything,
    PlainValidator(read_sample),
    PlainSerializer(spell_sample, return_type=str),
    WithJsonSchema(
        {
            "anyOf": [{"const": "all"}, {"type": "string", "pattern": _RATE_PATTERN}],
            "description": "Exchanges drawn for review: 400/week, or all.",
        }
    ),
]
Share = Annotated[
    float,
    BeforeValidator(read_share),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1, "description": "A share: 1.0e-3."}),
]
Chance = Annotated[
    float,
    BeforeValidator(read_chance),
    WithJsonSchema(
        {"type": "number", "minimum": LEAST_CHANCE, "exclusiveMaximum": 1, "description": "A rate to be tested: 1.0e-3."}
    ),
]
PerSeatDay = Annotated[
    float,
    BeforeValidator(read_use),
    WithJsonSchema(
        {
            "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": _RATE_PATTERN}],
            "description": "Requests per seat per day: 20, or 140/week.",
        }
    ),
]
Url = Annotated[
    str,
    BeforeValidator(read_url),
    WithJsonSchema({"type": "string", "pattern": r"^https?://[^\s?#]+$", "description": "The address of a model server."}),
]
Sha256 = Annotated[
    str,
    BeforeValidator(read_digest),
    WithJsonSchema({"type": "string", "pattern": r"^sha256:[0-9a-f]{64}$", "description": "A digest."}),
]
Flag = Annotated[bool, Strict()]
"""A truth value, written ``true`` or ``false`` and in no other way."""
LaterFlag = Annotated[Flag, Field(exclude_if=not_)]
"""A truth value that older plans could not have: what is false stays out of the canonical form, so that their digests stand."""
Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
"""A word of the plan's own: a stage, a cohort, a hazard."""
ModelName = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$")]
"""What a client puts in ``model``."""
Variable = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
"""An environment variable's name."""
Mitigation = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9_.-]{0,62}@[A-Za-z0-9._-]{1,32}$")]
"""A mitigation and its version: ``input-screen@3``."""
Sentence = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=500, pattern=SENTENCE)]
"""Words for people."""
