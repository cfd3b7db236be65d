"""How often the garbage collector of a process looks, and at what."""

from __future__ import annotations

import gc

_AFTER = (20_000, 50, 50)
"""How often it looks at what was made lately, and at what has survived that."""


def collect_seldom() -> None:
    """Have it look seldom: while a process reads in what it consists of, nothing is thrown away, and looking took a tenth."""
    gc.set_threshold(*_AFTER)


def keep_what_is_here() -> None:
    """Have it pass over what lives as long as the process: looking through all of it took a third of a busy process's time."""
    gc.collect()
    gc.freeze()
    collect_seldom()


def collect_everything() -> None:
    """Have it look at everything again, since the process ends: some libraries complain of what is never collected."""
    gc.unfreeze()
