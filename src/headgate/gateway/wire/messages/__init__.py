"""Messages and the count of their tokens, as Anthropic publishes them (https://docs.anthropic.com/en/api/messages)."""

from headgate.gateway.model import Api
from headgate.gateway.wire.anthropic import ANTHROPIC
from headgate.gateway.wire.messages.request import SURFACE, MessagesRequest, compile_count, compile_messages
from headgate.gateway.wire.surface import Surface

MESSAGES = Surface(SURFACE, Api.ANTHROPIC, "/messages", ANTHROPIC, compile_messages)
COUNT_TOKENS = Surface(SURFACE, Api.ANTHROPIC, "/messages/count_tokens", ANTHROPIC, compile_count)

__all__ = ["COUNT_TOKENS", "MESSAGES", "MessagesRequest", "compile_count", "compile_messages"]
