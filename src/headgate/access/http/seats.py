"""Cohorts, grants and keys over HTTP."""

# ruff: noqa: TC001  FastAPI reads the annotations

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Response

from headgate.access.http.bodies import (
    Acceptance,
    ChangedCohort,
    NewCohort,
    NewGrant,
    NewKey,
    NewTerms,
    Rotation,
    Share,
    Why,
)
from headgate.access.http.lists import NO_STORE, Listed, page_of, pages
from headgate.access.model import Page
from headgate.access.wire import spelled
from headgate.kernel.actor import Actor
from headgate.kernel.ids import AccountId, GrantId, KeyId

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.access.service import Access


def cohort_routes(access: Access, actor: Callable[..., Any]) -> APIRouter:
    """Return the routes under ``/api/cohorts``."""
    router = APIRouter(prefix="/api/cohorts", tags=["access"])
    asking, asked = Depends(actor), Depends(page_of)

    def listed(by: Actor = asking, page: Page = asked) -> Listed:
        found = access.cohorts.page(page, by=by)
        return pages([spelled.cohort(each.cohort, taken=each.taken) for each in found], page)

    def add(body: NewCohort, by: Actor = asking) -> dict[str, Any]:
        cohort = access.cohorts.add(
            body.name, seats=body.seats, terms_version=body.terms_version, terms_url=body.terms_url, by=by
        )
        return spelled.cohort(cohort, taken=0)

    def one(name: str, by: Actor = asking) -> dict[str, Any]:
        occupied = access.cohorts.get(name, by=by)
        return spelled.cohort(occupied.cohort, taken=occupied.taken)

    def change(name: str, body: ChangedCohort, by: Actor = asking) -> dict[str, Any]:
        now = access.cohorts.get(name, by=by).cohort
        seats = body.seats if "seats" in body.model_fields_set else now.seats
        access.cohorts.change(name, seats=seats, state=body.state or now.state, by=by)
        return one(name, by)

    def change_terms(name: str, body: NewTerms, by: Actor = asking) -> dict[str, Any]:
        access.cohorts.change_terms(name, version=body.version, url=body.url, grace=body.grace, by=by)
        return one(name, by)

    router.add_api_route("", listed, methods=["GET"], summary="List cohorts and how full they are")
    router.add_api_route("", add, methods=["POST"], status_code=201, summary="Enter a cohort")
    router.add_api_route("/{name}", one, methods=["GET"], summary="Return a cohort and how full it is")
    router.add_api_route("/{name}", change, methods=["PATCH"], summary="Change a cohort's seats or state")
    router.add_api_route("/{name}/terms", change_terms, methods=["POST"], summary="Put new terms in force")
    return router


