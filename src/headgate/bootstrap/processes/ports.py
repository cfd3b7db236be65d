"""Whether somebody listens on a port already.

The HTTP server shares its port among its own processes, and so would share it with a stranger's too, silently: half of the
requests would go to whoever came first. So it is asked beforehand, with a socket that shares nothing.
"""

from __future__ import annotations

import socket

from headgate.kernel.errors import Invalid


class PortTaken(Invalid):
    """Something else listens on the port."""

    code = "up.port_taken"


def must_be_free(host: str, port: int) -> None:
    """Go on only if ``port`` can be listened on at ``host``; port 0 always can.

    Raises:
        PortTaken: It cannot, or ``host`` is no address of this machine.
    """
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just left counts as free
                probe.bind(address)
    except OSError as problem:
        raise PortTaken(
            f"Nobody can listen on {host}:{port}: {problem.strerror}.",
            help="Stop what listens there, or choose another port with --port.",
        ) from None
