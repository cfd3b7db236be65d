"""Evidence over HTTP, for staff: every verb of the command line. Who may do what is decided by the service, not here.

A file comes in the body, in base 64, so it is bounded by the largest body that is taken at all; larger ones are handed in on the
command line.
"""

from __future__ import annotations

import json
from base64 import b64decode
from io import BytesIO
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from headgate.evidence.errors import EvidenceDone, FilingInvalid
from headgate.evidence.model.filing import Disposition, Opinion, Statement
from headgate.evidence.model.record import Access, Direction, Effort, Elicitation, Evaluator, Kind, Relationship, Status
from headgate.evidence.ports import Wanted
from headgate.evidence.service import Declaration, HandedIn
from headgate.evidence.wire.spelled import filed_json, refusal_json
from headgate.kernel.actor import Actor  # noqa: TC001 - FastAPI reads the annotations when it runs
from headgate.kernel.units import parse_span

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from headgate.evidence.service import Filing
    from headgate.kernel.clock import Clock

_LONGEST = 2000
Short = Annotated[str, Field(min_length=1, max_length=200)]
Reason = Annotated[str, Field(min_length=1, max_length=_LONGEST)]
Revision = Annotated[int | None, Field(ge=1, lt=2**63, description="Which state of the record was looked at.")]


def _decoded(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("not a text in base 64")  # noqa: TRY004 - Pydantic tells of values that are wrong
    return b64decode(text, validate=True)


Content = Annotated[
    bytes,
    PlainValidator(_decoded),
    WithJsonSchema({"type": "string", "format": "byte", "description": "The file, in base 64."}),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EvaluatorBody(_Body):
    """Who measured."""

    name: Short
    relationship: Relationship
    access: Access = Access.UNSTATED


class ElicitationBody(_Body):
    """How hard was tried."""

    effort: Effort = Effort.UNSTATED
    steps: Annotated[tuple[Short, ...], Field(max_length=100)] = ()
    attempts: Annotated[int, Field(ge=1, le=10**6)] = 1
    note: Annotated[str, Field(max_length=_LONGEST)] = ""


class StatementBody(_Body):
    """What a document for people says."""

    title: Annotated[str, Field(min_length=1, max_length=300)]
    opinion: Opinion | None = None


class AddBody(_Body):
    """A file of results, or a document with a ``statement`` of what it says."""

    content: Content
    name: Short | None = None
    release: Short
    kind: Kind
    suite: Short
    expires: Annotated[
        str, Field(max_length=20, pattern=r"^\d{1,5}[smhdw]$", description="How long it counts.", examples=["90d"])
    ]
    domain: Short | None = None
    direction: Direction | None = None
    elicitation: ElicitationBody = ElicitationBody()
    evaluator: EvaluatorBody | None = None
    preliminary: bool = False
    produced_at: AwareDatetime | None = None
    statement: StatementBody | None = None


class BecauseBody(_Body):
    """A reason, and which state of the record was looked at."""

    because: Reason
    revision: Revision = None


class SupersedeBody(BecauseBody):
    """The later record, and why it is better."""

    successor: Short


class CarryBody(BecauseBody):
    """For whose version a record is to count too, and why the difference does not matter."""

    release: Short


class DisposeBody(BecauseBody):
    """What was done about a finding."""

    how: Disposition


def routes(filing: Filing, clock: Clock, actor: Callable[..., Any]) -> APIRouter:
    """Return the routes under ``/api/evidence``.

    Args:
        filing: The use cases.
        clock: The time, for saying what has expired.
        actor: A dependency that returns who asks.
    """
    router = APIRouter(prefix="/api/evidence", tags=["evidence"])
    asking = Depends(actor)
    _filing(router, filing, clock, asking)
    _judging(router, filing, clock, asking)
    return router


def _filing(router: APIRouter, filing: Filing, clock: Clock, asking: Any) -> None:
    def listed(
        release: str | None = None,
        suite: str | None = None,
        kind: Kind | None = None,
        everything: Annotated[bool, Query(alias="all", description="Also what was superseded.")] = False,
        by: Actor = asking,
    ) -> dict[str, Any]:
        now = clock.now()
        found = filing.list(Wanted(release, suite, kind, in_force=not everything), by=by)
        return {"evidence": [filed_json(filed, now=now) for filed in found]}

    def added(body: AddBody, by: Actor = asking) -> dict[str, Any]:
        result = filing.add(HandedIn(BytesIO(body.content), body.name), _declared(body), by=by)
        now = clock.now()
        return {
            "filed": [filed_json(filed, now=now) for filed in result.filed],
            "left_out": [refusal_json(refusal) for refusal in result.left_out],
        }

    def shown(record: str, by: Actor = asking) -> dict[str, Any]:
        return filed_json(filing.get(record, by=by), now=clock.now())

    def exported(record: str, by: Actor = asking) -> dict[str, Any]:
        document = filing.exported(filing.get(record, by=by))
        if document is None:
            raise EvidenceDone("This record holds no number that could be exported.")
        read: dict[str, Any] = json.loads(document)
        return read

    router.add_api_route("", listed, methods=["GET"], summary="List filed evidence, the last filed first")
    router.add_api_route("", added, methods=["POST"], status_code=201, summary="File evidence")
    router.add_api_route("/{record}", shown, methods=["GET"], summary="Show a record and all that was done to it")
    router.add_api_route("/{record}/export", exported, methods=["GET"], summary="A record as Every Eval Ever has it")


def _judging(router: APIRouter, filing: Filing, clock: Clock, asking: Any) -> None:
    def supersede(record: str, body: SupersedeBody, by: Actor = asking) -> dict[str, Any]:
        done = filing.supersede(record, successor=body.successor, because=body.because, by=by, seen=body.revision)
        return filed_json(done, now=clock.now())

    def finalise(record: str, body: BecauseBody, by: Actor = asking) -> dict[str, Any]:
        return filed_json(filing.finalise(record, because=body.because, by=by, seen=body.revision), now=clock.now())

    def carry(record: str, body: CarryBody, by: Actor = asking) -> dict[str, Any]:
        done = filing.carry(record, release=body.release, because=body.because, by=by, seen=body.revision)
        return filed_json(done, now=clock.now())

    def dispose(record: str, body: DisposeBody, by: Actor = asking) -> dict[str, Any]:
        return filed_json(filing.dispose(record, body.how, because=body.because, by=by, seen=body.revision), now=clock.now())

    for name, verb, summary in (
        ("supersede", supersede, "Put a later record in its place; takes a second person"),
        ("finalise", finalise, "Say that the evaluator stands by it"),
        ("carry", carry, "Let it count for another version; takes two people"),
        ("dispose", dispose, "Answer what a red team found"),
    ):
        router.add_api_route(f"/{{record}}/{name}", verb, methods=["POST"], summary=summary)


def _declared(body: AddBody) -> Declaration:
    who, how, said = body.evaluator, body.elicitation, body.statement
    return Declaration(
        release=body.release,
        kind=body.kind,
        suite=body.suite,
        domain=body.domain or body.suite,
        valid_for=_span(body.expires),
        direction=body.direction,
        elicitation=Elicitation(how.effort, how.steps, how.attempts, how.note),
        evaluator=None if who is None else Evaluator(who.name, who.relationship, who.access),
        status=Status.PRELIMINARY if body.preliminary else Status.FINAL,
        produced_at=body.produced_at,
        statement=None if said is None else Statement(said.title, said.opinion),
    )


def _span(text: str) -> timedelta:
    try:
        return parse_span(text)
    except ValueError as wrong:
        raise FilingInvalid(str(wrong)) from None
