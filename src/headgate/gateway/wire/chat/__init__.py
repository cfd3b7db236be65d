"""Chat completions, as OpenAI publishes them (https://platform.openai.com/docs/api-reference/chat)."""

from headgate.gateway.model import Api
from headgate.gateway.wire.chat.request import ChatRequest, compile_chat
from headgate.gateway.wire.openai import OPENAI
from headgate.gateway.wire.surface import Surface

CHAT = Surface("api.chat", Api.OPENAI, "/chat/completions", OPENAI, compile_chat)

__all__ = ["CHAT", "ChatRequest", "compile_chat"]
