"""Safety's use cases together, as its faces are handed them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.kernel.clock import Clock
    from headgate.safety.service.golds import Golds
    from headgate.safety.service.incidents import Incidents
    from headgate.safety.service.review import Review
    from headgate.safety.service.sampling import Sampling


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes and the verbs work with.

    Attributes:
        sampling: Draws, coins and numbers.
        review: The queue.
        incidents: What happened.
        golds: Known harms that measure the readers.
        clock: The time that each call is made at.
    """

    sampling: Sampling
    review: Review
    incidents: Incidents
    golds: Golds
    clock: Clock
