"""Clients that take their time, at the socket: each costs a connection for a while, and nobody else anything."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from functional.kit import Running

DRIPPING = 50


def connections(headgate: Running, count: int) -> list[socket.socket]:
    port = int(headgate.where.url.rpartition(":")[2])
    return [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(count)]


def test_clients_that_never_finish_their_headers_are_let_go_and_keep_nobody_waiting(shared: Running) -> None:
    # given: many who begin a request and go on a header at a time
    dripping = connections(shared, DRIPPING)
    for connection in dripping:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: headgate\r\n")
    ended: set[socket.socket] = set()
    deadline_s = time.monotonic() + 20
    try:
        # when
        while len(ended) < DRIPPING and time.monotonic() < deadline_s:
            assert httpx.get(f"{shared.where.url}/readyz", trust_env=False, verify=False).status_code == 200
            for connection in set(dripping) - ended:
                try:
                    connection.sendall(b"x-drip: 1\r\n")
                    connection.settimeout(0.001)
                    if connection.recv(1000) == b"":
                        ended.add(connection)
                except TimeoutError:
                    continue  # still open
                except ConnectionError:
                    ended.add(connection)
            time.sleep(0.2)
        # then
        assert len(ended) == DRIPPING
    finally:
        for connection in dripping:
            connection.close()
