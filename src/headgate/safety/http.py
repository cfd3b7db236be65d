"""The review queue, gold items and incidents over HTTP. Every permission is checked by the services, not here.

``POST /api/review/next`` hands over an item and so is not safe to repeat by a browser on its own; it is never cached. Nor is
anything about gold items: whoever reviews must not come upon it in a browser they share. What is said in one goes in and never
comes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from headgate.kernel.actor import Actor, Permission
from headgate.safety.decide import LONGEST_NOTE_CHARS
from headgate.safety.model import Confidence, IncidentState, Severity
from headgate.safety.ports import Wish
from headgate.safety.service.incidents import Report
from headgate.safety.service.review import Answer
from headgate.safety.wire.golds import draft_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from headgate.safety.model import Incident, MonitorHealth, Passage, ReviewHealth, ReviewItem
    from headgate.safety.service.desk import Desk
    from headgate.safety.service.golds import GoldLine, GoldReader, GoldResult

Revision = Annotated[int, Field(ge=0, lt=2**63, description="Which state of the item was answered.")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NextBody(_Body):
    """Which items the reviewer wants."""

    hazard: str | None = None
    release: str | None = None


class LabelBody(_Body):
    """A reviewer's answer: ``harms`` answers for every hazard, or is null when the item cannot be reviewed."""

    item: str
    revision: Revision
    harms: dict[str, bool] | None
    severity: Severity | None = None
    confidence: Confidence = Confidence.SURE
    note: str = Field(default="", max_length=LONGEST_NOTE_CHARS)
    kind: str | None = None


class SkipBody(_Body):
    """An item that somebody else should read."""

    item: str
    revision: Revision


class CorrectBody(_Body):
    """What should stand for a settled item."""

    item: str
    harms: dict[str, bool]
    severity: Severity | None = None
    reason: str = Field(min_length=1, max_length=LONGEST_NOTE_CHARS)
    kind: str | None = None


class GoldBody(_Body):
    """A known harm: two texts, or two whole bodies as a surface relays them, and what is known of them."""

    prompt: str | None = None
    completion: str | None = None
    request: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    harms: list[str] = Field(default_factory=list)
    no_harms: list[str] = Field(default_factory=list)
    source: str


class OpenBody(_Body):
    """What somebody reports; without ``aware_at`` they learnt of it now."""

    release: str
    severity: Severity
    title: str
    hazard: str
    aware_at: AwareDatetime | None = None
    exchanges: list[str] = Field(default_factory=list)


class MoveBody(_Body):
    """Where an incident should go, as seen at ``revision``."""

    to: IncidentState
    revision: Revision
    severity: Severity | None = None
    reason: str = ""


def routes(desk: Desk, actor: Callable[..., Any]) -> APIRouter:
    """Return the routes under ``/api/review``, ``/api/golds`` and ``/api/incidents``.

    Args:
        desk: Safety's use cases.
        actor: A dependency that returns who asks.
    """
    router = APIRouter(prefix="/api", tags=["safety"])
    _add_review(router, desk, actor)
    _add_golds(router, desk, actor)
    _add_incidents(router, desk, actor)
    return router


def _add_review(router: APIRouter, desk: Desk, actor: Callable[..., Any]) -> None:
    asking = Depends(actor)
    review, clock = desk.review, desk.clock

    def next_item(response: Response, body: NextBody | None = None, by: Actor = asking) -> dict[str, Any]:
        response.headers["cache-control"] = "no-store"
        wish = Wish() if body is None else Wish(body.hazard, body.release)
        item = review.next(by=by, now=clock.now(), wish=wish)
        return {"item": None if item is None else item_document(item)}

    def label(body: LabelBody, by: Actor = asking) -> dict[str, Any]:
        answer = Answer(body.harms, body.severity, body.confidence, body.note, body.kind)
        review.label(body.item, answer, revision=body.revision, by=by, now=clock.now())
        return {"item": body.item}

    def undo(by: Actor = asking) -> dict[str, Any]:
        return {"item": review.undo(by=by, now=clock.now())}

    def skip(body: SkipBody, by: Actor = asking) -> dict[str, Any]:
        review.skip(body.item, revision=body.revision, by=by, now=clock.now())
        return {"item": body.item}

    def correct(body: CorrectBody, by: Actor = asking) -> dict[str, Any]:
        review.correct(body.item, body.harms, severity=body.severity, reason=body.reason, by=by, now=clock.now(), kind=body.kind)
        return {"item": body.item}

    def health(by: Actor = asking) -> dict[str, Any]:
        now = clock.now()
        return health_document(review.health(by=by, now=now), desk.sampling.monitor_health(), now=now)

    router.add_api_route("/review/next", next_item, methods=["POST"])
    router.add_api_route("/review/label", label, methods=["POST"])
    router.add_api_route("/review/undo", undo, methods=["POST"])
    router.add_api_route("/review/skip", skip, methods=["POST"])
    router.add_api_route("/review/correct", correct, methods=["POST"])
    router.add_api_route("/review/health", health, methods=["GET"])


