"""Which recorded exchanges can be replayed, and the request that each is replayed for.

A recorded request is used as it is wherever it is one for the surface; otherwise the least request that has such an answer.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from headgate.gateway import wire as codecs
from headgate.gateway.wire.surface import Surface, referring
from headgate.kernel.errors import HeadgateError
from wire import oracles, recorded

if TYPE_CHECKING:
    from headgate.gateway.wire.surface import Reading, Request
    from wire.oracles import Said
    from wire.recorded import Recorded

PATHS = {
    "chat": "/chat/completions",
    "completions": "/completions",
    "embeddings": "/embeddings",
    "moderations": "/moderations",
    "responses": "/responses",
    "messages": "/messages",
    "messages.count_tokens": "/messages/count_tokens",
    "images": "/images/generations",
    "audio": "/audio/speech",
}
"""Where Headgate has what the catalogue calls a surface."""
NOT_REPLAYED = {
    "assistants": 75,
    "audio": 9,
    "batches": 8,
    "complete(legacy)": 7,
    "conversations": 14,
    "error-body": 4,
    "files": 36,
    "fine_tuning": 3,
    "messages.batches": 13,
    "models": 19,
    "ollama-native": 27,
    "other": 12,
    "rerank": 5,
    "vector_stores": 14,
}
"""Surfaces that are not one JSON body up and one answer down, or that Headgate does not have, and how many exchanges each."""
MINIMAL: dict[str, dict[str, Any]] = {
    "/chat/completions": {"messages": [{"role": "user", "content": "Hi"}]},
    "/completions": {"prompt": "Hi"},
    "/embeddings": {"input": "Hi"},
    "/moderations": {"input": "Hi"},
    "/responses": {"input": "Hi"},
    "/messages": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 900},
    "/messages/count_tokens": {"messages": [{"role": "user", "content": "Hi"}]},
    "/images/generations": {"prompt": "Hi"},
    "/audio/speech": {"input": "Hi", "voice": "alloy"},
}
ADDED_USAGE = frozenset({"/chat/completions", "/completions"})
"""Where Headgate asks for the usage of a stream when the client did not, and keeps it to itself."""
SYNTHETIC = "a-model-of-ours"


@cache
def surfaces() -> dict[str, Surface]:
    """Return every surface that some module of the gateway's codecs describes, by its path."""
    found: dict[str, Surface] = {}
    for module in pkgutil.walk_packages(codecs.__path__, f"{codecs.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Surface):
                found[value.path] = value
    return found


@dataclass(frozen=True)
class Exchange:
    """A recorded exchange with the request that it is replayed for."""

    recorded: Recorded
    surface: Surface
    body: bytes
    is_own: bool
    """Whether the body is the recorded one."""

    @property
    def asked(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def path(self) -> str:
        return self.surface.path

    @property
    def streamed(self) -> bool:
        return self.recorded.streamed and self.recorded.status == 200

    @property
    def choices(self) -> int:
        return self.asked.get("n") or 1

    @cached_property
    def said(self) -> Said | None:
        """What the answer says, by an oracle; ``None`` where it is not JSON."""
        return oracles.said(self.path, self.recorded.body, streamed=self.streamed, choices=self.choices)

    def request(self) -> Request:
        return self.surface.compile(self.body, None, b"k" * 32)

    def reading(self, *, texts: bool) -> Reading:
        return self.request().reading(texts=texts)


def path_of(one: Recorded) -> str | None:
    """Return where Headgate has what a recording is of; ``None`` for what is not one JSON body up and one answer down."""
    path = PATHS.get(one.surface)
    return None if path == "/audio/speech" and not one.url.endswith(path) else path


@cache
def exchanges() -> tuple[Exchange, ...]:
    """Return what can be replayed: every recorded call that takes one JSON body and gives one answer."""
    return tuple(
        _exchange(one, surfaces()[path])
        for one in recorded.everything()
        if one.method == "POST" and (path := path_of(one)) is not None and not one.url.endswith("/compact")
    )


def _exchange(one: Recorded, surface: Surface) -> Exchange:
    try:
        request = surface.compile(one.request, None, b"k" * 32)
    except HeadgateError:
        pass
    else:
        naming = referring(request)
        ownable = naming is None or all(reference.kind is not None for reference in naming.references)
        waited_for = "background" not in request.call.capabilities
        if (request.call.stream == one.streamed or one.status != 200) and waited_for and ownable:
            return Exchange(one, surface, one.request, is_own=True)
    # Which choices there were is only to be seen in the answer, where the request was not kept.
    choices = len(set(re.findall(rb'"index": ?(\d+), ?"(?:delta|text)"', one.body))) if surface.path in ADDED_USAGE else 0
    asked = {"model": SYNTHETIC, **MINIMAL[surface.path], **({"n": choices} if choices > 1 else {})}
    return Exchange(one, surface, json.dumps(asked | ({"stream": True} if one.streamed else {})).encode(), is_own=False)
