"""What is kept of an answer for the record."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.http.kept import Kept


@given(
    st.lists(st.binary(max_size=300).flatmap(lambda part: st.integers(1, 300).map(lambda times: part * times)), max_size=12),
    st.integers(0, 200_000),
)
def test_what_is_kept_is_what_was_said_up_to_the_bound(parts: list[bytes], most_bytes: int) -> None:
    said = b"".join(parts)
    kept = Kept(most_bytes=most_bytes)
    for part in parts:
        kept.add(part)

    assert bytes(kept) == said[:most_bytes]
    assert len(kept) == len(said[:most_bytes])
    assert kept.truncated == (len(said) > most_bytes)


def test_a_long_stream_is_held_in_a_fraction_of_its_length() -> None:
    kept = Kept(most_bytes=2**20)
    for number in range(4000):
        kept.add(b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" word %d"}}]}\n\n' % number)

    held = len(pickle.dumps(kept))

    assert len(bytes(kept)) > 350_000
    assert held < 100_000
