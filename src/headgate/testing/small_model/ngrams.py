"""A trigram table: which word may follow two others, and how likely. Deterministic: the same draws give the same words."""

from __future__ import annotations

import hashlib
import math
import random
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import accumulate

_WORD = re.compile(r"\w+|[^\w\s]")
_PIECE = re.compile(r"\s*\w+|\s*[^\w\s]|\s+")
_END = ""
_ALTERNATIVES = 20
_SHORTEST, _SPREAD, _LONGEST = 16, 48, 256


@dataclass(frozen=True, slots=True)
class Piece:
    """One token.

    Attributes:
        text: What it adds to the text, with the space before it.
        logprob: The natural logarithm of its probability where it stands.
        alternatives: What else could have stood there, the likeliest first, itself included.
    """

    text: str
    logprob: float = 0.0
    alternatives: tuple[tuple[str, float], ...] = ()


class Draws:
    """A stream of uniform numbers that a seed determines, alike on every machine and version of Python.

    Args:
        seed: Any bytes.
    """

    def __init__(self, seed: bytes) -> None:
        self.fraction = random.Random(int.from_bytes(seed)).random  # noqa: S311 - words, not secrets

    def below(self, bound: int) -> int:
        """Return the next number, from 0 to ``bound - 1``."""
        return int(self.fraction() * bound)


class _State:
    """Two words that stand behind each other: what may follow them, and to which two words that leads."""

    __slots__ = ("leads_to", "pieces", "running")

    def __init__(self, counter: Counter[str], *, first: bool = False) -> None:
        ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
        spelled = [(_spelled(word, first=first), math.log(count / counter.total())) for word, count in ranked]
        alternatives = tuple(spelled[:_ALTERNATIVES])
        self.running = list(accumulate(count for _, count in ranked))
        self.pieces = [Piece(text, logprob, alternatives) for text, logprob in spelled]
        self.leads_to: list[_State | None] = []


class Trigrams:
    """The table.

    Args:
        prose: Sentences, one a line.
    """

    def __init__(self, prose: str) -> None:
        counts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for line in filter(None, map(str.strip, prose.splitlines())):
            pair = (_END, _END)
            for word in [*_WORD.findall(line), _END]:
                counts[pair][word] += 1
                pair = (pair[1], word)
        states = {pair: _State(counter) for pair, counter in counts.items()}
        self._first, self._start = _State(counts[_END, _END], first=True), states[_END, _END]
        for (_, second), state in (*states.items(), ((_END, _END), self._first)):
            words = [piece.text.strip() for piece in state.pieces]
            state.leads_to = [states[second, word] if word != _END else None for word in words]
        self.fingerprint = "fp_" + hashlib.sha256(prose.encode()).hexdigest()[:10]

    def write(self, draws: Draws) -> list[Piece]:
        """Return whole sentences, a paragraph of them."""
        enough = _SHORTEST + draws.below(_SPREAD)
        pieces: list[Piece] = []
        state, fraction = self._first, draws.fraction
        while len(pieces) < _LONGEST:
            at = bisect_right(state.running, int(fraction() * state.running[-1]))
            following = state.leads_to[at]
            if following is not None:
                pieces.append(state.pieces[at])
                state = following
            elif len(pieces) < enough:
                state = self._start
            else:
                break
        return pieces


def split(text: str) -> list[str]:
    """Return the tokens of any text; joined, they are the text again."""
    return _PIECE.findall(text)


def _spelled(word: str, *, first: bool) -> str:
    if word == _END:
        return "\n"
    return word if first or not word[0].isalnum() else f" {word}"
