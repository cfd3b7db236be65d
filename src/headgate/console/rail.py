"""A release's stages as a row of pools with gates between them: which are open, to whom, and what the next would open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.look.writing import words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.releases.model.plan import Stage
    from headgate.releases.model.reading import Exposure
    from headgate.releases.model.release import Release


@dataclass(frozen=True, slots=True)
class Pool:
    """One stage on the rail.

    Attributes:
        stage: The stage.
        place: Which one, counted from 1.
        standing: ``open``, ``here`` for the widest open one, ``next`` for the one its gate leads to, or ``shut``.
        counted: Who has had access under it; ``None`` when nobody could yet, or it cannot be read.
        adds: What it opens that no stage before it does.
        attempt: How often its evidence has begun; 0 when it never opened.
    """

    stage: Stage
    place: int
    standing: str
    counted: Exposure | None
    adds: tuple[str, ...]
    attempt: int


STANDING = {"open": "open", "here": "open up to here", "next": "next", "shut": "shut"}
"""How a pool's standing is read out."""


def rail(release: Release, counted: Mapping[str, Exposure | None]) -> tuple[Pool, ...]:
    """Return the stages in order.

    Args:
        release: The release.
        counted: Who has had access under each stage that was ever open.
    """
    pools: list[Pool] = []
    known: set[str] = set()
    for place, stage in enumerate(release.plan.stages, start=1):
        rights = [each.value for each in (*stage.what.surfaces, *stage.what.capabilities)]
        adds = tuple(words(right) for right in dict.fromkeys(rights) if right not in known)
        known.update(rights)
        if place < release.stage:
            standing = "open"
        elif place == release.stage:
            standing = "here"
        else:
            standing = "next" if place == release.stage + 1 else "shut"
        pools.append(Pool(stage, place, standing, counted.get(stage.name), adds, release.attempt(stage.name)))
    return tuple(pools)


def seats(number: int | None) -> str:
    """Return how many seats a stage has, in words."""
    return "any number of seats" if number is None else f"{number:,} seats"
