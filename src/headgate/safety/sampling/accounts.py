"""What each account of an epoch did in its first span of use, and what the sample showed of it.

A claim of *users like these* counts accounts, each once and by the same length of time, in the order in which they came. An
account's **first use** begins when its first draw was recorded and is over after a fixed time; the draws that were recorded in
it are its own for good, because the time of recording never goes back. Accounts count in their order up to the **frontier**:
the first whose first use is not over, or in whose first use a coin is in the air or an item waits that is not overdue. Whoever
came behind that one waits too, however quickly their own items were settled.

Nobody leaves. An account that is suspended, stopped or gone stays with all that it did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

    from headgate.safety.model import Harm


@dataclass(frozen=True, slots=True)
class CleanAccounts:
    """Accounts before the frontier in whose first use nothing counts as harm, all under the same mean floor.

    Attributes:
        accounts: How many.
        exchanges: Draws in their first use.
        labels: Those of them that the coin sent to review.
        floor: The mean floor over the draws of each account.
    """

    accounts: int
    exchanges: int
    labels: int
    floor: float


@dataclass(frozen=True, slots=True)
class HarmfulAccount:
    """An account before the frontier in whose first use something counts as harm.

    Attributes:
        exchanges: Draws in its first use.
        labels: Those of them that the coin sent to review.
        floor: The mean floor over its draws.
        harms: The harms that stand, in the order of the draws.
        doubtful: What could not be reviewed, or was not in time.
    """

    exchanges: int
    labels: int
    floor: float
    harms: tuple[Harm, ...]
    doubtful: tuple[Harm, ...]


@dataclass(frozen=True, slots=True)
class LabelledAccounts:
    """All that a claim about users like these needs to know of one epoch and hazard.

    Attributes:
        epoch: Which epoch.
        hazard: Which hazard.
        span: How long each account is observed.
        clean: The accounts without harm, by floor.
        harmful: The others, in the order in which they came.
        came: Every account that was drawn at all, before the frontier or behind it.
    """

    epoch: str
    hazard: str
    span: timedelta
    clean: tuple[CleanAccounts, ...]
    harmful: tuple[HarmfulAccount, ...]
    came: int
