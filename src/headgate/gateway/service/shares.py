"""What a worker has only so much of, and nobody may have more than a share of.

Limits are counted when a request is decided on. Until then it takes up memory, disk and a place all the same, and whoever may
call at all could take up everything by sending slowly, or much. So what is not decided on yet is bounded for all together, and
for each account by less than that: one account can crowd out itself.
"""

from __future__ import annotations

QUARTER = 4
"""One account may hold so much of what there is, one part in this."""


class Shares:
    """Amounts that are held, by account.

    Args:
        most: How much all together may hold.
        each: How much one account may hold.
    """

    __slots__ = ("_each", "_held", "_most", "_of")

    def __init__(self, most: int, *, each: int) -> None:
        self._most = most
        self._each = min(each, most)
        self._held = 0
        self._of: dict[str, int] = {}

    @property
    def held(self) -> int:
        """How much all together hold."""
        return self._held

    def take(self, whose: str, amount: int) -> bool:
        """Hold more for an account, if there is room; say whether there was."""
        theirs = self._of.get(whose, 0) + amount
        if theirs > self._each or self._held + amount > self._most:
            return False
        self._of[whose] = theirs
        self._held += amount
        return True

    def give_back(self, whose: str, amount: int) -> None:
        """Hold that much less for an account."""
        self._held -= amount
        left = self._of.pop(whose, 0) - amount
        if left:
            self._of[whose] = left
