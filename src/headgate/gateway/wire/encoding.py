"""Compressed request bodies: gzip and deflate, never more than a bound comes out.

A few kilobytes can decompress to gigabytes; decompression stops at the bound, and the rest is not looked at.
"""

from __future__ import annotations

import zlib

from headgate.gateway.errors import TooLarge, WrongEncoding

_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def decompressed(body: bytes, encoding: str, *, most_bytes: int) -> bytes:
    """Return the body as it was before it was compressed.

    Args:
        body: As it came.
        encoding: The ``content-encoding`` header, empty for none.
        most_bytes: The most that may come out.

    Raises:
        WrongEncoding: The encoding is not accepted, or the body is not in it.
        TooLarge: More comes out than may.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    window = _WINDOW.get(name)
    if window is None:
        raise WrongEncoding(
            "The body's content-encoding is not accepted.", rule="content-encoding", help="Send it plain, or as gzip or deflate."
        )
    inflater = zlib.decompressobj(window)
    try:
        plain = inflater.decompress(body, most_bytes + 1)
    except zlib.error:
        raise WrongEncoding(f"The body does not decompress as {name}.", rule="content-encoding") from None
    if len(plain) > most_bytes:
        raise TooLarge(f"The body is larger than {most_bytes:,} bytes when decompressed.", rule="largest body")
    if not inflater.eof or inflater.unused_data:
        raise WrongEncoding(f"The body is not one whole {name} stream.", rule="content-encoding")
    return plain
