"""Releases over HTTP, for staff: where each stands, what was decided and why, and every verb of the command line.

Who may do what is decided by the service; a route only says who asks. A signature names the evidence that was looked at,
and an applied plan the difference that was shown, so a page left open cannot decide on what it no longer shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from headgate.kernel.actor import Actor  # noqa: TC001 - FastAPI reads the signatures
from headgate.kernel.ids import DecisionId, ReleaseId
from headgate.releases.decide.diff import diff
from headgate.releases.errors import PlanInvalid
from headgate.releases.model.release import SignedFor
from headgate.releases.wire.canonical import plan_digest
from headgate.releases.wire.checking import check_plan
from headgate.releases.wire.spelled import decision_json, difference_json, release_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.releases.model.plan import Plan
    from headgate.releases.service import ReleaseService


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Because(_Asked):
    """A reason."""

    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class Narrowing(Because):
    """How far to narrow, and why."""

    to: Annotated[str, Field(description="The last stage that stays open.")]


class Resuming(Because):
    """Why to go on, and after a cut how far."""

    to: Annotated[str | None, Field(description="After a cut: the last stage to open again; the first by default.")] = None


class Signing(_Asked):
    """What is signed for, and the evidence that was seen."""

    purpose: SignedFor
    seen: Annotated[str, Field(description="Digest of the evidence that was looked at; see to-sign.")]
    to: Annotated[int, Field(ge=1, description="After a cut: how many stages would be opened.")] = 1
    note: Annotated[str, Field(max_length=2000)] = ""


class Waiving(Because):
    """Which gate to bypass, until when, and why."""

    gate: str
    until: AwareDatetime


class Applying(_Asked):
    """A plan to carry out."""

    plan: Annotated[str, Field(max_length=1_000_000, description="The plan as YAML or JSON.")]
    expected: Annotated[str | None, Field(description="The token that the difference was shown with.")] = None
    at: Annotated[AwareDatetime | None, Field(description="When the first stage opens by itself.")] = None
    draft: bool = False
    replace: Annotated[bool, Field(description="Withdraw the release of the model's present version.")] = False


class Comparing(_Asked):
    """A plan to compare with what is under way."""

    plan: Annotated[str, Field(max_length=1_000_000, description="The plan as YAML or JSON.")]


def routes(service: ReleaseService, actor: Callable[..., Any]) -> APIRouter:
    """Return the routes of releases.

    Args:
        service: The use cases.
        actor: A dependency that returns who asks.
    """
    router = APIRouter(prefix="/api/releases", tags=["releases"])
    asking = Depends(actor)
    _reading(router, service, asking)
    _planning(router, service, asking)
    _deciding(router, service, asking)
    return router


def _reading(router: APIRouter, service: ReleaseService, asking: Any) -> None:
    @router.get("", summary="List releases, newest first")
    def listed(by: Actor = asking) -> list[Any]:
        return [release_json(release) for release in service.list(by=by)]

    @router.get("/decisions", summary="List decisions, newest first")
    def decisions(
        by: Actor = asking,
        release: Annotated[str | None, Query(description="Of one release only.")] = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="How many at most.")] = 100,
    ) -> list[Any]:
        of = None if release is None else service.find(release, by=by).id
        return [decision_json(made) for made in service.decisions(by=by, release_id=of, limit=limit)]

    @router.get("/decisions/{decision_id}", summary="Make a past decision again from what was stored for it")
    def explained(decision_id: str, by: Actor = asking) -> Any:
        return service.explain(DecisionId(decision_id), by=by).json()

    @router.get("/decisions/{decision_id}/what-if", summary="What a past decision would be without some of its evidence")
    def decision_what_if(
        decision_id: str,
        by: Actor = asking,
        without: Annotated[str | None, Query(description="A record, or a gate; each in turn by default.")] = None,
    ) -> list[Any]:
        return [found.json() for found in service.decision_without(DecisionId(decision_id), without, by=by)]

    @router.get("/{name}/what-if", summary="What a release would stand on without some of its evidence")
    def release_what_if(
        name: str,
        by: Actor = asking,
        without: Annotated[str | None, Query(description="A record, or a gate; each in turn by default.")] = None,
    ) -> list[Any]:
        return [found.json() for found in service.release_without(service.find(name, by=by), without, by=by)]

    @router.get("/{name}", summary="Where a release stands")
    def status(name: str, by: Actor = asking) -> Any:
        return service.status(service.find(name, by=by), by=by).json()

    @router.get("/{release_id}/to-sign", summary="The evidence that a signature would be under")
    def to_sign(
        release_id: str,
        by: Actor = asking,
        to: Annotated[str | None, Query(description="After a cut: the last stage to open again.")] = None,
        *,
        declared_risk: Annotated[bool, Query(description="Sign for a declared risk.")] = False,
    ) -> Any:
        release, material = service.to_sign(ReleaseId(release_id), by=by, declared_risk=declared_risk, to=to)
        return {"release": release.id, "seen": material.digest, "material": material.json()}

    @router.get("/{release_id}/loses", summary="Who would lose access by a narrower release")
    def loses(
        release_id: str,
        by: Actor = asking,
        to: Annotated[str | None, Query(description="The last stage that stays open; none by default.")] = None,
    ) -> Any:
        stopped = service.stopped_by(ReleaseId(release_id), to=to, by=by)
        return {
            "closes": list(stopped.closes),
            "cohorts": [{"cohort": cohort, "seats": seats} for cohort, seats in stopped.cohorts],
            "accounts": stopped.accounts,
            "exchanges": stopped.exchanges,
        }


def _planning(router: APIRouter, service: ReleaseService, asking: Any) -> None:
    @router.post("/compare", summary="What a plan would open and shut, and the token to apply it with")
    def compare(body: Comparing, by: Actor = asking) -> Any:
        plan = _plan(body.plan)
        known = service.list(by=by)  # asks for the permission to look
        old = service.plan_under_way(plan) if known else None
        changes = diff(old, plan) if old is not None else []
        return {
            "plan": plan_digest(plan),
            "token": service.token(plan),
            "changes": [difference_json(change) for change in changes],
        }

    @router.post("", summary="Apply a plan")
    def apply(body: Applying, by: Actor = asking) -> Any:
        release, decision = service.apply(
            _plan(body.plan), by=by, expected=body.expected, at=body.at, draft=body.draft, replace_old=body.replace
        )
        return {"release": release_json(release), "decision": None if decision is None else decision_json(decision)}


def _plan(text: str) -> Plan:
    read = check_plan(text, "plan")
    if read.plan is None or not read.ok:
        first = read.findings.errors[0]
        raise PlanInvalid(first.message, rule=first.code, help=first.fix)
    return read.plan


def _deciding(router: APIRouter, service: ReleaseService, asking: Any) -> None:  # noqa: C901 - one route for each verb
    def verb(name: str, summary: str) -> Any:
        return router.post(f"/{{release_id}}/{name}", summary=summary)

    @verb("hold", "Widen nothing further")
    def hold(release_id: str, body: Because, by: Actor = asking) -> Any:
        return decision_json(service.hold(ReleaseId(release_id), reason=body.reason, by=by))

    @verb("narrow", "Close every stage above one")
    def narrow(release_id: str, body: Narrowing, by: Actor = asking) -> Any:
        return decision_json(service.narrow(ReleaseId(release_id), to=body.to, reason=body.reason, by=by))

    @verb("cut", "Close the release to everyone at once")
    def cut(release_id: str, body: Because, by: Actor = asking) -> Any:
        return decision_json(service.cut(ReleaseId(release_id), reason=body.reason, by=by))

    @verb("withdraw", "End the release for good")
    def withdraw(release_id: str, body: Because, by: Actor = asking) -> Any:
        return decision_json(service.withdraw(ReleaseId(release_id), reason=body.reason, by=by))

    @verb("open", "Open the first stage")
    def open_(release_id: str, by: Actor = asking) -> Any:
        return decision_json(service.open(ReleaseId(release_id), by=by))

    @verb("promote", "Open the next stage, if everything passes")
    def promote(release_id: str, by: Actor = asking) -> Any:
        return decision_json(service.promote(ReleaseId(release_id), by=by))

    @verb("declare-risk", "Open the next stage although the gates do not pass; takes two people")
    def declare_risk(release_id: str, body: Because, by: Actor = asking) -> Any:
        return decision_json(service.declare_risk(ReleaseId(release_id), because=body.reason, by=by))

    @verb("resume", "Let the release go on")
    def resume(release_id: str, body: Resuming, by: Actor = asking) -> Any:
        return decision_json(service.resume(ReleaseId(release_id), reason=body.reason, by=by, to=body.to))

    @verb("approve", "Sign under the evidence that was looked at")
    def approve(release_id: str, body: Signing, by: Actor = asking) -> Any:
        made = service.approve(ReleaseId(release_id), purpose=body.purpose, seen=body.seen, by=by, to=body.to, note=body.note)
        return decision_json(made)

    @verb("waive", "Bypass one gate; takes two people")
    def waive(release_id: str, body: Waiving, by: Actor = asking) -> Any:
        made = service.waive(ReleaseId(release_id), gate_id=body.gate, reason=body.reason, until=body.until, by=by)
        return decision_json(made)

    del hold, narrow, cut, withdraw, open_, promote, declare_risk, resume, approve, waive
