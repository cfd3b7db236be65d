"""Every path that the two APIs publish, by name: which surface it is, by which methods, and whether Headgate serves it.

A path that is not served is refused by the name of what it would have been, so that a person learns what to ask for, or that
there is nothing to ask for; a path of neither API is unknown. Nothing is passed through because nobody thought of it: what is
not in this table is not a way in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from headgate.gateway.errors import MethodNotAllowed, SurfaceNotAdmitted, SurfaceUnknown
from headgate.gateway.model import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = "/v1/"
_POST = frozenset({"POST"})
_GET = frozenset({"GET"})
_REST = "**"
"""Stands for all that follows, slashes included; ``*`` stands for one part of a path."""

_QUERY = frozenset({"beta", "api-version"})
"""What of a query the model servers of these APIs read; the rest could only be read by one that nobody here knows."""

_SERVED: Mapping[str, tuple[str, frozenset[str]]] = {
    "chat/completions": ("api.chat", _POST),
    "completions": ("api.completions", _POST),
    "embeddings": ("api.embeddings", _POST),
    "moderations": ("api.moderations", _POST),
    "images/generations": ("api.images", _POST),
    "images/edits": ("api.images", _POST),
    "images/variations": ("api.images", _POST),
    "audio/speech": ("api.audio", _POST),
    "audio/transcriptions": ("api.audio", _POST),
    "audio/translations": ("api.audio", _POST),
    "responses": ("api.responses", _POST),
    "responses/*": ("api.responses", frozenset({"GET", "DELETE"})),
    "responses/*/cancel": ("api.responses", _POST),
    "responses/*/input_items": ("api.responses", _GET),
    "messages": ("api.messages", _POST),
    "messages/count_tokens": ("api.messages", _POST),
    "models": ("models", _GET),
    "models/**": ("models", frozenset({"GET", "DELETE"})),
    "files": ("api.files", frozenset({"GET", "POST"})),
    "files/*": ("api.files", frozenset({"GET", "DELETE"})),
    "files/*/content": ("api.files", _GET),
    "batches": ("api.batches", frozenset({"GET", "POST"})),
    "batches/*": ("api.batches", _GET),
    "batches/*/cancel": ("api.batches", _POST),
    "fine_tuning/jobs": ("api.fine_tuning", frozenset({"GET", "POST"})),
    "fine_tuning/jobs/*": ("api.fine_tuning", _GET),
    "fine_tuning/jobs/*/cancel": ("api.fine_tuning", _POST),
    "fine_tuning/jobs/*/pause": ("api.fine_tuning", _POST),
    "fine_tuning/jobs/*/resume": ("api.fine_tuning", _POST),
    "fine_tuning/jobs/*/events": ("api.fine_tuning", _GET),
    "fine_tuning/jobs/*/checkpoints": ("api.fine_tuning", _GET),
}
"""What Headgate serves, below the version."""

_FAMILIES: Mapping[str, str] = {
    "chat": "api.chat",
    "images": "api.images",
    "audio": "api.audio",
    "audio/voices": "voices",
    "audio/voice_consents": "voices",
    "responses": "api.responses",
    "responses/input_tokens": "counts of response tokens",
    "responses/compact": "compaction of responses",
    "realtime": "api.realtime",
    "files": "api.files",
    "uploads": "uploads",
    "batches": "api.batches",
    "fine_tuning": "api.fine_tuning",
    "messages": "api.messages",
    "messages/batches": "message batches",
    "complete": "text completions of the Anthropic API",
    "engines": "engines",
    "edits": "edits",
    "answers": "answers",
    "assistants": "assistants",
    "threads": "threads",
    "vector_stores": "vector stores",
    "conversations": "conversations",
    "containers": "containers",
    "evals": "evals",
    "videos": "videos",
    "chatkit": "chatkit",
    "live": "live sessions",
    "decisions": "decisions",
    "content_provenance_checks": "content provenance checks",
    "safety": "safety cases",
    "webhook_endpoints": "webhooks",
    "webhook_event_types": "webhooks",
    "webhooks": "webhooks",
    "agents": "agents",
    "skills": "skills",
    "vaults": "vaults",
    "sessions": "agent sessions",
    "environments": "agent environments",
    "deployments": "agent deployments",
    "deployment_runs": "agent deployments",
    "dreams": "dreams",
    "memory_stores": "memory stores",
    "tunnels": "tunnels",
    "user_profiles": "user profiles",
    "organization": "administration",
    "organizations": "administration",
    "projects": "administration",
    "dashboard": "administration",
    "usage": "administration",
}
"""What else there is, by the first parts of its path: a surface that a plan can name, or one that none can."""

_SERVED_PARTS = {template: tuple(template.split("/")) for template in _SERVED}
_OPEN = ", ".join(sorted({f"{ROOT}{template}" for template in _SERVED if "*" not in template}))


@dataclass(frozen=True, slots=True)
class Way:
    """A path that one of the APIs publishes.

    Attributes:
        surface: What plans call it, or what its API does where no plan can name it.
        methods: How it may be asked for here; none where it is not served.
    """

    surface: str
    methods: frozenset[str] = frozenset()

    @property
    def served(self) -> bool:
        """Whether Headgate serves it."""
        return bool(self.methods)


def find(path: str) -> Way | None:
    """Return what a path is, ``None`` for one of neither API.

    Args:
        path: As the client sent it, without its query.
    """
    if not path.startswith(ROOT):
        return None
    rest = path[len(ROOT) :]
    parts = tuple(rest.split("/"))
    exact = _SERVED.get(rest)
    if exact is None:
        exact = next((_SERVED[template] for template, pattern in _SERVED_PARTS.items() if _matches(pattern, parts)), None)
    if exact is not None and "/".join(parts[:2]) not in _UNSERVED_PAIRS:
        return Way(*exact)
    family = _FAMILIES.get("/".join(parts[:2])) or _FAMILIES.get(parts[0])
    return None if family is None else Way(family)


def turned_away(path: str, method: str) -> Refusal:
    """Return why a request that no surface took is refused.

    Args:
        path: As the client sent it, without its query.
        method: How it was asked for.
    """
    way = find(path)
    if way is None:
        return Refusal(SurfaceUnknown("There is no such path here.", rule="surface", help=f"Served: {_OPEN}."))
    if way.served and method not in way.methods:
        allowed = ", ".join(sorted(way.methods))
        return Refusal(
            MethodNotAllowed("This path takes another method.", rule="method", help=f"Use {allowed}."),
            allowed,
        )
    if way.surface == "api.realtime":
        return Refusal(
            SurfaceNotAdmitted(
                "api.realtime is not served: what is said in it could not be screened or cut as it is spoken.",
                rule="surface",
                help="Use /v1/responses, or /v1/audio where the stage admits it.",
            )
        )
    return Refusal(SurfaceNotAdmitted(f"{way.surface} is not served here.", rule="surface", help=f"Served: {_OPEN}."))


_UNSERVED_PAIRS = frozenset(name for name in _FAMILIES if "/" in name)
"""Paths that look like one of the served templates and are something else: an object's name is not one of these words."""


def _matches(pattern: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    if pattern[-1] == _REST:
        return len(parts) >= len(pattern) and parts[: len(pattern) - 1] == pattern[:-1] and bool(parts[-1])
    return len(pattern) == len(parts) and all(
        part and (wanted in ("*", part)) for wanted, part in zip(pattern, parts, strict=True)
    )


def onward_query(query_string: bytes) -> str:
    """Return what of a request's query goes upstream, with its question mark; empty where nothing does."""
    if not query_string:
        return ""
    kept = [(name, value) for name, value in parse_qsl(query_string.decode("latin-1")) if name in _QUERY]
    return f"?{urlencode(kept)}" if kept else ""
