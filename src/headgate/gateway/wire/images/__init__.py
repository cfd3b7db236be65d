"""Images, as OpenAI publishes them (https://platform.openai.com/docs/api-reference/images).

What goes in is read and screened as far as it is text; the images themselves pass through. No screen here reads an image, so a
stage of a gated model that shows nothing unread does not serve them.
"""

from headgate.gateway.model import Api
from headgate.gateway.wire.images.request import compile_edit, compile_generation, compile_variation
from headgate.gateway.wire.multipart import FormLimits
from headgate.gateway.wire.openai import OPENAI
from headgate.gateway.wire.surface import FormSurface, Surface

_NAME = "api.images"
_MIB = 1024 * 1024
_LIMITS = FormLimits(total_bytes=200 * _MIB, file_bytes=50 * _MIB)

IMAGE_GENERATIONS = Surface(_NAME, Api.OPENAI, "/images/generations", OPENAI, compile_generation)
IMAGE_EDITS = FormSurface(_NAME, Api.OPENAI, "/images/edits", OPENAI, compile_edit, _LIMITS)
IMAGE_VARIATIONS = FormSurface(_NAME, Api.OPENAI, "/images/variations", OPENAI, compile_variation, _LIMITS)

__all__ = ["IMAGE_EDITS", "IMAGE_GENERATIONS", "IMAGE_VARIATIONS", "compile_edit", "compile_generation", "compile_variation"]
