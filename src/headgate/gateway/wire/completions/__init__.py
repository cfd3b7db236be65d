"""Completions of a prompt, the API before chat, as OpenAI publishes it (https://platform.openai.com/docs/api-reference/completions)."""

from headgate.gateway.model import Api
from headgate.gateway.wire.completions.request import CompletionRequest, compile_completion
from headgate.gateway.wire.openai import OPENAI
from headgate.gateway.wire.surface import Surface

COMPLETIONS = Surface("api.completions", Api.OPENAI, "/completions", OPENAI, compile_completion)

__all__ = ["COMPLETIONS", "CompletionRequest", "compile_completion"]
