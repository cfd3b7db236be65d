"""The surfaces beside conversations: which path reads what, and answers how."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from headgate.testing.small_model import audio, completions, embeddings, forms, images, moderations

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.testing.small_model.answer import SmallModel
    from headgate.testing.small_model.said import Said


@dataclass(frozen=True, slots=True)
class Plain:
    """A request that was read.

    Attributes:
        model: The model that it names.
        metadata: What it says about itself.
        answer: Answers it.
    """

    model: str
    metadata: dict[str, str] | None
    answer: Callable[[], Said]

    def answered(self) -> Said:
        """Return the answer."""
        return self.answer()


class PlainSurfaces:
    """Reads and answers requests by their path.

    Args:
        model: Finds the words.
    """

    def __init__(self, model: SmallModel) -> None:
        self._model = model
        self._readers: dict[str, Callable[[bytes, bytes], Plain]] = {
            "/v1/completions": self._completions,
            "/v1/embeddings": self._embeddings,
            "/v1/moderations": self._moderations,
            "/v1/images/generations": self._generations,
            "/v1/images/edits": partial(self._form, lambda asked: images.edit(asked, created=int(time.time()))),
            "/v1/images/variations": partial(self._form, lambda asked: images.vary(asked, created=int(time.time()))),
            "/v1/audio/speech": self._speech,
            "/v1/audio/transcriptions": partial(self._form, partial(audio.transcribe, model)),
            "/v1/audio/translations": partial(self._form, partial(audio.transcribe, model)),
        }

    def __contains__(self, path: str) -> bool:
        """Return whether a path is one of these."""
        return path in self._readers

    def read(self, path: str, content_type: bytes, body: bytes) -> Plain:
        """Read a request.

        Raises:
            Rejected: It is wrong.
        """
        return self._readers[path](content_type, body)

    def _completions(self, content_type: bytes, body: bytes) -> Plain:
        del content_type
        asked = completions.parse(body)
        return Plain(asked.model, asked.metadata, partial(completions.answer, self._model, asked, created=int(time.time())))

    def _embeddings(self, content_type: bytes, body: bytes) -> Plain:
        del content_type
        asked = embeddings.parse(body)
        return Plain(asked.model, asked.metadata, partial(embeddings.answer, asked))

    def _moderations(self, content_type: bytes, body: bytes) -> Plain:
        del content_type
        asked = moderations.parse(body)
        return Plain(asked.model, asked.metadata, partial(moderations.answer, asked))

    def _generations(self, content_type: bytes, body: bytes) -> Plain:
        del content_type
        asked = images.parse(body)
        return Plain(asked.model, asked.metadata, partial(images.generate, asked, created=int(time.time())))

    def _speech(self, content_type: bytes, body: bytes) -> Plain:
        del content_type
        asked = audio.parse(body)
        return Plain(asked.model, asked.metadata, partial(audio.speak, asked))

    def _form(self, answer: Callable[[forms.FormAsked], Said], content_type: bytes, body: bytes) -> Plain:
        asked = forms.parse(body, content_type=content_type)
        return Plain(asked.model, None, partial(answer, asked))
