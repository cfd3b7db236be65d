"""Who may read the numbers: deny unless it is sure that somebody on this machine asks."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.bootstrap.processes.numbers import may_read


def a_scope(address: str | None, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"client": None if address is None else (address, 5000), "headers": list(headers)}


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine_may_read_by_default(address: str) -> None:
    assert may_read(a_scope(address), "loopback")


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "", "localhost", None])
def test_nobody_else_may(address: str | None) -> None:
    assert not may_read(a_scope(address), "loopback")


@pytest.mark.parametrize("header", [b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via"])
def test_what_came_through_a_proxy_came_from_elsewhere(header: bytes) -> None:
    assert not may_read(a_scope("127.0.0.1", (header, b"127.0.0.1")), "loopback")


def test_open_is_for_all_and_off_for_nobody() -> None:
    assert may_read(a_scope("192.0.2.1"), "open")
    assert not may_read(a_scope("127.0.0.1"), "off")
