"""The public release pages and their feeds: what the plan publishes, worked out at most twice a minute whoever asks.

Everything here is the same for every reader: no cookie is read and none is set, so that a cache may stand before it. A release
whose plan publishes nothing has no address here, and its name is not to be found out.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from headgate.kernel.errors import HeadgateError
from headgate.look.headers import SECURE
from headgate.look.problems import problem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from headgate.kernel.clock import Clock
    from headgate.look.pages import Pages
    from headgate.releases.decide.publishing import Published
    from headgate.safety.model import Incident

AT = "/release"
FRESH_S = 30
"""How long what was worked out is told again."""
_ATOM = "http://www.w3.org/2005/Atom"
_HTML, _JSON, _FEED = "text/html; charset=utf-8", "application/json", "application/atom+xml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class PublicIncident:
    """What the public is told of something that happened; never what was said.

    Attributes:
        id: ``inc_…``.
        hazard: Which kind of harm.
        severity: How bad.
        state: How far its handling has come.
        at: When somebody first knew.
    """

    id: str
    hazard: str
    severity: str
    state: str
    at: str


@dataclass(frozen=True, slots=True)
class Told:
    """A release, and what happened in it.

    Attributes:
        release: The release.
        incidents: What happened; ``None`` where that is left out.
    """

    release: Published
    incidents: tuple[PublicIncident, ...] | None

    @property
    def mark(self) -> str:
        """What changes with anything that is told, but for when it was read."""
        spelled = {**_spelled(self), "read_at": None, "decisions": [one.id for one in self.release.decisions or ()]}
        return hashlib.sha256(json.dumps(spelled, sort_keys=True).encode()).hexdigest()

    @property
    def why(self) -> Mapping[str, str]:
        """Why something is left out, by what it is."""
        return {part.value: reason for part, reason in self.release.left_out.items()}


class PublicPages:
    """Serves what is published.

    Args:
        published: Returns what the plans publish; the newest release of a model first.
        incidents: Returns the incidents of a release.
        pages: The templates.
        origin: Where they are reached.
        clock: For how long something is told again.
    """

    def __init__(
        self,
        *,
        published: Callable[[], Sequence[Published]],
        incidents: Callable[[str], Sequence[Incident]],
        pages: Pages,
        origin: str,
        clock: Clock,
    ) -> None:
        self._published = published
        self._incidents = incidents
        self._pages = pages
        self._origin = origin
        self._clock = clock
        self._told: Mapping[str, Told] = {}
        self._told_s = float("-inf")
        self._telling = asyncio.Lock()

    def routes(self) -> list[BaseRoute]:
        """Return its addresses. A model's name may hold a slash, so what is asked of it stands before the name."""
        return [
            Route(AT, self.every, methods=["GET"]),
            Route(f"{AT}/json/{{model:path}}", self.as_json, methods=["GET"]),
            Route(f"{AT}/atom/{{model:path}}", self.as_atom, methods=["GET"]),
            Route(f"{AT}/{{model:path}}", self.one, methods=["GET"]),
        ]

    async def names(self) -> frozenset[str]:
        """Return the models that have a page."""
        return frozenset(await self._all())

    async def every(self, request: Request) -> Response:
        """List the published releases."""
        told = await self._all()
        page = self._pages.render("portal/releases.html", told=list(told.values()), at=AT)
        return self._answer(request, page, _HTML, tuple(told.values()))

    async def one(self, request: Request) -> Response:
        """Show one."""
        told = (await self._all()).get(request.path_params["model"])
        if told is None:
            page = self._pages.render("portal/trouble.html", trouble=_NOTHING, at=AT)
            return self._answer(request, page, _HTML, None)
        return self._answer(request, self._pages.render("portal/release.html", told=told, at=AT), _HTML, (told,))

    async def as_json(self, request: Request) -> Response:
        """Tell one as JSON: a JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/) with where it stands beside."""
        told = (await self._all()).get(request.path_params["model"])
        if told is None:
            body = bytes(problem_of(_NOTHING, HTTPStatus.NOT_FOUND).body).decode()
            return self._answer(request, body, "application/problem+json", None)
        return self._answer(request, json.dumps(self._feed(told), ensure_ascii=False), _JSON, (told,))

    async def as_atom(self, request: Request) -> Response:
        """Tell one as Atom (RFC 4287)."""
        told = (await self._all()).get(request.path_params["model"])
        if told is None:
            return self._answer(request, _NOTHING.message, "text/plain; charset=utf-8", None)
        return self._answer(request, self._atom(told), _FEED, (told,))

    async def _all(self) -> Mapping[str, Told]:
        async with self._telling:  # whoever comes meanwhile waits for the same answer
            if self._clock.monotonic() - self._told_s >= FRESH_S:
                self._told = await run_in_threadpool(self._read)
                self._told_s = self._clock.monotonic()
            return self._told

    def _read(self) -> Mapping[str, Told]:
        found: dict[str, Told] = {}
        for release in self._published():
            if release.model not in found:
                happened = self._incidents(release.release_id) if release.tells_incidents else None
                found[release.model] = Told(release, None if happened is None else _public(happened))
        return found

    def _answer(self, request: Request, body: str, media_type: str, told: Sequence[Told] | None) -> Response:
        """Return an answer; what it tells of is the same for every worker but for the second at which each read it."""
        headers = {**SECURE, "cache-control": f"public, max-age={FRESH_S}"}
        if told is None:
            return Response(body, HTTPStatus.NOT_FOUND, headers, media_type)
        mark = hashlib.sha256("".join(one.mark for one in told).encode()).hexdigest()[:32]
        headers["etag"] = f'W/"{mark}"'
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(None, HTTPStatus.NOT_MODIFIED, headers)
        return Response(body, HTTPStatus.OK, headers, media_type)

    def _url(self, model: str, form: str = "") -> str:
        return f"{self._origin}{AT}{form}/{quote(model, safe='')}"

    def _feed(self, told: Told) -> dict[str, Any]:
        release = told.release
        items = [
            {
                "id": decision.id,
                "date_published": decision.at.isoformat(),
                "title": _title(release.model, decision.what),
                "content_text": _title(release.model, decision.what) + (f": {decision.stage}" if decision.stage else ""),
            }
            for decision in release.decisions or ()
        ]
        return {
            "version": "https://jsonfeed.org/version/1.1",
            "title": f"{release.model}, released in stages",
            "home_page_url": self._url(release.model),
            "feed_url": self._url(release.model, "/json"),
            "items": items,
            "_headgate": _spelled(told),
        }

    def _atom(self, told: Told) -> str:
        release = told.release
        feed = ET.Element("feed", {"xmlns": _ATOM})
        _child(feed, "id", self._url(release.model))
        _child(feed, "title", f"{release.model}, released in stages")
        newest = max((decision.at for decision in release.decisions or ()), default=release.at)
        _child(feed, "updated", newest.isoformat())
        _child(ET.SubElement(feed, "author"), "name", "Headgate")
        ET.SubElement(feed, "link", {"rel": "self", "href": self._url(release.model, "/atom")})
        ET.SubElement(feed, "link", {"rel": "alternate", "href": self._url(release.model)})
        for decision in release.decisions or ():
            entry = ET.SubElement(feed, "entry")
            _child(entry, "id", f"urn:headgate:{decision.id}")
            _child(entry, "title", _title(release.model, decision.what))
            _child(entry, "updated", decision.at.isoformat())
            _child(entry, "summary", decision.stage or decision.what)
        return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(feed, encoding="unicode")


