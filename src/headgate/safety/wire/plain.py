"""Text of strangers made fit for a terminal.

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


def plain(text: str) -> str:
    """Return ``text`` with every character that a terminal might obey replaced by a visible name."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text.replace("\r\n", "\n"))


def _visible(character: str) -> str:
    if character in _SHOWN or unicodedata.category(character) not in _HIDING:
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
