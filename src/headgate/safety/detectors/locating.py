"""Where in a text a rule matches.

Rules are matched against what ``normalise`` makes of a text, so a match has to be carried back to the text as it was sent. The
text is taken apart where no normalisation reaches across; each part is normalised alone and keeps its place. Where that does not
give what the whole gives (there are texts for which it cannot), nothing is located: a mark in the wrong place is worse than none.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass

from headgate.safety.detectors.normalise import normalise

LONGEST_CHARS = 100_000
"""Texts beyond this are not searched: whoever reads them waits for it."""
_PART = re.compile(r"\s+|[!-~]+(?![^\x00-\x7f])|\S[^\x00-\x7f\s]*")
"""White space; a run of ASCII that nothing joins; or a character with everything outside ASCII that follows it."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a text and what rules see of it; ``plain`` when they are the same, letter by letter."""

    at: int
    start: int
    end: int
    plain: bool


class Aligned:
    """A text as rules see it, each piece of which knows where it came from.

    Args:
        text: The text as it was sent.
    """

    def __init__(self, text: str) -> None:
        seen: list[str] = []
        pieces: list[_Piece] = []
        length = 0
        blank = True  # white space at the beginning is not seen
        for part in _PART.finditer(text):
            made, plain = _seen(part.group())
            if blank:
                made = made.lstrip()
            if not made:
                continue
            pieces.append(_Piece(length, part.start(), part.end(), plain and made == part.group().casefold()))
            seen.append(made)
            length += len(made)
            blank = made.endswith(" ")
        self.normal = "".join(seen).rstrip()
        self._pieces = pieces
        self._places = [piece.at for piece in pieces]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where in the text the characters from ``start`` to ``end`` of ``normal`` came from."""
        first, last = self._piece(start), self._piece(end - 1)
        return (
            first.start + start - first.at if first.plain else first.start,
            last.start + end - last.at if last.plain else last.end,
        )

    def _piece(self, place: int) -> _Piece:
        return self._pieces[bisect_right(self._places, place) - 1]


def aligned(text: str) -> Aligned | None:
    """Return a text with what rules see of it; ``None`` when it is too long, or cannot be taken apart."""
    if len(text) > LONGEST_CHARS:
        return None
    found = Aligned(text)
    return found if found.normal == normalise(text) else None


def _seen(part: str) -> tuple[str, bool]:
    """Return what rules see of a part, and whether it is ASCII."""
    if part.isascii():
        return (" ", False) if part.isspace() else (part.casefold(), True)
    unified = unicodedata.normalize("NFKC", part.encode("utf-8", "replace").decode("utf-8"))
    kept = "".join(letter for letter in unified if unicodedata.category(letter) not in {"Cf", "Mn", "Me"})
    return re.sub(r"\s+", " ", kept.casefold()), False
