"""What people outside may ask: report a leaked key, and accept the terms of a grant with a key of it.

A report needs no credential and is answered alike whatever it names. It is refused only for its form, which says nothing
about any key: it cannot be read, it is larger than 64 KiB, it names more than a hundred. Two forms are read:
``{"keys": ["hg_…"]}``, and the list that secret scanners send, ``[{"token": "hg_…", …}]``.
"""

# ruff: noqa: TC001  FastAPI reads the annotations

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from headgate.access.errors import KeyMalformed, LeakReportInvalid
from headgate.access.http.bodies import Accepted
from headgate.access.service.keys import LEAKS_AT_MOST
from headgate.access.wire import spelled

if TYPE_CHECKING:
    from headgate.access.service import Access

REPORT_BYTES = 64 * 1024
"""The largest report that is read."""


class _Report(msgspec.Struct, frozen=True):
    keys: list[str]


class _Found(msgspec.Struct, frozen=True):
    token: str


_REPORT = msgspec.json.Decoder(_Report | list[_Found])


def outside_routes(access: Access) -> APIRouter:
    """Return ``/api/leaks`` and ``/api/terms``."""
    router = APIRouter(tags=["access"])

    async def report(request: Request) -> Response:
        texts = read_report(await _bounded(request))
        await run_in_threadpool(access.report_leaks, texts)
        return Response(status_code=202)

    def accept(body: Accepted, request: Request) -> dict[str, Any]:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise KeyMalformed("Accepting terms needs a key.", help="Send it as Authorization: Bearer hg_…")
        peer = request.client.host if request.client else ""
        return spelled.grant(access.accept_terms(text.strip(), body.version, peer=peer))

    router.add_api_route("/api/leaks", report, methods=["POST"], status_code=202, summary="Report leaked keys")
    router.add_api_route("/api/terms", accept, methods=["POST"], summary="Accept the terms of the grant that a key is of")
    return router


def read_report(body: bytes) -> list[str]:
    """Return the texts that a report names.

    Raises:
        LeakReportInvalid: It cannot be read, or names too many.
    """
    try:
        report = _REPORT.decode(body)
    except (ValueError, RecursionError):  # msgspec's errors and broken UTF-8 are ValueErrors
        raise LeakReportInvalid("The report cannot be read.", help='Send {"keys": ["hg_…"]} as JSON.') from None
    texts = report.keys if isinstance(report, _Report) else [found.token for found in report]
    if len(texts) > LEAKS_AT_MOST:
        raise LeakReportInvalid(f"A report names {LEAKS_AT_MOST} keys at most.", help="Send several reports.")
    return texts


async def _bounded(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > REPORT_BYTES:
            raise LeakReportInvalid(f"A report has {REPORT_BYTES} bytes at most.", help="Send several reports.")
    return bytes(body)
