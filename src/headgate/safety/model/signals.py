"""What detectors say of an exchange."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signal:
    """What a detector says of an exchange.

    Attributes:
        hazard: The kind of harm.
        score: How strongly, in ``[0, 1]``.
        why: A sentence for the reviewer; never text of the exchange.
        detector: ``family@<digest or version>``.
        rule_id: The rule that spoke.
        flags: Whether the exchange is flagged by it, which a review duty may act on.
        blocks: Whether an input screen withholds the exchange.
    """

    hazard: str
    score: float
    why: str
    detector: str
    rule_id: str
    flags: bool = True
    blocks: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"a score lies in [0, 1], not {self.score}")


@dataclass(frozen=True, slots=True)
class Reading:
    """All that one detector says of one exchange.

    Attributes:
        signals: What it found.
        undetermined: Rules that look at a part which is not there. "Could not tell" is not "found nothing".
    """

    signals: tuple[Signal, ...]
    undetermined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Screening:
    """An input screen's answer.

    Attributes:
        blocked: Whether the exchange is withheld.
        signals: Every signal, the blocking ones included.
    """

    blocked: bool
    signals: tuple[Signal, ...]
