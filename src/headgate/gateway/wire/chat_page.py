"""The chat page as a way in: a person's messages, in the API that the model's server speaks, under a name of their own.

The page's server writes the bodies, so they hold what the page offers and nothing else; they pass the same door as any client's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headgate.gateway.model import Api
from headgate.gateway.wire.anthropic import ANTHROPIC
from headgate.gateway.wire.chat import CHAT, compile_chat
from headgate.gateway.wire.messages import MESSAGES, compile_messages
from headgate.gateway.wire.openai import OPENAI
from headgate.gateway.wire.surface import Surface

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.gateway.wire.chat import ChatRequest
    from headgate.gateway.wire.messages import MessagesRequest

NAME = "chat_page"


def _chat(body: bytes, client_ip: str | None, end_user_key: bytes) -> ChatRequest:
    request = compile_chat(body, client_ip, end_user_key)
    return replace(request, call=replace(request.call, surface=NAME))


def _messages(body: bytes, client_ip: str | None, end_user_key: bytes) -> MessagesRequest:
    request = compile_messages(body, client_ip, end_user_key)
    return replace(request, call=replace(request.call, surface=NAME))


CHAT_PAGES: Mapping[Api, Surface] = {
    Api.OPENAI: Surface(NAME, Api.OPENAI, CHAT.path, OPENAI, _chat),
    Api.ANTHROPIC: Surface(NAME, Api.ANTHROPIC, MESSAGES.path, ANTHROPIC, _messages),
}
"""The way in, by the API of the model's server."""
