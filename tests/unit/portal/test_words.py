"""What the chat page sends on: a conversation in words, and nothing that the page does not offer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.portal.words import NotAMessage, anthropic_body, openai_body, words_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), TEXT), max_size=6), TEXT, st.booleans())
def test_a_conversation_goes_on_as_it_was_said(said: list[tuple[str, str]], last: str, stream: bool) -> None:
    messages = [{"role": role, "content": text} for role, text in [*said, ("user", last)]]
    words = words_of(json.dumps({"model": "m", "messages": messages}).encode())
    assert json.loads(openai_body(words, stream=stream)) == {"model": "m", "messages": messages, "stream": stream}
    other = json.loads(anthropic_body(words, stream=stream, most_tokens=7))
    assert other == {"model": "m", "messages": messages, "stream": stream, "max_tokens": 7}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"model": "m", "messages": []}',
        b'{"model": "", "messages": [{"role": "user", "content": "hi"}]}',
        b'{"model": "m", "messages": [{"role": "user", "content": ""}]}',
        b'{"model": "m", "messages": [{"role": "system", "content": "hi"}]}',
        b'{"model": "m", "messages": [{"role": "assistant", "content": "hi"}]}',
        b'{"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}',
        b'{"model": "m", "messages": [{"role": "user", "content": "hi", "name": "x"}]}',
        b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": []}',
        b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "n": 3}',
        b'\xff{"model": "m"}',
    ],
)
def test_what_the_page_does_not_offer_is_not_taken(body: bytes) -> None:
    with pytest.raises(NotAMessage):
        words_of(body)
