"""Failing on request, the way model servers fail, so that whoever stands in front of one can be tested.

The header ``x-small-model-fault`` asks for it, or the request's ``metadata`` under the same name, for callers whose headers
do not reach the server. Several are joined by commas: ``slow=1.5,close-early=3``.

============== ======================================================================================================
``status=503``  Answer with this status and an error in the form of OpenAI.
``slow=2.5``    Wait so many seconds before the first byte.
``garbage``     Answer 200 with bytes that are neither JSON nor a stream.
``close-early`` Close the connection in the middle: after ``close-early=3`` events of a stream (one when no number is
                given), or half-way through a body.
``stall``       Say nothing more, without closing, until the caller hangs up: after ``stall=3`` events of a stream (none
                when no number is given), or before the body.
============== ======================================================================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from headgate.testing.small_model.request import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "x-small-model-fault"

_LONGEST_S = 3600.0
_LEAST_ERROR, _MOST_ERROR = 400, 599


@dataclass(frozen=True, slots=True)
class Fault:
    """How to fail.

    Attributes:
        status: The status to answer with; ``None`` to answer.
        slow_s: Seconds to wait before the first byte.
        garbage: Whether to answer with nonsense.
        close_after: Events after which the connection is closed; ``None`` for never.
        stall_after: Events after which nothing more is said; ``None`` for never.
    """

    status: int | None = None
    slow_s: float = 0.0
    garbage: bool = False
    close_after: int | None = None
    stall_after: int | None = None


NONE = Fault()


def parse(text: str) -> Fault:
    """Read what is asked for.

    Raises:
        Rejected: It is not one of the faults.
    """
    fault = NONE
    for word in filter(None, (word.strip() for word in text.split(","))):
        name, _, value = word.partition("=")
        try:
            fault = replace(fault, **_FAULTS[name](value))
        except (KeyError, ValueError) as wrong:
            raise Rejected(f"There is no fault {word!r}.", param=NAME) from wrong
    return fault


def _status(value: str) -> int:
    status = int(value)
    if not _LEAST_ERROR <= status <= _MOST_ERROR:
        raise ValueError(value)
    return status


def _seconds(value: str) -> float:
    seconds = float(value)
    if not math.isfinite(seconds) or not 0 <= seconds <= _LONGEST_S:
        raise ValueError(value)
    return seconds


def _count(value: str, default: int) -> int:
    count = int(value or default)
    if count < 0:
        raise ValueError(value)
    return count


def _nothing(value: str) -> bool:
    if value:
        raise ValueError(value)
    return True


_FAULTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "status": lambda value: {"status": _status(value)},
    "slow": lambda value: {"slow_s": _seconds(value)},
    "garbage": lambda value: {"garbage": _nothing(value)},
    "close-early": lambda value: {"close_after": _count(value, 1)},
    "stall": lambda value: {"stall_after": _count(value, 0)},
}
