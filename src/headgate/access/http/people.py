"""Organisations, accounts and staff over HTTP."""

# ruff: noqa: TC001  FastAPI reads the annotations

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Response

from headgate.access.http.bodies import Declaration, NewAccount, NewMember, NewOrganisation, Renewal, Why
from headgate.access.http.lists import NO_STORE, Listed, page_of, pages
from headgate.access.model import Page
from headgate.access.wire import spelled
from headgate.kernel.actor import Actor
from headgate.kernel.ids import AccountId, OrganisationId, StaffId

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.access.service import Access


def organisation_routes(access: Access, actor: Callable[..., Any]) -> APIRouter:
    """Return the routes under ``/api/organisations``."""
    router = APIRouter(prefix="/api/organisations", tags=["access"])
    asking, asked = Depends(actor), Depends(page_of)

    def listed(by: Actor = asking, page: Page = asked) -> Listed:
        return pages([spelled.organisation(each) for each in access.organisations.page(page, by=by)], page)

    def add(body: NewOrganisation, by: Actor = asking) -> dict[str, Any]:
        return spelled.organisation(access.organisations.add(body.name, by=by))

    def one(id: str, by: Actor = asking) -> dict[str, Any]:
        return spelled.organisation(access.organisations.get(OrganisationId(id), by=by))

    def suspend(id: str, body: Why, by: Actor = asking) -> dict[str, Any]:
        return spelled.organisation(access.organisations.suspend(OrganisationId(id), reason=body.reason, by=by))

    def reinstate(id: str, body: Why, by: Actor = asking) -> dict[str, Any]:
        return spelled.organisation(access.organisations.reinstate(OrganisationId(id), reason=body.reason, by=by))

    router.add_api_route("", listed, methods=["GET"], summary="List organisations")
    router.add_api_route("", add, methods=["POST"], status_code=201, summary="Enter an organisation")
    router.add_api_route("/{id}", one, methods=["GET"], summary="Return an organisation")
    router.add_api_route("/{id}/suspend", suspend, methods=["POST"], summary="Stop every account of an organisation")
    router.add_api_route("/{id}/reinstate", reinstate, methods=["POST"], summary="Let an organisation back in")
    return router


def account_routes(access: Access, actor: Callable[..., Any]) -> APIRouter:
    """Return the routes under ``/api/accounts``."""
    router = APIRouter(prefix="/api/accounts", tags=["access"])
    asking, asked = Depends(actor), Depends(page_of)

    def listed(by: Actor = asking, page: Page = asked, organisation_id: str | None = None) -> Listed:
        found = access.accounts.page(
            page, organisation_id=None if organisation_id is None else OrganisationId(organisation_id), by=by
        )
        return pages([spelled.account(each) for each in found], page)

    def add(body: NewAccount, by: Actor = asking) -> dict[str, Any]:
        account = access.accounts.add(
            body.name,
            email=body.email,
            organisation_id=None if body.organisation_id is None else OrganisationId(body.organisation_id),
            tier=body.tier,
            simulated=body.simulated,
            by=by,
        )
        return spelled.account(account)

    def one(id: str, by: Actor = asking) -> dict[str, Any]:
        return spelled.account(access.accounts.get(AccountId(id), by=by))

    def declare(id: str, body: Declaration, by: Actor = asking) -> dict[str, Any]:
        return spelled.declared(access.accounts.declare(AccountId(id), **body.model_dump(), by=by))

    def suspend(id: str, body: Why, by: Actor = asking) -> dict[str, Any]:
        return spelled.account(access.accounts.suspend(AccountId(id), reason=body.reason, by=by))

    def reinstate(id: str, body: Why, by: Actor = asking) -> dict[str, Any]:
        return spelled.account(access.accounts.reinstate(AccountId(id), reason=body.reason, by=by))

    def close(id: str, body: Why, by: Actor = asking) -> dict[str, Any]:
        return spelled.account(access.accounts.close(AccountId(id), reason=body.reason, by=by))

    router.add_api_route("", listed, methods=["GET"], summary="List accounts")
    router.add_api_route("", add, methods=["POST"], status_code=201, summary="Enter an account")
    router.add_api_route("/{id}", one, methods=["GET"], summary="Return an account")
    router.add_api_route("/{id}/declare", declare, methods=["POST"], summary="Write down what an account says of itself")
    router.add_api_route("/{id}/suspend", suspend, methods=["POST"], summary="Stop every grant and key of an account")
    router.add_api_route("/{id}/reinstate", reinstate, methods=["POST"], summary="Let an account back in")
    router.add_api_route("/{id}/close", close, methods=["POST"], summary="Close an account for good")
    return router


def staff_routes(access: Access, actor: Callable[..., Any]) -> APIRouter:
    """Return the routes under ``/api/staff``."""
    router = APIRouter(prefix="/api/staff", tags=["access"])
    asking, asked = Depends(actor), Depends(page_of)

    def listed(by: Actor = asking, page: Page = asked) -> Listed:
        return pages([spelled.member(each) for each in access.staff.page(page, by=by)], page)

    def add(body: NewMember, response: Response, by: Actor = asking) -> dict[str, Any]:
        issued = access.staff.add(body.name, roles=body.roles, life=body.life, by=by)
        response.headers.update(NO_STORE)
        return {**spelled.member(issued.of), "token": issued.secret}

    def one(id: str, by: Actor = asking) -> dict[str, Any]:
        return spelled.member(access.staff.get(StaffId(id), by=by))

    def renew(id: str, body: Renewal, response: Response, by: Actor = asking) -> dict[str, Any]:
        issued = access.staff.renew(StaffId(id), life=body.life, by=by)
        response.headers.update(NO_STORE)
        return {**spelled.member(issued.of), "token": issued.secret}

    def revoke(id: str, body: Why, by: Actor = asking) -> dict[str, Any]:
        return spelled.member(access.staff.revoke(StaffId(id), reason=body.reason, by=by))

    router.add_api_route("", listed, methods=["GET"], summary="List staff")
    router.add_api_route("", add, methods=["POST"], status_code=201, summary="Enter a member of staff; shows the token once")
    router.add_api_route("/{id}", one, methods=["GET"], summary="Return a member of staff")
    router.add_api_route("/{id}/renew", renew, methods=["POST"], summary="Issue a new token; shows it once")
    router.add_api_route("/{id}/revoke", revoke, methods=["POST"], summary="End what a member of staff may do")
    return router
