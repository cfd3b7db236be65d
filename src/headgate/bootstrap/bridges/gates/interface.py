"""What each kind of measured gate has: who reads it, and who works a kept reading out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.releases.model.reading import Asked, GateReading

GateT_contra = TypeVar("GateT_contra", contravariant=True)


class GateReader(Protocol[GateT_contra]):
    """Reads the gates of one kind."""

    def read(self, gate: GateT_contra, asked: Asked) -> GateReading:
        """Return what is known of what ``gate`` asks.

        Raises:
            headgate.kernel.errors.HeadgateError: It cannot be read just now; the gate says ERROR.
        """
        ...

    def replay(self, inputs: Mapping[str, Any]) -> GateReading:
        """Return what ``read`` said, from its kept inputs alone.

        Raises:
            headgate.kernel.errors.Invalid: They are not the inputs of such a reading.
        """
        ...