def grant_routes(access: Access, actor: Callable[..., Any]) -> APIRouter:
    """Return the routes under ``/api/grants``."""
    router = APIRouter(prefix="/api/grants", tags=["access"])
    asking, asked = Depends(actor), Depends(page_of)

    def listed(by: Actor = asking, page: Page = asked, account_id: str | None = None, cohort: str | None = None) -> Listed:
        found = access.grants.page(page, account_id=None if account_id is None else AccountId(account_id), cohort=cohort, by=by)
        return pages([spelled.grant(each) for each in found], page)

    def add(body: NewGrant, by: Actor = asking) -> dict[str, Any]:
        grant = access.grants.add(AccountId(body.account_id), body.cohort, ends_at=body.ends_at, starts_at=body.starts_at, by=by)
        return spelled.grant(grant)

    def one(id: str, by: Actor = asking) -> dict[str, Any]:
        return spelled.grant(access.grants.get(GrantId(id), by=by))

    def acceptance(id: str, body: Acceptance, by: Actor = asking) -> dict[str, Any]:
        return spelled.grant(access.grants.record_acceptance(GrantId(id), body.version, evidence=body.evidence, by=by))

    def limit(id: str, body: Share, by: Actor = asking) -> dict[str, Any]:
        return spelled.grant(access.grants.limit(GrantId(id), to_percent=body.to_percent, reason=body.reason, by=by))

    def unlimit(id: str, body: Why, by: Actor = asking) -> dict[str, Any]:
        return spelled.grant(access.grants.unlimit(GrantId(id), reason=body.reason, by=by))

    def pause(id: str, body: Why, by: Actor = asking) -> dict[str, Any]:
        return spelled.grant(access.grants.pause(GrantId(id), reason=body.reason, by=by))

    def resume(id: str, body: Why, by: Actor = asking) -> dict[str, Any]:
        return spelled.grant(access.grants.resume(GrantId(id), reason=body.reason, by=by))

    def end(id: str, body: Why, by: Actor = asking) -> dict[str, Any]:
        return spelled.grant(access.grants.end(GrantId(id), reason=body.reason, by=by))

    router.add_api_route("", listed, methods=["GET"], summary="List grants")
    router.add_api_route("", add, methods=["POST"], status_code=201, summary="Give an account a seat")
    router.add_api_route("/{id}", one, methods=["GET"], summary="Return a grant")
    router.add_api_route("/{id}/acceptance", acceptance, methods=["POST"], summary="Record that terms were accepted elsewhere")
    router.add_api_route("/{id}/limit", limit, methods=["POST"], summary="Leave a seat a share of its quota")
    router.add_api_route("/{id}/unlimit", unlimit, methods=["POST"], summary="Give a seat its whole quota back")
    router.add_api_route("/{id}/pause", pause, methods=["POST"], summary="Let nothing pass under a seat")
    router.add_api_route("/{id}/resume", resume, methods=["POST"], summary="Take a seat out of its pause")
    router.add_api_route("/{id}/end", end, methods=["POST"], summary="Take a seat back for good")
    return router


def key_routes(access: Access, actor: Callable[..., Any]) -> APIRouter:
    """Return the routes under ``/api/keys``."""
    router = APIRouter(prefix="/api/keys", tags=["access"])
    asking, asked = Depends(actor), Depends(page_of)

    def listed(by: Actor = asking, page: Page = asked, account_id: str | None = None, grant_id: str | None = None) -> Listed:
        found = access.keys.page(
            page,
            account_id=None if account_id is None else AccountId(account_id),
            grant_id=None if grant_id is None else GrantId(grant_id),
            by=by,
        )
        return pages([spelled.key(each) for each in found], page)

    def add(body: NewKey, response: Response, by: Actor = asking) -> dict[str, Any]:
        issued = access.keys.add(
            GrantId(body.grant_id), scopes=body.scopes, label=body.label, networks=body.networks, life=body.life, by=by
        )
        response.headers.update(NO_STORE)
        return {**spelled.key(issued.of), "key": issued.secret}

    def one(id: str, by: Actor = asking) -> dict[str, Any]:
        return spelled.key(access.keys.get(KeyId(id), by=by))

    def rotate(id: str, body: Rotation, response: Response, by: Actor = asking) -> dict[str, Any]:
        issued = access.keys.rotate(KeyId(id), overlap=body.overlap, life=body.life, by=by)
        response.headers.update(NO_STORE)
        return {**spelled.key(issued.of), "key": issued.secret}

    def revoke(id: str, body: Why, by: Actor = asking) -> dict[str, Any]:
        return spelled.key(access.keys.revoke(KeyId(id), reason=body.reason, by=by))

    router.add_api_route("", listed, methods=["GET"], summary="List keys")
    router.add_api_route("", add, methods=["POST"], status_code=201, summary="Issue a key; shows its text once")
    router.add_api_route("/{id}", one, methods=["GET"], summary="Return a key")
    router.add_api_route("/{id}/rotate", rotate, methods=["POST"], summary="Issue a successor; shows its text once")
    router.add_api_route("/{id}/revoke", revoke, methods=["POST"], summary="Stop a key for good")
    return router
