"""Speech and its transcripts, as OpenAI publishes them (https://platform.openai.com/docs/api-reference/audio).

Words that become sound are screened as they come in; the sound passes through, and no screen here hears it, so a stage of a gated
model that shows nothing unread does not serve it. Sound that becomes words is the other way round.
"""

from headgate.gateway.model import Api
from headgate.gateway.wire.audio.request import compile_speech, compile_transcription, compile_translation
from headgate.gateway.wire.multipart import FormLimits
from headgate.gateway.wire.openai import OPENAI
from headgate.gateway.wire.surface import FormSurface, Surface

_NAME = "api.audio"
_MIB = 1024 * 1024
_LIMITS = FormLimits(total_bytes=28 * _MIB, file_bytes=25 * _MIB)

SPEECH = Surface(_NAME, Api.OPENAI, "/audio/speech", OPENAI, compile_speech, unread=True)
TRANSCRIPTIONS = FormSurface(_NAME, Api.OPENAI, "/audio/transcriptions", OPENAI, compile_transcription, _LIMITS)
TRANSLATIONS = FormSurface(_NAME, Api.OPENAI, "/audio/translations", OPENAI, compile_translation, _LIMITS)

__all__ = ["SPEECH", "TRANSCRIPTIONS", "TRANSLATIONS", "compile_speech", "compile_transcription", "compile_translation"]
