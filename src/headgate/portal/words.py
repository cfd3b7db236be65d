"""What a visitor of the chat page may send: the messages of one conversation, in words and nothing else.

The page offers no more, so nothing more is taken: no system prompt, no tools, no parameters. What is wrong is told with where.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from headgate.kernel.errors import Invalid

MOST_MESSAGES = 400
MOST_CHARACTERS = 100_000
"""Of one message; what a stage allows is usually far less, and is judged at the door."""


class NotAMessage(Invalid):
    """What the chat page sent is not a conversation."""

    code = "chat_page.malformed"


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message.

    Attributes:
        role: Who said it.
        content: What.
    """

    role: Literal["user", "assistant"]
    content: Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_CHARACTERS)]


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A conversation up to the message that waits for an answer.

    Attributes:
        model: Whom it is said to.
        messages: What was said, the oldest first; the last by the visitor.
    """

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    messages: Annotated[tuple[Message, ...], msgspec.Meta(min_length=1, max_length=MOST_MESSAGES)]


def words_of(body: bytes) -> Words:
    """Read what a page sent.

    Raises:
        NotAMessage: It is not a conversation whose last message is the visitor's.
    """
    try:
        words = msgspec.json.decode(body, type=Words)
    except msgspec.DecodeError as wrong:
        raise NotAMessage(f"The message cannot be read: {wrong}.", help="Reload the page and write it again.") from None
    if words.messages[-1].role != "user":
        raise NotAMessage("The last message is not yours.", help="Write something first.")
    return words


def openai_body(words: Words, *, stream: bool) -> bytes:
    """Return the request for a server that speaks OpenAI's API."""
    return msgspec.json.encode({"model": words.model, "messages": words.messages, "stream": stream})


def anthropic_body(words: Words, *, stream: bool, most_tokens: int) -> bytes:
    """Return the request for a server that speaks Anthropic's API, which takes a bound on every answer."""
    return msgspec.json.encode({"model": words.model, "max_tokens": most_tokens, "messages": words.messages, "stream": stream})
