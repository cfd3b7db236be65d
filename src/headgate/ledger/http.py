"""The ledger over HTTP: look entries up, take proofs and checkpoints away. Nothing is written here but signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import PlainTextResponse

from headgate.kernel.actor import Actor, Permission
from headgate.ledger.errors import NoCheckpoint
from headgate.ledger.wire import spelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.ledger.service import Ledger


_LARGEST = 2**63 - 1
"""No ledger comes to have more entries: a database counts them in 64 bits."""

Place = Annotated[int, Path(ge=0, le=_LARGEST, description="An entry's place, counted from 1.")]


def routes(service: Ledger, actor: Callable[..., Any]) -> APIRouter:
    """Return the ledger's routes.

    Args:
        service: The use cases.
        actor: A dependency that returns who asks.
    """
    router = APIRouter(prefix="/api/ledger", tags=["ledger"])
    asking = Depends(actor)

    def entries(
        by: Actor = asking,
        kind: Annotated[str | None, Query(description="A whole kind (grant.revoked), or its noun alone (grant).")] = None,
        subject: Annotated[str | None, Query(description="What it happened to.")] = None,
        who: Annotated[str | None, Query(alias="actor", description="Who did it.")] = None,
        after: Annotated[int, Query(ge=0, le=_LARGEST, description="Only entries after this place.")] = 0,
        limit: Annotated[int, Query(ge=1, le=1000, description="How many at most.")] = 100,
    ) -> dict[str, Any]:
        by.must(Permission.VIEW)
        found = service.search(kind=kind, subject=subject, actor=who, after=after, limit=limit)
        return {
            "head": spelled.head(service.head()),
            "entries": [spelled.recorded(each) for each in found],
            "next_after": found[-1].seq if len(found) == limit else None,
        }

    def latest_checkpoint(by: Actor = asking) -> str:
        by.must(Permission.VIEW)
        note = service.latest_checkpoint()
        if note is None:
            raise NoCheckpoint("No checkpoint was signed yet.", help="Sign one with POST to this address.")
        return note

    def sign_checkpoint(by: Actor = asking) -> str:
        by.must(Permission.VIEW)
        return service.checkpoint()

    def consistency(
        first: Annotated[int, Query(alias="from", ge=0, le=_LARGEST, description="The earlier size.")],
        by: Actor = asking,
        second: Annotated[
            int | None, Query(alias="to", ge=0, le=_LARGEST, description="The later size; the present one when absent.")
        ] = None,
    ) -> dict[str, Any]:
        by.must(Permission.VIEW)
        return spelled.consistency(service.consistency(first, second))

    def entry(seq: Place, by: Actor = asking) -> dict[str, Any]:
        by.must(Permission.VIEW)
        return spelled.recorded(service.entry(seq))

    def proof(
        seq: Place,
        by: Actor = asking,
        size: Annotated[
            int | None, Query(ge=1, le=_LARGEST, description="The tree to prove it in; the present one when absent.")
        ] = None,
    ) -> dict[str, Any]:
        by.must(Permission.VIEW)
        return spelled.inclusion(service.prove(seq, size=size))

    router.add_api_route("", entries, methods=["GET"], summary="Look entries up")
    router.add_api_route(
        "/checkpoint",
        latest_checkpoint,
        methods=["GET"],
        summary="Return the latest signed checkpoint",
        response_class=PlainTextResponse,
    )
    router.add_api_route(
        "/checkpoint", sign_checkpoint, methods=["POST"], summary="Sign the present head", response_class=PlainTextResponse
    )
    router.add_api_route("/consistency", consistency, methods=["GET"], summary="Prove that the ledger has only grown")
    router.add_api_route("/{seq}", entry, methods=["GET"], summary="Return one entry")
    router.add_api_route("/{seq}/proof", proof, methods=["GET"], summary="Prove that an entry is in the ledger")
    return router
