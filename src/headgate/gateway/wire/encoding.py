"""Compressed request bodies: gzip, deflate and zstd, never more than a bound comes out.

A few kilobytes can decompress to gigabytes; decompression stops at the bound, and the rest is not looked at. A body is one
stream, whole: what follows the end of it is not looked at by every reader, so there must be nothing.
"""

from __future__ import annotations

import zlib
from io import BytesIO

import zstandard

from headgate.gateway.errors import TooLarge, WrongEncoding

_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_ZSTD_WINDOW_BYTES = 8 * 1024 * 1024
"""What every reader of zstd must be able to remember (RFC 8878, section 3.1.1.1.2), and the most that a client may make us."""


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
    if name == "zstd":
        plain, is_whole = _unpacked_zstd(body, most_bytes)
    elif name in _WINDOW:
        plain, is_whole = _inflated(body, name, most_bytes)
    else:
        raise WrongEncoding(
            "The body's content-encoding is not accepted.",
            rule="content-encoding",
            help="Send it plain, or as gzip, deflate or zstd.",
        )
    if len(plain) > most_bytes:
        raise TooLarge(f"The body is larger than {most_bytes:,} bytes when decompressed.", rule="largest body")
    if not is_whole:
        raise WrongEncoding(f"The body is not one whole {name} stream.", rule="content-encoding")
    return plain


def _inflated(body: bytes, name: str, most_bytes: int) -> tuple[bytes, bool]:
    inflater = zlib.decompressobj(_WINDOW[name])
    try:
        plain = inflater.decompress(body, most_bytes + 1)
    except zlib.error:
        raise _does_not_decompress(name) from None
    return plain, inflater.eof and not inflater.unused_data


def _unpacked_zstd(body: bytes, most_bytes: int) -> tuple[bytes, bool]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    try:
        with decompressor.stream_reader(BytesIO(body)) as reader:
            plain = _read(reader, most_bytes + 1)
        if len(plain) > most_bytes:
            return plain, False
        # The reader that can be stopped cannot say whether it reached the end; the one that can is bounded now.
        whole = decompressor.decompressobj()
        whole.decompress(body)
    except zstandard.ZstdError:
        raise _does_not_decompress("zstd") from None
    return plain, whole.eof and not whole.unused_data


def _read(reader: zstandard.ZstdDecompressionReader, most_bytes: int) -> bytes:
    plain = bytearray()
    while len(plain) < most_bytes and (block := reader.read(most_bytes - len(plain))):
        plain += block
    return bytes(plain)


def _does_not_decompress(name: str) -> WrongEncoding:
    return WrongEncoding(f"The body does not decompress as {name}.", rule="content-encoding")
