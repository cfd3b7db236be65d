"""RE2, typed: a set of patterns matched in one pass, in time linear in the text.

Case is ignored and a dot matches anything. RE2 has no look-around and no back-reference, so no text can make a pattern run away.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import re2

if TYPE_CHECKING:
    from collections.abc import Sequence

_re2 = cast("Any", re2)

_MAX_MEMORY_BYTES = 128 << 20
"""What a set's automaton may grow to. A set that does not fit matches nothing without saying so: whoever builds one tries it."""


class PatternInvalid(ValueError):
    """RE2 cannot compile the pattern; the message says why."""


class PatternSet:
    """Several patterns, tried at once.

    Args:
        patterns: RE2 syntax.

    Raises:
        PatternInvalid: One does not compile.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._empty = not patterns
        self._automaton = _re2.Set.SearchSet(_options())
        for pattern in patterns:
            try:
                _re2.compile(pattern, _options())
                self._automaton.Add(pattern)
            except _re2.error as error:
                raise PatternInvalid(f"{pattern!r}: {_sentence(error)}") from error
        if not self._empty:
            self._automaton.Compile()

    def matching(self, text: str) -> frozenset[int]:
        """Return the places, counted from 0, of the patterns that match anywhere in ``text``."""
        if self._empty:
            return frozenset()
        return frozenset(cast("list[int]", self._automaton.Match(text.encode("utf-8", "replace")) or []))


def spans(pattern: str, text: str, *, most: int) -> list[tuple[int, int]]:
    """Return where a pattern matches in ``text``, from left to right, so many times at most."""
    found = _re2.compile(pattern, _options()).finditer(text)
    return [match.span() for match in islice(found, most) if match.end() > match.start()]


def _options() -> Any:
    chosen = _re2.Options()
    chosen.case_sensitive = False
    chosen.dot_nl = True
    chosen.log_errors = False
    chosen.max_mem = _MAX_MEMORY_BYTES
    return chosen


def _sentence(error: Exception) -> str:
    reason = error.args[0] if error.args else "unknown reason"
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
