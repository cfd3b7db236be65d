"""Forms, read by the parser that most Python servers use, and no more strictly than they do."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

from python_multipart import parse_form
from python_multipart.exceptions import FormParserError

from headgate.testing.small_model.request import Rejected

if TYPE_CHECKING:
    from python_multipart.multipart import Field, File


@dataclass(slots=True)
class FormAsked:
    """A form.

    Attributes:
        fields: By name, each with its values in order.
        files: By name, each with its contents in order.
        metadata: Nothing; a form has none.
    """

    fields: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    files: dict[str, list[bytes]] = field(default_factory=dict[str, list[bytes]])
    metadata: dict[str, str] | None = None

    @property
    def model(self) -> str:
        """The model's name."""
        return self.one("model") or ""

    def one(self, name: str) -> str | None:
        """Return the last value of a field, as lenient servers do."""
        values = self.fields.get(name)
        return values[-1] if values else None

    def number(self, name: str, default: int) -> int:
        """Return a field that is a whole number.

        Raises:
            Rejected: It is not.
        """
        text = self.one(name)
        if text is None:
            return default
        if not text.isdecimal():
            raise Rejected(f"{name} must be a whole number.", param=name)
        return int(text)

    def given(self, name: str) -> list[bytes]:
        """Return the files of a name, an array's included.

        Raises:
            Rejected: There is none.
        """
        found = self.files.get(name, []) + self.files.get(f"{name}[]", [])
        if not found:
            raise Rejected(f"{name} must be a file.", param=name)
        return found


def parse(body: bytes, *, content_type: bytes) -> FormAsked:
    """Read a form.

    Raises:
        Rejected: It is none.
    """
    asked = FormAsked()

    def on_field(read: Field) -> None:
        asked.fields.setdefault((read.field_name or b"").decode(), []).append((read.value or b"").decode())

    def on_file(read: File) -> None:
        read.file_object.seek(0)
        asked.files.setdefault((read.field_name or b"").decode(), []).append(read.file_object.read())

    headers = {"Content-Type": content_type, "Content-Length": str(len(body)).encode()}
    try:
        parse_form(headers, BytesIO(body), on_field, on_file)
    except (FormParserError, ValueError) as wrong:
        raise Rejected("The body is not a form.", code="invalid_form") from wrong
    return asked
