"""A fine-tuning job: what asks for one, and what an upstream says of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import msgspec

from headgate.gateway.errors import WrongType
from headgate.gateway.wire import fields
from headgate.gateway.wire.document import patched, read
from headgate.gateway.wire.surface import NotAnAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.gateway.wire.document import Document

SURFACE = "api.fine_tuning"
PATH = "/fine_tuning/jobs"
CAPABILITY = "fine_tuning"
"""The right to have a model learn, and to be served what it has learnt."""

FINAL = frozenset({"succeeded", "failed", "cancelled"})
"""States in which a job stays."""
_FILES = ("training_file", "validation_file")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request for a job.

    Attributes:
        model: The model that is to learn.
        files: What it is to learn from, and what it is to be tested with, by the field that names it.
        capabilities: Rights that the job makes use of, besides those that its files do.
        document: The body.
    """

    model: str
    files: dict[str, str]
    capabilities: frozenset[str]
    document: Document

    def forwarded(self, upstream_model: str) -> bytes:
        """Return the body for the upstream: as it came, except for the model's name."""
        edit = self.document.setting("model", json.dumps(upstream_model))
        return patched(self.document.text, [edit] if edit is not None and upstream_model != self.model else [])


def read_wanted(body: bytes) -> Wanted:
    """Read a request for a job.

    Raises:
        Malformed: It is not one JSON object in UTF-8, or a key stands twice in one object.
        WrongType: A field that must be understood cannot be.
    """
    document = read(body)
    files: dict[str, str] = {}
    for field in _FILES:
        value: Any = document.value(field)
        if value is None and field != "training_file":
            continue
        if not isinstance(value, str) or not value:
            raise WrongType(f"{field} must be a non-empty string.", param=field)
        files[field] = value
    return Wanted(fields.model(document), files, _capabilities(document), document)


def _capabilities(document: Document) -> frozenset[str]:
    """Return what a job makes use of. A grader is run by the upstream, and must not be another model by another door."""
    method = fields.mapping(document, "method") or {}
    keys = set(_keys(method))
    if "model" in keys:
        raise WrongType("A grader that is a model is not served.", param="method")
    return frozenset({CAPABILITY, "hosted_tools"} if keys & {"grader", "graders"} else {CAPABILITY})


def _keys(value: Any) -> Iterator[str]:
    """Yield every key in a value. Not recursive: depth is the client's choice."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(cast("list[Any]", item))
        elif isinstance(item, dict):
            members = cast("dict[str, Any]", item)
            yield from members
            waiting.extend(members.values())


class _Job(msgspec.Struct):
    id: str
    status: str
    fine_tuned_model: str | None = None
    result_files: list[str] | None = None


_JOB = msgspec.json.Decoder(_Job)


@dataclass(frozen=True, slots=True)
class Job:
    """What an upstream says of a job.

    Attributes:
        id: Its identifier.
        status: How far it is.
        tuned_model: What the upstream calls the model that came of it, once there is one.
        files: Files that it has written.
    """

    id: str
    status: str
    tuned_model: str | None
    files: tuple[str, ...]

    @property
    def final(self) -> bool:
        """Whether it will stay as it is."""
        return self.status in FINAL


def read_job(body: bytes) -> Job:
    """Read what an upstream says of a job.

    Raises:
        NotAnAnswer: It is not a job.
    """
    try:
        job = _JOB.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise NotAnAnswer from None
    return Job(job.id, job.status, job.fine_tuned_model or None, tuple(job.result_files or ()))


class _Checkpoint(msgspec.Struct):
    fine_tuned_model_checkpoint: str | None = None


class _Checkpoints(msgspec.Struct):
    data: list[_Checkpoint]


_CHECKPOINTS = msgspec.json.Decoder(_Checkpoints)


def read_checkpoints(body: bytes) -> tuple[str, ...]:
    """Return what an upstream calls the models that it kept along the way of a job.

    Raises:
        NotAnAnswer: It is not a list of checkpoints.
    """
    try:
        found = _CHECKPOINTS.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise NotAnAnswer from None
    return tuple(checkpoint.fine_tuned_model_checkpoint for checkpoint in found.data if checkpoint.fine_tuned_model_checkpoint)
