"""The text of a staff token: ``hgs_<id>_<secret><checksum>``, like a key's but never taken for one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from headgate.access.errors import StaffTokenMalformed
from headgate.access.wire.checksum import is_sealed, sealed, secret_of
from headgate.kernel.ids import StaffId

_TOKEN = re.compile(r"hgs_([0-7][0-9A-HJKMNP-TV-Z]{25})_[0-9A-Za-z]{39}")
_PREFIX = "stf_"


@dataclass(frozen=True, slots=True)
class StaffToken:
    """A token's text that holds together.

    Attributes:
        staff_id: Whose.
        text: All of it; absent from ``repr``.
    """

    staff_id: StaffId
    text: str = field(repr=False)


def mint(staff_id: StaffId, *, entropy: bytes) -> StaffToken:
    """Return the text of a new token.

    Args:
        staff_id: Whose, ``stf_…``.
        entropy: 24 bytes from the operating system's generator.

    Raises:
        ValueError: The identifier or the entropy has the wrong form.
    """
    text = sealed(f"hgs_{staff_id.removeprefix(_PREFIX)}_{secret_of(entropy)}")
    if _TOKEN.fullmatch(text) is None:
        raise ValueError("not an identifier of a member of staff")
    return StaffToken(staff_id, text)


def parse(text: str) -> StaffToken:
    """Read a token's text.

    Raises:
        StaffTokenMalformed: It is not one; the message does not repeat it.
    """
    match = _TOKEN.fullmatch(text)
    if match is None or not is_sealed(text):
        raise StaffTokenMalformed(
            "This is not a staff token: a character is missing, added or mistyped.",
            help="Copy the whole token again; it starts with hgs_ and was shown once, when it was issued.",
        )
    return StaffToken(StaffId(_PREFIX + match[1]), text)
