"""Whether what a stage opens can be served as the plan says: by its model server, and under its output screen."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headgate.releases.model.findings import Finding, Path, finding
from headgate.releases.model.plan import Api, Capability, OutputScreen, Plan, Stage, Surface, Upstream
from headgate.releases.model.words import ANTHROPIC_SURFACES

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNREADABLE = frozenset({Surface.API_IMAGES, Surface.API_AUDIO})
"""Surfaces whose answers are pictures or sound; a screen reads text."""
_TOO_LATE = {OutputScreen.NONE: "are never screened", OutputScreen.AFTER: "are screened only once they were shown"}
_PORTS = {"http": 80, "https": 443}


def lint_serving(plan: Plan) -> Iterator[Finding]:
    """Yield findings on model servers, surfaces and output screens that do not go together."""
    yield from _replicas(plan.model.upstream)
    for at, stage in enumerate(plan.stages):
        here: Path = ("stages", at)
        yield from _spoken(plan.model.upstream, stage, here)
        yield from _screened(stage, here)


def _replicas(upstream: Upstream) -> Iterator[Finding]:
    seen = {_server(upstream.url)}
    for at, replica in enumerate(upstream.replicas):
        server = _server(replica.url)
        if server in seen:
            path = ("model", "upstream", "replicas", at, "url")
            said = f"{replica.url} stands here a second time: one server would be taken for two, and sent twice its share"
            yield finding("plan.repeated_replica", path, said, "take it out, or write another address")
        seen.add(server)


def _server(url: str) -> tuple[str | None, int | None, str]:
    parts = urlsplit(url)
    return parts.hostname, parts.port or _PORTS.get(parts.scheme), parts.path


def _spoken(upstream: Upstream, stage: Stage, here: Path) -> Iterator[Finding]:
    if upstream.api is Api.BOTH:
        return
    for position, surface in enumerate(stage.what.surfaces):
        if not surface.value.startswith("api."):
            continue
        needed = Api.ANTHROPIC if surface in ANTHROPIC_SURFACES else Api.OPENAI
        if needed is not upstream.api:
            said = f"`{surface.value}` takes a server that speaks {needed.value}; this one speaks {upstream.api.value}"
            fix = f"write api: {needed.value} or api: both if the server speaks it, or take the surface out"
            yield finding("plan.api_not_spoken", (*here, "what", "surfaces", position), said, fix)


def _screened(stage: Stage, here: Path) -> Iterator[Finding]:
    if stage.watch is None or stage.irreversible:
        return
    screen, path = stage.watch.output_screen, (*here, "watch", "output_screen")
    late = _TOO_LATE.get(screen)
    if late is not None and Capability.STREAMING in stage.what.capabilities:
        said = f"answers on `{stage.name}` are streamed and {late}, so a harmful one cannot be stopped"
        yield finding("plan.unscreened_stream", path, said, "write output_screen: hold_back, or trail")
    unreadable = [surface.value for surface in stage.what.surfaces if surface in _UNREADABLE]
    if unreadable and late is None:
        said = f"`{unreadable[0]}` answers with what no screen can read, and `{stage.name}` shows nothing that was not read"
        fix = "open it on a stage with output_screen: after, or take it out"
        yield finding("plan.unscannable", path, said, fix)