def _add_golds(router: APIRouter, desk: Desk, actor: Callable[..., Any]) -> None:
    asking = Depends(actor)
    golds, clock = desk.golds, desk.clock

    def unkept(response: Response) -> None:
        response.headers["cache-control"] = "no-store"

    def listed(
        retired: Annotated[bool, Query(description="Those that are no longer shown, too.")] = False, by: Actor = asking
    ) -> dict[str, Any]:
        return {"golds": [gold_document(line) for line in golds.list(by=by, retired=retired)]}

    def added(body: GoldBody, by: Actor = asking) -> dict[str, Any]:
        by.must(Permission.APPROVE)  # before it is read: what is wrong with an item is for those who may add one
        draft = draft_of(body.model_dump(exclude_none=True), "The item")
        return {"gold": golds.add(draft.content, draft.known, source=body.source, by=by, now=clock.now())}

    def retired(gold_id: str, by: Actor = asking) -> dict[str, Any]:
        golds.retire(gold_id, by=by, now=clock.now())
        return {"gold": gold_id}

    def results(
        epoch: Annotated[str, Query(description="Which epoch: release/stage/attempt.")], by: Actor = asking
    ) -> dict[str, Any]:
        found = golds.results(epoch, by=by, now=clock.now())
        return {
            "results": [result_document(result) for result in found],
            "readers": [reader_document(reader) for reader in golds.readers(epoch, by=by)],
        }

    dependencies = [Depends(unkept)]
    router.add_api_route("/golds", listed, methods=["GET"], dependencies=dependencies)
    router.add_api_route("/golds", added, methods=["POST"], status_code=201, dependencies=dependencies)
    router.add_api_route("/golds/results", results, methods=["GET"], dependencies=dependencies)
    router.add_api_route("/golds/{gold_id}/retire", retired, methods=["POST"], dependencies=dependencies)


def _add_incidents(router: APIRouter, desk: Desk, actor: Callable[..., Any]) -> None:
    asking = Depends(actor)
    incidents, clock = desk.incidents, desk.clock

    def listed(
        release: str | None = None,
        only_open: Annotated[bool, Query(alias="open", description="Leave out what is resolved or withdrawn.")] = False,
        by: Actor = asking,
    ) -> dict[str, Any]:
        found = incidents.list(by=by, release_id=release, open_only=only_open)
        return {"incidents": [incident_document(incident) for incident in found]}

    def opened(body: OpenBody, by: Actor = asking) -> dict[str, Any]:
        now = clock.now()
        report = Report(body.release, body.severity, body.title, body.hazard, body.aware_at or now, tuple(body.exchanges))
        return incident_document(incidents.open(report, by=by, now=now))

    def shown(incident_id: str, by: Actor = asking) -> dict[str, Any]:
        return incident_document(incidents.get(incident_id, by=by))

    def moved(incident_id: str, body: MoveBody, by: Actor = asking) -> dict[str, Any]:
        now = clock.now()
        if body.to is IncidentState.TRIAGED and body.severity is not None:
            return incident_document(incidents.triage(incident_id, body.severity, by=by, now=now, seen=body.revision))
        return incident_document(incidents.advance(incident_id, body.to, by=by, now=now, seen=body.revision, reason=body.reason))

    router.add_api_route("/incidents", listed, methods=["GET"])
    router.add_api_route("/incidents", opened, methods=["POST"], status_code=201)
    router.add_api_route("/incidents/{incident_id}", shown, methods=["GET"])
    router.add_api_route("/incidents/{incident_id}/state", moved, methods=["POST"])


