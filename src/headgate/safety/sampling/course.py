"""How an epoch's labels came to be what they are: the same labels, cut off ever later in the order of the draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.safety.model import LabelledTraffic


@dataclass(frozen=True, slots=True)
class Reached:
    """An epoch's labels up to one of its draws.

    Attributes:
        at: When that draw was recorded.
        traffic: The labels up to it, as they stand now: a label that was corrected since is counted as corrected.
    """

    at: datetime
    traffic: LabelledTraffic
