"""What a rule sees instead of the text itself.

In this order: characters that cannot be encoded become U+FFFD; compatibility forms are unified (NFKC: full-width letters,
ligatures, styled alphabets); characters that are not seen are dropped (zero-width spaces and joiners, soft hyphens, direction
and variation marks, combining marks left over); case is folded; runs of white space become one space.

This is declared because it decides what a pattern can match. It does not undo look-alike letters of other scripts, leetspeak,
encodings or spelling by letters: whoever wants to get past a rule can.
"""

from __future__ import annotations

import unicodedata

VERSION = "nfkc-casefold-1"
"""Part of every rule set's digest: another normalisation makes other rules of the same patterns."""


def normalise(text: str) -> str:
    """Return what rules are matched against."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
        text = unicodedata.normalize("NFKC", text)
        text = "".join(character for character in text if unicodedata.category(character) not in {"Cf", "Mn", "Me"})
    return " ".join(text.casefold().split())
