"""Playing a plan many times, on all cores of this machine or wherever a farm is.

A play is named by its number alone, so neither the number of processes nor the order in which they end changes anything.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.releases.decide.simulate import Script, play, summary
from headgate.releases.model.simulation import Play  # noqa: TC001 - another process resolves it

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from headgate.releases.model.simulation import Simulation
    from headgate.releases.ports import DoneT, Farm, PieceT

AT_ONCE = 8
"""Plays in one piece of work: about half a second of it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some plays of one script.

    Attributes:
        script: What is played.
        first: The first play's number.
        count: How many.
    """

    script: Script
    first: int
    count: int


def play_piece(piece: Piece) -> tuple[Play, ...]:
    """Return the plays of one piece, in the order of their numbers."""
    return tuple(play(piece.script, number) for number in range(piece.first, piece.first + piece.count))


def simulate(script: Script, runs: int, farm: Farm, *, told: Callable[[int], None]) -> Simulation:
    """Play a script and return what came of it.

    Args:
        script: What is played.
        runs: How often, ``>= 1``.
        farm: Where.
        told: Is told how many more plays have ended.

    Raises:
        NoCluster: The farm does not work.
    """
    pieces = [Piece(script, first, min(AT_ONCE, runs - first)) for first in range(0, runs, AT_ONCE)]
    done: list[tuple[Play, ...]] = [()] * len(pieces)
    for at, plays in farm.run(play_piece, pieces):
        done[at] = plays
        told(len(plays))
    return summary(script, [one for plays in done for one in plays])


class LocalFarm:
    """The ``Farm`` of this machine.

    Args:
        jobs: How many processes; with one, the work is done in this one.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs

    def run(self, task: Callable[[PieceT], DoneT], pieces: Sequence[PieceT]) -> Iterator[tuple[int, DoneT]]:
        if self._jobs == 1 or len(pieces) == 1:
            for at, piece in enumerate(pieces):
                yield at, task(piece)
            return
        # a forked process would inherit the locks of this one's threads as they happen to stand
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(self._jobs, len(pieces)), mp_context=context) as pool:
            under_way = {pool.submit(task, piece): at for at, piece in enumerate(pieces)}
            try:
                for future in as_completed(under_way):
                    yield under_way[future], future.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
