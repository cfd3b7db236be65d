"""One release: how far it is open, what each gate says and shows, what blocks and who can unblock, what was decided and why."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from headgate.console.pages.release_commands import COMMANDS
from headgate.console.rail import STANDING, rail, seats
from headgate.console.visit import Handed, Screen, Shown, Visit
from headgate.kernel.actor import Permission
from headgate.kernel.errors import Unavailable
from headgate.kernel.ids import DecisionId, ReleaseId
from headgate.releases.errors import DecisionNotFound
from headgate.reports.cards import cards

if TYPE_CHECKING:
    from headgate.console.desks import Desks
    from headgate.console.visit import Table
    from headgate.reports.cards import GateCard
    from headgate.safety.model import Incident

_FEW_DECISIONS = 20


def table(desks: Desks) -> Table:
    """Return the addresses that show a release."""

    def one(visit: Visit) -> Shown:
        picture = desks.picturing.picture(release_of(visit), by=visit.actor)
        gates = cards(picture, _incidents(desks, visit))
        every = "decisions" in visit.query
        return Shown(
            "console/release.html",
            {
                "picture": picture,
                "status": picture.status,
                "release": picture.release,
                "cards": [(card, _version(card)) for card in gates],
                "pools": rail(picture.release, {each.rung.stage: each.counted for each in picture.exposures}),
                "standing": STANDING,
                "seats": seats,
                "commands": COMMANDS,
                "decisions": picture.decisions if every else picture.decisions[:_FEW_DECISIONS],
                "names": desks.access.staff.names([each.by for each in picture.decisions], by=visit.actor),
                "more": not every and len(picture.decisions) > _FEW_DECISIONS,
            },
        )

    def decision(visit: Visit) -> Shown:
        decision_id = DecisionId(visit.path["decision"])
        found = desks.releases.explain(decision_id, by=visit.actor)
        if found.record.decision.release_id != release_of(visit):
            raise DecisionNotFound("This release has no such decision.", help="Its decisions stand on its page.")
        without = visit.query.get("without")
        what_if = desks.releases.decision_without(decision_id, without or None, by=visit.actor) if without is not None else None
        return Shown(
            "console/decision.html",
            {
                "explanation": found,
                "decision": found.record.decision,
                "release": found.record.before,
                "what_if": what_if,
                "names": desks.access.staff.names([found.record.decision.by], by=visit.actor),
                "left_out": without,
            },
        )

    def as_html(visit: Visit) -> Handed:
        release = desks.releases.get(release_of(visit), by=visit.actor)
        return Handed(
            desks.reporting.gate_html(release.id, by=visit.actor), "text/html; charset=utf-8", _name(release.model, "html")
        )

    def as_pdf(visit: Visit) -> Handed:
        release = desks.releases.get(release_of(visit), by=visit.actor)
        return Handed(desks.reporting.gate_pdf(release.id, by=visit.actor), "application/pdf", _name(release.model, "pdf"))

    return (
        Screen("/releases/{release}", one, Permission.VIEW),
        Screen("/releases/{release}/decisions/{decision}", decision, Permission.VIEW),
        Screen("/releases/{release}/gate-report.html", as_html, Permission.VIEW),
        Screen("/releases/{release}/gate-report.pdf", as_pdf, Permission.VIEW),
    )


def release_of(visit: Visit) -> ReleaseId:
    """Return the release that an address names."""
    return ReleaseId(visit.path["release"])


def _incidents(desks: Desks, visit: Visit) -> tuple[Incident, ...]:
    try:
        return desks.safety.incidents.list(by=visit.actor, release_id=release_of(visit))
    except Unavailable:
        return ()  # the gates that read incidents say ERROR; a chart merely has fewer marks


def _version(card: GateCard) -> str:
    """Return what changes when a card does, so that what is drawn in it stays while it does not."""
    told = [repr(card.line), card.alternative, json.dumps(card.spec)]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:16]


def _name(model: str, ending: str) -> str:
    return f"gate-report-{''.join(letter if letter.isalnum() or letter in '-._' else '-' for letter in model)}.{ending}"
