"""How a reading came to be what it is: the same claim, on ever more of the same labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.evidence.model import LabelledTraffic
    from headgate.evidence.model.people import Division
    from headgate.evidence.model.users import LabelledUsers


@dataclass(frozen=True, slots=True)
class LabelsUpTo:
    """An epoch's labels, cut off after one of its draws.

    Attributes:
        at: When that draw was recorded.
        traffic: The labels up to it, as they stand now.
    """

    at: datetime
    traffic: LabelledTraffic


@dataclass(frozen=True, slots=True)
class UsersUpTo:
    """An epoch's users, cut off after one of those who came.

    Attributes:
        at: When that one had been observed for as long as everybody is.
        seen: The users up to them, as they stand now.
    """

    at: datetime
    seen: LabelledUsers


@dataclass(frozen=True, slots=True)
class PeopleUpTo:
    """An epoch's users told apart, cut off after one of those who came.

    Attributes:
        users: How many there are.
        divisions: Them, as they stand now.
    """

    users: int
    divisions: tuple[Division, ...]


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
