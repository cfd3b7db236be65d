"""Files that pages ask for: style sheets and scripts, each under an address that changes with its content.

A browser may therefore keep them for ever. They are read once; a name that is not there is never looked for on the disk.
"""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Mount, Route

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

    from starlette.requests import Request

_DIGITS = 12
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _Asset:
    name: str
    content: bytes
    media_type: str
    digest: str


class Assets:
    """The files of some packages' ``static`` folders.

    Args:
        packages: Packages with such a folder; a name that two of them have is an error.
        at: The path under which they are served.

    Raises:
        ValueError: Two packages have a file of the same name.
    """

    def __init__(self, *packages: str, at: str = "/static") -> None:
        self._at = at
        self._assets: dict[str, _Asset] = {}
        for package in packages:
            for name, file in _walk(resources.files(package) / "static", ""):
                if name in self._assets:
                    raise ValueError(f"two files are called {name}")
                content = file.read_bytes()
                kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
                self._assets[name] = _Asset(name, content, kind, hashlib.sha256(content).hexdigest()[:_DIGITS])
        self.version = hashlib.sha256("".join(sorted(each.digest for each in self._assets.values())).encode()).hexdigest()[
            :_DIGITS
        ]

    def url(self, name: str) -> str:
        """Return where a file is served.

        All files share one version in the path, so that scripts may import each other by relative names.

        Raises:
            KeyError: There is no such file.
        """
        return f"{self._at}/{self.version}/{self._assets[name].name}"

    def route(self) -> Mount:
        """Return the route that serves them."""
        return Mount(self._at, routes=[Route("/{version}/{name:path}", self._serve, methods=["GET"])])

    def _serve(self, request: Request) -> Response:
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        current = request.path_params["version"] == self.version
        headers = {"cache-control": FOR_EVER if current else "no-store", "x-content-type-options": "nosniff"}
        return Response(asset.content, 200, headers, asset.media_type)


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for each in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if each.is_dir():
            yield from _walk(each, f"{prefix}{each.name}/")
        else:
            yield f"{prefix}{each.name}", each
