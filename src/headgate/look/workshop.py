"""What is drawn elsewhere: charts for paper, and the chart library for the browser, made once and kept.

The library's address holds the digest of what it is made from, so a browser may keep it for ever, and a new edition has a new
address. It is made at first asking, which takes seconds, and then lies in the data directory. While it cannot be made, pages show
their tables.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, cast

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from headgate.look.assets import FOR_EVER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from starlette.requests import Request

    from headgate.look.charts import Spec

_log = structlog.get_logger(__name__)
VEGA_LITE = "6.4"
SNIPPET = "export { vegaEmbed };"
"""All that the pages' own module asks of the library."""
_LONGEST_S = 120.0
_DIGITS = 16
_DRAWN = 32
_AT = "/charts"


def edition() -> str:
    """Return what the library is made from: two equal editions are the same bytes."""
    return f"{version('vl-convert-python')} {VEGA_LITE} {SNIPPET}"


def library_url() -> str:
    """Return where the browser's chart library is served: another edition, another address."""
    return f"{_AT}/{hashlib.sha256(edition().encode()).hexdigest()[:_DIGITS]}.js"


class NotDrawn(RuntimeError):
    """The drawing process ended badly; what it said is in the log."""


def svgs(specs: Sequence[Spec]) -> tuple[str, ...]:
    """Return a drawing of each specification, whose tokens are filled in.

    Raises:
        NotDrawn: They cannot be drawn.
    """
    return _drawn(json.dumps(specs)) if specs else ()


@lru_cache(maxsize=_DRAWN)
def _drawn(specs: str) -> tuple[str, ...]:
    """Draw what was drawn before no second time: a specification says all of it, and starting to draw takes a second."""
    return tuple(cast("list[str]", json.loads(_run("svg", specs))))


class ChartLibrary:
    """The browser's chart library.

    Args:
        kept_in: A directory to keep it in; made when it is needed.
    """

    def __init__(self, kept_in: Path) -> None:
        self._file = kept_in / f"charts-{library_url().rpartition('/')[2]}"
        self._making = threading.Lock()

    def content(self) -> bytes:
        """Return it, made first if it is not there yet.

        Raises:
            NotDrawn: It cannot be made.
            OSError: It cannot be kept.
        """
        with self._making:
            if not self._file.exists():
                self._file.parent.mkdir(parents=True, exist_ok=True)
                part = self._file.with_suffix(f".{os.getpid()}")
                part.write_text(_run("bundle", ""))
                part.replace(self._file)  # whole or not at all: another process may be reading
            return self._file.read_bytes()

    def route(self) -> Route:
        """Return the route that serves it."""
        return Route(library_url(), self._serve, methods=["GET"])

    async def _serve(self, request: Request) -> Response:
        del request
        try:
            content = await run_in_threadpool(self.content)
        except (NotDrawn, OSError) as error:
            _log.warning("look.no_chart_library", error=type(error).__name__)
            return Response("Charts cannot be drawn just now.\n", 503, {"cache-control": "no-store"}, "text/plain")
        return Response(content, 200, {"cache-control": FOR_EVER, "x-content-type-options": "nosniff"}, "text/javascript")


def _run(what: str, given: str) -> str:
    command = [sys.executable, "-m", "headgate.look.drawing", what]
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=_LONGEST_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotDrawn(f"the drawing process did not end well: {type(error).__name__}") from error
    if done.returncode != 0:
        _log.warning("look.not_drawn", what=what, said=done.stderr[-500:])
        raise NotDrawn(f"the drawing process ended with {done.returncode}")
    return done.stdout
