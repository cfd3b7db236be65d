"""Compressed bodies: whole or refused, and never more than the bound."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.errors import TooLarge, WrongEncoding
from headgate.gateway.wire.encoding import decompressed

if TYPE_CHECKING:
    from collections.abc import Callable


def unsized_zstd(body: bytes) -> bytes:
    """As a client compresses that streams: the frame does not say how long its content is."""
    compressor = zstandard.ZstdCompressor().compressobj()
    return compressor.compress(body) + compressor.flush()


ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "zstd": ("ZSTD ", zstandard.ZstdCompressor().compress),
    "zstd, streamed": ("zstd", unsized_zstd),
}
BOMB = 16 * 1024 * 1024


@given(st.sampled_from(sorted(ENCODERS)), st.binary(max_size=5000))
def test_what_was_compressed_comes_out(how: str, body: bytes) -> None:
    name, compress = ENCODERS[how]

    assert decompressed(compress(body), name, most_bytes=5000) == body


@pytest.mark.parametrize("how", sorted(ENCODERS))
def test_a_bomb_stops_at_the_bound(how: str) -> None:
    name, compress = ENCODERS[how]
    bomb = compress(bytes(BOMB))
    assert len(bomb) < BOMB // 500

    tracemalloc.start()
    with pytest.raises(TooLarge):
        decompressed(bomb, name, most_bytes=1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < BOMB // 4


@pytest.mark.parametrize("how", sorted(ENCODERS))
def test_exactly_the_bound_is_accepted_and_one_more_is_not(how: str) -> None:
    name, compress = ENCODERS[how]

    assert len(decompressed(compress(bytes(1000)), name, most_bytes=1000)) == 1000
    with pytest.raises(TooLarge):
        decompressed(compress(bytes(1001)), name, most_bytes=1000)


@pytest.mark.parametrize("how", sorted(ENCODERS))
def test_what_is_not_one_whole_stream_is_refused(how: str) -> None:
    name, compress = ENCODERS[how]
    whole = compress(b"{}" * 100)

    for body in (whole[:-1], whole[: len(whole) // 2], whole + b"{}", whole + whole, b"", b"{}"):
        with pytest.raises(WrongEncoding):
            decompressed(body, name, most_bytes=1000)


def test_a_window_larger_than_every_reader_must_have_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    body = compressor.compress(b"{}") + compressor.flush()

    with pytest.raises(WrongEncoding):
        decompressed(body, "zstd", most_bytes=1000)


@pytest.mark.parametrize("name", ["br", "gzip, gzip", "compress", "zstd, gzip"])
def test_an_encoding_that_is_not_known_is_refused_and_the_known_ones_are_named(name: str) -> None:
    with pytest.raises(WrongEncoding) as refused:
        decompressed(b"{}", name, most_bytes=1000)

    assert "zstd" in (refused.value.help or "")
