"""Responses, as OpenAI publishes them (https://platform.openai.com/docs/api-reference/responses)."""

from headgate.gateway.model import Api
from headgate.gateway.wire.openai import OPENAI
from headgate.gateway.wire.responses.reading import ResponsesReading
from headgate.gateway.wire.responses.request import ResponsesRequest, compile_responses
from headgate.gateway.wire.surface import Surface

RESPONSES = Surface("api.responses", Api.OPENAI, "/responses", OPENAI, compile_responses)

__all__ = ["RESPONSES", "ResponsesReading", "ResponsesRequest", "compile_responses"]
