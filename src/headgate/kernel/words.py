"""Words of closed lists."""

from __future__ import annotations

from enum import Enum


class Word(Enum):
    """A word of a closed list. There is one of each, so it is hashed by identity: every request looks several of them up."""

    __hash__ = object.__hash__
