"""What can be wrong with a call to a model server, told apart by what it may have cost."""

from __future__ import annotations

from typing import ClassVar

from headgate.gateway.errors import UpstreamFailed, UpstreamGarbage


class NotReached(UpstreamFailed):
    """The model server could not be reached, so it did nothing."""

    code = "upstream.unreachable"


class UpstreamBusy(NotReached):
    """Every server of the model is as busy as its plan lets it be, so none was sent the request."""

    code = "upstream.busy"
    http_status: ClassVar[int] = 503


def not_reached() -> NotReached:
    """Return the error for a server to which there is no connection."""
    return NotReached("The model server cannot be reached.", rule="upstream", help="Try again soon.")


def broke_off() -> UpstreamFailed:
    """Return the error for a server that was reached and went away."""
    return UpstreamFailed("The model server broke off.", rule="upstream", help="Try again.")


def garbage() -> UpstreamGarbage:
    """Return the error for an answer that is not one of HTTP's."""
    return UpstreamGarbage("What the model server answers is not HTTP.", rule="upstream", help="Tell its operator.")
