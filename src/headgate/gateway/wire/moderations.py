"""``POST /v1/moderations``: texts and images in, judgements out (https://platform.openai.com/docs/api-reference/moderations).

The API lets a client leave the model out; a gateway that releases models does not guess which one is meant. An answer counts no
tokens, so what was reserved for the input is charged: an estimate that is not refunded, because what is unknown never is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.gateway.model import Api
from headgate.gateway.wire.openai import OPENAI
from headgate.gateway.wire.plain import compile_input
from headgate.gateway.wire.surface import Surface

if TYPE_CHECKING:
    from headgate.gateway.wire.plain import PlainRequest

_NAME = "api.moderations"


def compile_moderation(body: bytes, client_ip: str | None, end_user_key: bytes) -> PlainRequest:
    """Read a body; raises what ``compile_input`` does."""
    return compile_input(_NAME, body, client_ip, end_user_key)


MODERATIONS = Surface(_NAME, Api.OPENAI, "/moderations", OPENAI, compile_moderation)
