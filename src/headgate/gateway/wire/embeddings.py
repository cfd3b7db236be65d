"""``POST /v1/embeddings``: texts in, numbers out (https://platform.openai.com/docs/api-reference/embeddings).

No model writes anything here, so no completion token is reserved or charged, and an output screen finds nothing to read. What
goes in is screened like any prompt. Token numbers, which some clients send unasked, are a capability: no screen can read them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.gateway.model import Api
from headgate.gateway.wire.openai import OPENAI
from headgate.gateway.wire.plain import compile_input
from headgate.gateway.wire.surface import Surface

if TYPE_CHECKING:
    from headgate.gateway.wire.plain import PlainRequest

_NAME = "api.embeddings"


def compile_embedding(body: bytes, client_ip: str | None, end_user_key: bytes) -> PlainRequest:
    """Read a body; raises what ``compile_input`` does. A conversation in the place of the input is not of this API."""
    return compile_input(_NAME, body, client_ip, end_user_key, not_served=("messages",))


EMBEDDINGS = Surface(_NAME, Api.OPENAI, "/embeddings", OPENAI, compile_embedding)
