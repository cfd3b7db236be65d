"""Access: who is let in, under which seats and keys, and the commands that let them in further or stop them.

What stops somebody stands on their own page and is one press and a reason. What lets them in stands on a page of its own, behind
the proof that it is you.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.console.pages.access import finding, keys, narrowing, showing, widening

if TYPE_CHECKING:
    from headgate.console.desks import Desks
    from headgate.console.visit import Table

__all__ = ["table"]


def table(desks: Desks, at: str) -> Table:
    """Return the addresses of access.

    Args:
        desks: The services.
        at: Where the console is mounted.
    """
    one = showing.Showing(desks)
    return (
        *finding.table(desks, at),
        *showing.table(one),
        *narrowing.table(desks, one, at),
        *widening.table(desks, one, at),
        *keys.table(desks, one, at),
    )