class NothingPublished(HeadgateError):
    """No release of this name is published."""

    code = "public.nothing"


_NOTHING = NothingPublished("No release of this name is published.", help="See which are.")


def _title(model: str, what: str) -> str:
    return f"{model} {what}"


def _child(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text


def _public(incidents: Sequence[Incident]) -> tuple[PublicIncident, ...]:
    """Return what is told of incidents that somebody has looked at: a draft is a report, and what was withdrawn was none."""
    return tuple(
        PublicIncident(one.id, one.hazard, one.severity.value, one.state.value, one.aware_at.isoformat(timespec="minutes"))
        for one in incidents
        if one.state.value not in ("draft", "withdrawn")
    )


def _spelled(told: Told) -> dict[str, Any]:
    release = told.release
    plain = {"release_id", "at", "place", "decisions", "tells_incidents", "left_out", "exposure"}
    spelled = {name: value for name, value in asdict(release).items() if name not in plain}
    seen = release.exposure
    exposure = seen and {"accounts": seen.accounts, "organisations": seen.organisations, "exchanges": seen.exchanges}
    incidents = None if told.incidents is None else [asdict(one) for one in told.incidents]
    opened, of = release.place
    return {
        **spelled,
        "read_at": release.at.isoformat(),
        "stages_open": opened,
        "stages_in_all": of,
        "exposure": exposure,
        "incidents": incidents,
        "left_out": told.why,
    }
