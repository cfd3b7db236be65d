"""Images as they pass: what was used, and the few words that come with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from headgate.gateway.wire.decoding import decoded
from headgate.gateway.wire.openai import told
from headgate.gateway.wire.plain import ObjectReading
from headgate.gateway.wire.surface import NotAnAnswer, Passing, Piece

if TYPE_CHECKING:
    from headgate.gateway.model import Refusal, Settings
    from headgate.gateway.wire.sse import Frame

_DONE = b"[DONE]"
_PASSING = Passing(forward=True)


class _Event(msgspec.Struct):
    type: Any = None
    revised_prompt: Any = None


class _Image(msgspec.Struct):
    revised_prompt: Any = None


class _Images(msgspec.Struct):
    data: list[_Image] | None = None


_EVENT = msgspec.json.Decoder(_Event)
_IMAGES = msgspec.json.Decoder(_Images)


class ImageReading(ObjectReading):
    """Reads images.

    Args:
        texts: Whether somebody wants the text.
        images: How many were asked for; a stream has an event for the completion of each.
    """

    def __init__(self, *, texts: bool, images: int) -> None:
        super().__init__(texts=texts)
        self._images = images
        self._completed = 0

    @property
    def complete(self) -> bool:
        """Whether at least one image has been completed: a server may draw fewer than were asked for."""
        return self.ended or self.failed or self._completed > 0

    def frame(self, frame: Frame) -> Passing:
        """Take in an event.

        Raises:
            NotAnAnswer: It is not a JSON object.
        """
        data = frame.data
        if data is None or not data.strip():
            return _PASSING
        if data == _DONE:
            self.ended = True
            return _PASSING
        self.take_in(data)
        event = decoded(_EVENT, data)
        if isinstance(event.type, str) and event.type.endswith(".completed"):
            self._completed += 1
            self.ended = self._completed >= self._images
        if self.texts and isinstance(event.revised_prompt, str):
            return Passing(forward=True, pieces=(Piece("revised_prompt", event.revised_prompt),))
        return _PASSING

    def whole(self, body: bytes) -> tuple[Piece, ...]:
        """Take in an answer; return the prompts as the model server rewrote them, where it did.

        Raises:
            NotAnAnswer: It is not a JSON object.
        """
        self.take_in(body)
        if not self.texts:
            return ()
        try:
            images = decoded(_IMAGES, body)
        except msgspec.ValidationError:
            raise NotAnAnswer from None
        return tuple(
            Piece(f"revised_prompt/{index}", image.revised_prompt)
            for index, image in enumerate(images.data or ())
            if isinstance(image.revised_prompt, str)
        )

    def withheld_whole(self, body: bytes, refusal: Refusal, settings: Settings) -> bytes:
        """Return an answer without an image."""
        del body
        return json.dumps({"created": 0, "data": [], "headgate": told(refusal, settings)}, separators=(",", ":")).encode()
