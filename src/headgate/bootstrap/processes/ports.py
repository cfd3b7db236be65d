"""The port that an installation listens on, and whether somebody listens there already.

The socket is opened once, by whoever supervises, and inherited by every process that serves from it: a connection that waits to
be accepted is lost with nobody, and processes replace each other behind it. It is not shared with strangers: where somebody
else listens already, half of the requests would silently go to whoever came first.
"""

from __future__ import annotations

import socket

from headgate.kernel.errors import Invalid


class PortTaken(Invalid):
    """Something else listens on the port."""

    code = "up.port_taken"


def listener(host: str, port: int) -> socket.socket:
    """Return a socket bound to ``port`` at ``host``; whoever serves from it makes it listen.

    Raises:
        PortTaken: Something else listens there, or ``host`` is no address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just left counts as free
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by every connection
            opened.bind(address)
        except OSError:
            opened.close()
            raise
    except OSError as problem:
        raise _taken(host, port, problem) from None
    return opened


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
        raise _taken(host, port, problem) from None


def _taken(host: str, port: int, problem: OSError) -> PortTaken:
    return PortTaken(
        f"Nobody can listen on {host}:{port}: {problem.strerror}.",
        help="Stop what listens there, or choose another port with --port.",
    )
