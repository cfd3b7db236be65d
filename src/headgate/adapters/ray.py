"""Heavy work on a Ray cluster: the same tasks, run elsewhere.

Ray is an optional extra (``pip install 'headgate[ray]'``) and is looked for only when somebody names a cluster. Every node
needs this version of Headgate, because a task is sent by its name and its piece, not by its source.
"""

from __future__ import annotations

import importlib
import importlib.util
import socket
from typing import TYPE_CHECKING, Any, TypeVar

from headgate.releases.errors import NoCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_P = TypeVar("_P")
_D = TypeVar("_D")

AHEAD = 4
"""Pieces that are handed out beforehand for each core, so that no core waits and none holds much that another could do."""
KNOCK_S = 5.0
"""How long a cluster may take to open a connection."""


class RayFarm:
    """Releases' ``Farm`` over a Ray cluster.

    Args:
        address: Where the cluster is: ``auto``, ``host:port`` or ``ray://host:port``.

    Raises:
        NoCluster: Ray is not installed, or no cluster answers there.
    """

    def __init__(self, address: str) -> None:
        if importlib.util.find_spec("ray") is None:
            raise NoCluster("Ray is not installed.", help="Install it with: pip install 'headgate[ray]'. Or leave --ray out.")
        self._ray: Any = importlib.import_module("ray")
        try:
            _knock(address)
            if not self._ray.is_initialized():
                self._ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError, OSError) as problem:
            raise NoCluster(
                f"No Ray cluster answers at {address}.", help="Start one with: ray start --head. Or leave --ray out."
            ) from problem

    @property
    def cores(self) -> int:
        """Return how many cores the cluster has."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def run(self, task: Callable[[_P], _D], pieces: Sequence[_P]) -> Iterator[tuple[int, _D]]:
        remote = self._ray.remote(num_cpus=1)(task)
        waiting = iter(enumerate(pieces))
        under_way: dict[Any, int] = {}

        def hand_out() -> None:
            while len(under_way) < AHEAD * self.cores and (upcoming := next(waiting, None)) is not None:
                under_way[remote.remote(upcoming[1])] = upcoming[0]

        hand_out()
        try:
            while under_way:
                ready, _ = self._ray.wait(list(under_way), num_returns=1)
                for reference in ready:
                    at = under_way.pop(reference)
                    yield at, self._got(reference)
                hand_out()
        finally:
            for reference in under_way:
                self._ray.cancel(reference)

    def _got(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RaySystemError as problem:
            raise NoCluster("A node of the Ray cluster failed.") from problem


def _knock(address: str) -> None:
    """Go on only if somebody listens at the address; Ray itself would try for minutes.

    Raises:
        OSError: Nobody does.
        ValueError: The address names no port.
    """
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), KNOCK_S).close()
