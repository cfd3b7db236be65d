"""Files that the small model keeps in memory, and how any of its kept things is told of and listed."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from headgate.testing.small_model import forms
from headgate.testing.small_model.request import Rejected

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILENAME = re.compile(rb'filename="([^"\r\n]*)"')
_ROWS = frozenset({"batch", "fine-tune"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request about something that is kept.

    Attributes:
        method: How.
        parts: The path below the version, taken apart.
        query: Its query.
        content_type: What its body is said to be.
        body: Its body.
    """

    method: str
    parts: tuple[str, ...]
    query: Mapping[str, str]
    content_type: bytes
    body: bytes

    def value(self) -> dict[str, Any]:
        """Return its body as a JSON object."""
        try:
            return msgspec.json.decode(self.body or b"{}", type=dict[str, Any])
        except msgspec.DecodeError:
            raise Rejected("The body is not a JSON object.") from None


@dataclass(frozen=True, slots=True)
class Told:
    """An answer about something that is kept.

    Attributes:
        body: What is said.
        is_file: Whether it is the content of a file.
    """

    body: bytes
    is_file: bool = False

    @classmethod
    def of(cls, value: object) -> Told:
        """Return a value as an answer."""
        return cls(msgspec.json.encode(value))


class Files:
    """Keeps files."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[dict[str, Any], bytes]] = {}

    def content(self, file_id: str) -> bytes:
        """Return what a file holds."""
        return self._found(file_id)[1]

    def add(self, content: bytes, *, filename: str, purpose: str) -> str:
        """Keep a file and return its name."""
        file_id = "file-" + secrets.token_hex(12)
        value = {
            "id": file_id,
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "filename": filename,
            "purpose": purpose,
            "status": "processed",
        }
        self._kept[file_id] = (value, content)
        return file_id

    def answer(self, asked: Asked) -> Told:
        """Answer a request below ``/files``."""
        match asked.method, asked.parts[1:]:
            case "POST", ():
                return Told.of(self._found(self._upload(asked))[0])
            case "GET", ():
                purpose = asked.query.get("purpose")
                values = [value for value, _ in self._kept.values() if purpose in (None, value["purpose"])]
                return page(values, asked.query)
            case "GET", (file_id,):
                return Told.of(self._found(file_id)[0])
            case "GET", (file_id, "content"):
                return Told(self.content(file_id), is_file=True)
            case "DELETE", (file_id,):
                self._found(file_id)
                del self._kept[file_id]
                return Told.of({"id": file_id, "object": "file", "deleted": True})
            case _:
                raise nothing_there(asked)

    def _upload(self, asked: Asked) -> str:
        form = forms.parse(asked.body, content_type=asked.content_type)
        content = form.given("file")[0]
        purpose = form.one("purpose") or ""
        if purpose in _ROWS:
            _must_be_rows(content)
        named = _FILENAME.search(asked.body)
        return self.add(content, filename=named[1].decode() if named else "file", purpose=purpose)

    def _found(self, file_id: str) -> tuple[dict[str, Any], bytes]:
        if file_id not in self._kept:
            raise Rejected(f"No such File object: {file_id}", status=HTTPStatus.NOT_FOUND, param="id")
        return self._kept[file_id]


def page(values: list[dict[str, Any]], query: Mapping[str, str]) -> Told:
    """Return a page of a list, newest first."""
    newest = values[::-1]
    after = query.get("after")
    start = next((index for index, value in enumerate(newest, 1) if value["id"] == after), 0)
    shown = newest[start : start + int(query.get("limit", "20"))]
    return Told.of(
        {
            "object": "list",
            "data": shown,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": shown[-1]["id"] if shown else None,
            "has_more": start + len(shown) < len(newest),
        }
    )


def nothing_there(asked: Asked) -> Rejected:
    """Return what is said of a path that leads nowhere."""
    path = "/".join(asked.parts)
    return Rejected(f"There is nothing at {asked.method} {path}.", status=HTTPStatus.NOT_FOUND, code="not_found")


def _must_be_rows(content: bytes) -> None:
    for line in re.split(rb"\r?\n", content):
        if line:
            try:
                msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.DecodeError:
                raise Rejected("The file is not JSON lines.", param="file") from None
