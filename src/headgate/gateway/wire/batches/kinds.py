"""What kinds of calls a scanned batch file holds, as it is remembered: enough to decide about all its rows again, unread.

Rows that a decision cannot tell apart are one kind. A kind keeps the most that any of its rows asks for, so what is admitted
of the kind is admitted of each row.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from headgate.gateway.decide import still_admits
from headgate.gateway.model import Call, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from headgate.gateway.model import Admitted


@dataclass(frozen=True, slots=True)
class Kind:
    """Rows of one kind.

    Attributes:
        surface: The way in that they ask.
        capabilities: Every right that they make use of, sorted.
        output_tokens: Most completion tokens that any of them allows; ``None`` where they set no bound.
        choices: Most answers that any of them asks for.
        turns: Most user messages in any of them.
        scannable: Whether an output screen can read all of their answers.
        stripped: What was taken out of them, sorted.
        output_cap: The bound that was set on their answers.
        rows: How many there are.
        reserved_tokens: What they may cost together.
    """

    surface: str
    capabilities: tuple[str, ...]
    output_tokens: int | None
    choices: int
    turns: int
    scannable: bool
    stripped: tuple[str, ...]
    output_cap: int | None
    rows: int
    reserved_tokens: int

    def call(self, model: str, *, client_ip: str | None) -> Call:
        """Return the call that asks for the most of them."""
        return Call(
            surface=self.surface,
            model=model,
            stream=False,
            capabilities=frozenset(self.capabilities),
            input_tokens=1,
            output_tokens=self.output_tokens,
            choices=self.choices,
            turns=self.turns,
            client_ip=client_ip,
            scannable=self.scannable,
        )


class Kinds:
    """Gathers the kinds of a file's rows."""

    def __init__(self) -> None:
        self._found: dict[tuple[Any, ...], Kind] = {}

    def add(self, call: Call, admitted: Admitted) -> None:
        """Take in a row that was admitted."""
        capabilities = tuple(sorted(call.capabilities))
        bounded = call.output_tokens is not None
        key = (call.surface, capabilities, bounded, call.scannable, admitted.stripped, admitted.output_cap)
        known = self._found.get(key)
        self._found[key] = Kind(
            surface=call.surface,
            capabilities=capabilities,
            output_tokens=max(call.output_tokens or 0, (known.output_tokens or 0) if known else 0) if bounded else None,
            choices=max(call.choices, known.choices if known else 0),
            turns=max(call.turns, known.turns if known else 0),
            scannable=call.scannable,
            stripped=admitted.stripped,
            output_cap=admitted.output_cap,
            rows=1 + (known.rows if known else 0),
            reserved_tokens=admitted.reserved_tokens + (known.reserved_tokens if known else 0),
        )

    def all(self) -> tuple[Kind, ...]:
        """Return the kinds that were found."""
        return tuple(self._found.values())


def written(kinds: Iterable[Kind]) -> list[dict[str, Any]]:
    """Return kinds as JSON values, for a stored object's detail."""
    return [asdict(kind) for kind in kinds]


def remembered(detail: Mapping[str, Any]) -> tuple[Kind, ...]:
    """Return the kinds that a stored object's detail holds; none where it holds none."""
    values = cast("Sequence[dict[str, Any]]", detail.get("kinds", ()))
    return tuple(replace(Kind(**value), **{key: tuple(value[key]) for key in ("capabilities", "stripped")}) for value in values)


def refused_now(
    kinds: Iterable[Kind], model: str, judge: Callable[[Call], Admitted | Refusal], *, client_ip: str | None
) -> Refusal | None:
    """Return why rows of these kinds would not be admitted now as they were sent up, or ``None``.

    Args:
        kinds: What the rows ask for.
        model: The model that they name.
        judge: Decides.
        client_ip: Where the one who asks now comes from.
    """
    for kind in kinds:
        call = kind.call(model, client_ip=client_ip)
        now = judge(call)
        if isinstance(now, Refusal):
            return now
        refusal = still_admits(replace(now, stripped=kind.stripped, output_cap=kind.output_cap), call, now)
        if refusal is not None:
            return refusal
    return None
