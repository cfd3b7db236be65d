"""Rows of a batch's output: each is the answer to one row of its input, or says why there is none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.gateway.errors import Malformed
from headgate.gateway.wire.document import patched, read
from headgate.gateway.wire.openai import told
from headgate.gateway.wire.surface import NotAnAnswer

if TYPE_CHECKING:
    from headgate.gateway.model import Refusal, Settings
    from headgate.gateway.wire.document import Document
    from headgate.gateway.wire.surface import Reading, Surface

_ANY_REQUEST = b'{"model":"any","messages":[{"role":"user","content":"any"}],"input":"any"}'
"""A request that most surfaces of a batch can read: how a whole answer is read does not hang on what was asked."""
_ANY_PROMPT = b'{"model":"any","prompt":"any"}'


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """A row of a batch's output.

    Attributes:
        custom_id: The row that it answers.
        status: The answer's HTTP status; ``None`` where there is no answer.
        body: The answer, byte for byte; empty where there is none.
        document: The whole row, and where everything stands.
    """

    custom_id: str
    status: int | None
    body: bytes
    document: Document

    @property
    def answered(self) -> bool:
        """Whether the model has answered."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - success

    def withheld(self, refusal: Refusal, settings: Settings) -> bytes:
        """Return the row with an error in the place of the answer, which says why."""
        said = told(refusal, settings)
        error = json.dumps({"code": said["code"], "message": said["message"], "headgate": said})
        edits = [edit for edit in (self.document.setting("response", "null"), self.document.setting("error", error)) if edit]
        if "error" not in self.document.members:
            edits.append(self.document.adding({"error": error}))
        return patched(self.document.text, edits)


def read_answer(line: bytes) -> AnswerRow:
    """Read a row.

    Raises:
        NotAnAnswer: It is not a row of a batch's output.
    """
    try:
        document = read(line)
        custom_id = document.value("custom_id")
        if not isinstance(custom_id, str):
            raise NotAnAnswer
        if not isinstance(document.value("response"), dict):
            return AnswerRow(custom_id, None, b"", document)
        response = document.inner("response")
        status = response.value("status_code")
        if not isinstance(status, int) or isinstance(status, bool) or "body" not in response.members:
            raise NotAnAnswer
    except Malformed:
        raise NotAnAnswer from None
    at = response.members["body"].at
    return AnswerRow(custom_id, status, document.text[at.start : at.end].encode(), document)


def reading_of(surface: Surface) -> Reading:
    """Return what reads a whole answer of a surface, texts included."""
    request = _ANY_PROMPT if surface.name == "api.completions" else _ANY_REQUEST
    return surface.compile(request, None, b"any").reading(texts=True)
