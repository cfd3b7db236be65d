"""An HTTP/1.1 server on the event loop of what it serves: ASGI applications, one process, no thread in between.

llhttp (through httptools) reads requests. ``head`` settles what a request may look like and how an answer begins, ``exchange`` is
one request and its answer in ASGI's terms, ``connection`` carries one after another, ``listening`` lets connections in, and
``server`` ends them.
"""

from headgate.adapters.serving.server import Bounds, Server

__all__ = ["Bounds", "Server"]
