"""Text of strangers made fit for a terminal, and for a page.

Exchanges may carry escape sequences that move the cursor, rewrite what was shown, set a title or paste into a shell, and
direction marks that make text read as something else. Each such character is shown as what it is.
"""

from __future__ import annotations

import unicodedata

_SHOWN = {"\n", "\t"}
_HIDING = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories that a terminal may obey or hide: controls, format marks, surrogates, private use, separators."""
_CONTROL_PICTURES = 0x2400
_DELETE = 0x7F
_C0_END = 0x20


_UNSEEN = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xE0100, 0xE01F0)}
)
"""Characters of other categories that nothing is seen of: fillers, and the marks of variants that can carry a message."""


def hides(character: str) -> bool:
    """Return whether a character is not seen, or makes others be read as something else."""
    if character in _SHOWN:
        return False
    return unicodedata.category(character) in _HIDING or ord(character) in _UNSEEN


def plain(text: str) -> str:
    """Return ``text`` with every character that a terminal might obey replaced by a visible name."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text.replace("\r\n", "\n"))


def _visible(character: str) -> str:
    if not hides(character):
        return character
    number = ord(character)
    if number < _C0_END:
        return chr(_CONTROL_PICTURES + number)
    return "\u2421" if number == _DELETE else f"<U+{number:04X}>"


def collapsed(text: str, *, lines: int, columns: int) -> tuple[str, int]:
    """Return the beginning of ``text`` and how many characters were left out.

    Args:
        text: Plain text.
        lines: How many lines to keep at most.
        columns: How long a line is, for counting long ones as several.
    """
    kept: list[str] = []
    room = lines
    used = 0
    for line in text.split("\n"):
        rows = max(1, -(-len(line) // columns))
        if rows > room:
            part = line[: room * columns]
            if part:
                kept.append(part)
            used += len(part)
            return "\n".join(kept), len(text) - used
        kept.append(line)
        used += len(line) + 1
        room -= rows
    return text, 0
