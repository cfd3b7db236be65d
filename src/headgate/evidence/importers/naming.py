"""Which text of a stranger's file may be kept: short names, and nothing that could be a secret.

Logs of evaluations carry whatever was passed to a model: keys in arguments, addresses with passwords, whole prompts where a
name should be. A record is shown to many people and kept for years, so a text is kept only if it looks like a name. When in
doubt it is withheld; a record without a name is still evidence.
"""

from __future__ import annotations

import re

LONGEST = 160
_SECRET = re.compile(
    r"""(?ix)
      (?:^|[^a-z0-9]) (?: (?:sk|pk|rk)-(?=\S*\d) | (?:hf|gh[a-z]|npm)_ | glpat- | xox[abprs]- | AIza | AKIA | ASIA )
      [a-z0-9_\-]{12,}
    | eyJ[a-z0-9_\-]{8,}
    | :// [^/\s]* @
    | (?: key | token | secret | passw(?:or)?d | credential | bearer | authorization ) [a-z0-9_\-]* \s* [=:]
    | -----BEGIN
    """
)
_RUN = re.compile(r"[A-Za-z0-9+/_=]{28,}")
_NAME = re.compile(r"[\w][\w .,:;/@+()\[\]%#|=&'<>~*-]*")


def kept(text: object) -> str | None:
    """Return ``text`` if it may be kept as a name, or ``None``.

    Args:
        text: Anything that a document held where a name should be.
    """
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST or not text.isprintable():
        return None
    if not _NAME.fullmatch(text) or _SECRET.search(text) or any(_random(run) for run in _RUN.findall(text)):
        return None
    return text


def kept_or(text: object, otherwise: str) -> str:
    """Return ``text`` if it may be kept as a name, or ``otherwise``."""
    return kept(text) or otherwise


def _random(run: str) -> bool:
    """Return whether an unbroken run of letters and digits looks drawn rather than written: all three kinds, well mixed."""
    lower, upper = sum(c.islower() for c in run), sum(c.isupper() for c in run)
    digits = sum(c.isdigit() for c in run)
    return min(lower, upper, digits) >= 3  # noqa: PLR2004 - a written name seldom has three of each in one unbroken run
