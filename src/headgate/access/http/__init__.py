"""Access over HTTP: parse, know who asks, call one use case, spell the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from headgate.access.http.outside import outside_routes
from headgate.access.http.people import account_routes, organisation_routes, staff_routes
from headgate.access.http.seats import cohort_routes, grant_routes, key_routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.access.service import Access

__all__ = ["routes"]


def routes(service: Access, actor: Callable[..., Any]) -> APIRouter:
    """Return every route of access.

    Args:
        service: The use cases.
        actor: A dependency that returns who asks, for the routes that are for staff.
    """
    router = APIRouter()
    for of_staff in (organisation_routes, account_routes, cohort_routes, grant_routes, key_routes, staff_routes):
        router.include_router(of_staff(service, actor))
    router.include_router(outside_routes(service))
    return router
