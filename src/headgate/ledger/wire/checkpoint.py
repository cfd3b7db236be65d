"""The text of a checkpoint: whose ledger, how many entries, which root.

Source:
    C2SP tlog-checkpoint v1.0.0 (https://c2sp.org/tlog-checkpoint). Extension lines are neither written nor accepted.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from headgate.ledger.decide.merkle import HASH_BYTES
from headgate.ledger.errors import NotANote
from headgate.ledger.model import Head
from headgate.ledger.wire import note as notes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.ledger.wire.note import Signer, VerifierKey

_LINES = 4  # three, each ended by a newline
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def text(origin: str, head: Head) -> str:
    """Return the text to be signed."""
    return f"{origin}\n{head.size}\n{base64.b64encode(head.root).decode()}\n"


def sign(head: Head, signer: Signer) -> str:
    """Return the signed checkpoint of ``head``; the origin is the signer's name, as the format recommends."""
    return signer.sign(text(signer.name, head))


def parse(text: str) -> tuple[str, Head]:
    """Return a checkpoint text's origin and head.

    Raises:
        NotANote: It is not one.
    """
    lines = text.split("\n")
    if len(lines) != _LINES or lines[3] or not lines[0] or _SIZE.fullmatch(lines[1]) is None:
        raise NotANote("A checkpoint has three lines: its origin, its size and its root.")
    root = notes.decode_base64(lines[2])
    if len(root) != HASH_BYTES:
        raise NotANote(f"A checkpoint's root has {HASH_BYTES} bytes.")
    return lines[0], Head(int(lines[1]), root)


def opened(note: str, keys: Iterable[VerifierKey]) -> tuple[Head, tuple[VerifierKey, ...]]:
    """Return what a signed checkpoint says and which trusted keys say so.

    Raises:
        NotANote: It is malformed, or its origin is none of its signers' names.
        NotSigned: No trusted key has signed it.
    """
    said, signers = notes.opened(note, keys)
    origin, head = parse(said)
    if origin not in {key.name for key in signers}:
        raise NotANote("The checkpoint is of another ledger than its signer's.")
    return head, signers
