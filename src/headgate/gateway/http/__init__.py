"""The raw ASGI application: no framework stands between a client's bytes and the door."""

from headgate.gateway.http.app import Gateway, Stats

__all__ = ["Gateway", "Stats"]