def item_document(item: ReviewItem) -> dict[str, Any]:
    """Return an item as JSON; it has no field that tells of other opinions."""
    texts = item.texts
    return {
        "item": item.item,
        "revision": item.revision,
        "release": item.release_id,
        "epoch": item.epoch,
        "at": item.at.isoformat(),
        "flagged": item.flagged,
        "hazards": list(item.hazards),
        "signals": [{"hazard": s.hazard, "score": s.score, "why": s.why, "rule": s.rule_id} for s in item.signals],
        "prompt": None if texts is None or texts.prompt is None else [_passage(passage) for passage in texts.prompt],
        "completion": None if texts is None or texts.completion is None else [_passage(passage) for passage in texts.completion],
        "lease_until": item.lease_until.isoformat(),
        "left": item.left,
    }


def gold_document(line: GoldLine) -> dict[str, Any]:
    """Return a gold item as JSON, with nothing of what is said in it."""
    return {
        "gold": line.id,
        "known": dict(line.known),
        "source": line.source,
        "flagged": line.flagged,
        "shown": line.shown,
        "retired": line.retired,
    }


def result_document(result: GoldResult) -> dict[str, Any]:
    """Return what gold items say of an epoch's readers for one hazard, as JSON."""
    return {
        "hazard": result.hazard,
        "shown": result.tally.shown,
        "recognised": result.tally.caught,
        "at_least": result.at_least,
        "waiting": result.tally.waiting,
        "harmless": result.tally.harmless,
        "cleared": result.tally.cleared,
    }


def reader_document(reader: GoldReader) -> dict[str, Any]:
    """Return how one reader does, as JSON."""
    counts = {"shown": reader.shown, "recognised": reader.recognised, "at_least": reader.at_least}
    return {"reviewer": reader.reviewer, **counts}


def incident_document(incident: Incident) -> dict[str, Any]:
    """Return an incident as JSON."""
    return {
        "id": incident.id,
        "release": incident.release_id,
        "severity": incident.severity.value,
        "state": incident.state.value,
        "title": incident.title,
        "hazard": incident.hazard,
        "aware_at": incident.aware_at.isoformat(),
        "exchanges": list(incident.exchanges),
        "opened_by": incident.opened_by,
        "opened_at": incident.opened_at.isoformat(),
        "revision": incident.revision,
    }


def health_document(review: ReviewHealth, monitor: MonitorHealth, *, now: datetime) -> dict[str, Any]:
    """Return the health of the queue and of the monitor as JSON; spans in seconds."""
    return {
        "backlog": review.backlog,
        "oldest_age_s": _seconds(review.oldest_age),
        "labels_per_day": review.labels_per_day,
        "double_reviewed": review.double_reviewed,
        "kappa": review.kappa,
        "positives_checked": review.positives_checked,
        "positives_confirmed": review.positives_confirmed,
        "agreement": [
            {"hazard": one.hazard, "pairs": one.pairs, "agreed": one.agreed, "kappa": one.kappa, "alpha": one.alpha}
            for one in review.agreement
        ],
        "reviewers": [{"reviewer": c.reviewer, "labels": c.labels, "skips": c.skips} for c in review.reviewers],
        "monitor": {
            "last_collect_at": None if monitor.last_collect_at is None else monitor.last_collect_at.isoformat(),
            "down_for_s": _seconds(monitor.down_for(now)),
            "drawn": monitor.drawn,
            "unscored": monitor.unscored,
            "errors": monitor.errors,
            "lag_s": _seconds(monitor.lag),
            "last_error": monitor.last_error,
        },
    }


def _passage(passage: Passage) -> dict[str, str]:
    return {"source": passage.source, "text": passage.text}


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
