"""How a reading came to be what it is: the same claim, on ever more of the same labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.evidence.model import LabelledTraffic


@dataclass(frozen=True, slots=True)
class LabelsUpTo:
    """An epoch's labels, cut off after one of its draws.

    Attributes:
        at: When that draw was recorded.
        traffic: The labels up to it, as they stand now.
    """

    at: datetime
    traffic: LabelledTraffic


ReadT = TypeVar("ReadT")


@dataclass(frozen=True, slots=True)
class Step(Generic[ReadT]):
    """What the first so many labels, or users, said.

    Attributes:
        at: When the last of them was recorded; ``None`` where that is not known.
        reading: What they say of the claim.
    """

    at: datetime | None
    reading: ReadT
