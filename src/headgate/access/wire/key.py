"""The text of a key: ``hg_<environment>_<id>_<secret><checksum>``.

The environment is 1 to 12 of a-z and 0-9, a letter first; the id is the 26 characters of the key's identifier without its
prefix; the secret is 33 base-62 digits; the checksum is six, over everything before it. Four fields, one spelling: upper
and lower case differ, and nothing is trimmed, because a client that sends a key with a line break has a bug to hear of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from headgate.access.errors import KeyMalformed
from headgate.access.wire.checksum import is_sealed, sealed, secret_of
from headgate.kernel.ids import KeyId

_KEY = re.compile(r"hg_([a-z][a-z0-9]{0,11})_([0-7][0-9A-HJKMNP-TV-Z]{25})_[0-9A-Za-z]{39}")
_ENVIRONMENT = re.compile(r"[a-z][a-z0-9]{0,11}")
_PREFIX = "key_"


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key's text that holds together; whether anybody holds it is for the store to say.

    Attributes:
        environment: The installation that issued it.
        key_id: Whose text it is.
        text: All of it; absent from ``repr``.
    """

    environment: str
    key_id: KeyId
    text: str = field(repr=False)


def mint(environment: str, key_id: KeyId, *, entropy: bytes) -> KeyText:
    """Return the text of a new key.

    Args:
        environment: The installation that issues it.
        key_id: The new key's identifier, ``key_…``.
        entropy: 24 bytes from the operating system's generator.

    Raises:
        ValueError: The environment, the identifier or the entropy has the wrong form.
    """
    text = sealed(f"hg_{environment_for(environment)}_{key_id.removeprefix(_PREFIX)}_{secret_of(entropy)}")
    if _KEY.fullmatch(text) is None:
        raise ValueError("not an identifier of a key")
    return KeyText(environment, key_id, text)


def parse(text: str) -> KeyText:
    """Read a key's text.

    Raises:
        KeyMalformed: It is not one; the message does not repeat it.
    """
    match = _KEY.fullmatch(text)
    if match is None or not is_sealed(text):
        raise KeyMalformed(
            "This is not a key: a character is missing, added or mistyped.",
            help="Copy the whole key again; it starts with hg_ and was shown once, when it was issued.",
        )
    return KeyText(match[1], KeyId(_PREFIX + match[2]), text)


def environment_for(name: str) -> str:
    """Return the name of an installation as keys spell it.

    Raises:
        ValueError: It is not 1 to 12 of a-z and 0-9, a letter first.
    """
    if _ENVIRONMENT.fullmatch(name) is None:
        raise ValueError("an environment is 1 to 12 characters of a-z and 0-9, a letter first")
    return name
