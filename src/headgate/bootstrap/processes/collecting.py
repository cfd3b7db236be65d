"""The garbage collector of a process that has started: it passes over what the process consists of."""

from __future__ import annotations

import gc

_AFTER = (20_000, 50, 50)
"""How often it looks at what was made lately, and at what has survived that."""


def keep_what_is_here() -> None:
    """Spare the collector what lives as long as the process: looking through all of it took a third of a busy process's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_AFTER)


def collect_everything() -> None:
    """Have it look at everything again, since the process ends: some libraries complain of what is never collected."""
    gc.unfreeze()
