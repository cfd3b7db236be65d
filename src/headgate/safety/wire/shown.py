"""Passages made fit for a page: plain text, what a rule matched in it, and characters that would hide, each by its name.

What is written here is values, not markup: whoever draws the page escapes every one of them. Nothing of a passage is left out
but what lies beyond ``MOST_CHARS`` of an exchange, and then it is said how much.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from headgate.safety.model import Part
from headgate.safety.wire.plain import collapsed, hides

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headgate.safety.model import Mark, Passage, Texts

FOLD_LINES = 12
FOLD_COLUMNS = 100
MOST_CHARS = 1_000_000
"""Characters of one exchange that a page shows."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of characters of one kind.

    Attributes:
        text: What to show.
        marked: Whether a rule matches here.
        odd: The name of the characters that ``text`` stands for; ``None`` for text that is shown as it is.
    """

    text: str
    marked: bool = False
    odd: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A passage.

    Attributes:
        source: Whose it is.
        chars: How long it is.
        head: Its beginning.
        rest: What is folded away; empty when it is short.
        rest_chars: How long that is.
        rest_marked: Whether a rule matches in what is folded away.
        cut: Characters that are not shown at all.
    """

    source: str
    chars: int
    head: tuple[Piece, ...]
    rest: tuple[Piece, ...]
    rest_chars: int
    rest_marked: bool
    cut: int


@dataclass(frozen=True, slots=True)
class Sides:
    """An exchange, fit for a page; a side is ``None`` when it was not kept."""

    asked: tuple[Said, ...] | None
    answered: tuple[Said, ...] | None

    @property
    def chars(self) -> int:
        """How many characters there are on both sides together."""
        return sum(said.chars for said in (*(self.asked or ()), *(self.answered or ())))


def sides(texts: Texts, marks: Sequence[Mark]) -> Sides:
    """Return an exchange fit for a page."""
    left = MOST_CHARS
    found: list[tuple[Said, ...] | None] = []
    for part, passages in ((Part.PROMPT, texts.prompt), (Part.COMPLETION, texts.completion)):
        shown: list[Said] = []
        for place, passage in enumerate(passages or ()):
            ours = [mark for mark in marks if (mark.part, mark.passage) == (part, place)]
            shown.append(_said(passage, ours, left))
            left = max(0, left - len(passage.text))
        found.append(None if passages is None else tuple(shown))
    return Sides(*found)


def pieces(text: str, marks: Sequence[tuple[int, int]] = ()) -> tuple[Piece, ...]:
    """Return a text piece by piece.

    Args:
        text: As it was sent.
        marks: Where rules match, as (first character, the one behind the last).
    """
    edges = sorted({0, len(text), *(edge for mark in marks for edge in mark if 0 < edge < len(text))})
    found: list[Piece] = []
    for start, end in pairwise(edges):
        marked = any(first <= start and end <= last for first, last in marks)
        found += _runs(text[start:end], marked=marked)
    return tuple(found)


def _said(passage: Passage, marks: Sequence[Mark], room: int) -> Said:
    text = passage.text[:room]
    head, _ = collapsed(text, lines=FOLD_LINES, columns=FOLD_COLUMNS)
    fold = len(head)
    spans = [(mark.start, mark.end) for mark in marks]
    rest = text[fold:]
    beyond = [(max(0, start - fold), end - fold) for start, end in spans if end > fold]
    return Said(
        source=passage.source,
        chars=len(passage.text),
        head=pieces(head, spans),
        rest=pieces(rest, beyond),
        rest_chars=len(rest),
        rest_marked=any(start < len(rest) for start, _ in beyond),
        cut=len(passage.text) - len(text),
    )


def _runs(text: str, *, marked: bool) -> Iterator[Piece]:
    if text.isascii() and text.isprintable():
        yield Piece(text, marked)
        return
    for hidden, run in groupby(text, key=hides):
        if not hidden:
            yield Piece("".join(run), marked)
            continue
        for character, same in groupby(run):
            count = sum(1 for _ in same)
            times = f" ({count:,} times)" if count > 1 else ""
            yield Piece(
                f"U+{ord(character):04X}{times}", marked, unicodedata.name(character, "a character without a name").lower()
            )
