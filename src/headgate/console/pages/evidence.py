"""What is on file: a list that can be narrowed down, a record with all that is known of it, and what would be without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

from headgate.console.visit import Handed, Screen, Shown, Visit
from headgate.evidence.errors import EvidenceDone
from headgate.evidence.model.filing import Standing
from headgate.evidence.model.record import Kind
from headgate.evidence.ports import Wanted
from headgate.evidence.wire import encode
from headgate.kernel.actor import Permission
from headgate.kernel.digest import digest_of
from headgate.kernel.errors import NotFound
from headgate.kernel.ids import ReleaseId
from headgate.releases.errors import EvidenceNotUsed

if TYPE_CHECKING:
    from enum import Enum

    from headgate.console.desks import Desks
    from headgate.console.visit import Table
    from headgate.evidence.model.filing import Filed

_E = TypeVar("_E", bound="Enum")
_PAGE = 50
_DECISIONS = 20


def table(desks: Desks) -> Table:
    """Return the addresses of what is on file."""
    filing, releases = desks.filing, desks.releases

    def every(visit: Visit) -> Shown:
        asked = {name: visit.query.get(name, "").strip() for name in ("release", "suite", "kind", "standing")}
        kind, standing = chosen(Kind, asked["kind"]), chosen(Standing, asked["standing"])
        wanted = Wanted(
            release_id=asked["release"] or None,
            suite=asked["suite"] or None,
            kind=kind,
            standing=standing,
            limit=_PAGE + 1,
            behind=visit.query.get("behind"),
        )
        trouble: str | None = None
        found: tuple[Filed, ...] = ()
        try:
            found = filing.list(wanted, by=visit.actor)
        except NotFound as unknown:
            trouble = unknown.message
        narrowed = {name: value for name, value in asked.items() if value}
        shown, beyond = found[:_PAGE], found[_PAGE:]
        more = urlencode({**narrowed, "behind": [filed.id for filed in shown][-1]}) if beyond else None
        given = {
            "found": shown,
            "asked": asked,
            "kinds": tuple(Kind),
            "standings": tuple(Standing),
            "releases": releases.list(by=visit.actor),
            "more": more,
            "first": urlencode(narrowed) if visit.query.get("behind") else None,
            "narrowed": bool(narrowed),
            "trouble": trouble,
        }
        return Shown("console/evidence.html", given)

    def one(visit: Visit) -> Shown:
        filed = filing.get(visit.path["id"], by=visit.actor)
        return Shown("console/evidence_record.html", {"filed": filed, "digest": digest_of(encode(filed.record))})

    def without(visit: Visit) -> Shown:
        filed = filing.get(visit.path["id"], by=visit.actor)
        release = releases.get(ReleaseId(filed.release_id), by=visit.actor)
        try:
            found = releases.release_without(release, filed.id, by=visit.actor)
        except EvidenceNotUsed:
            found = ()
        decisions = releases.decisions(by=visit.actor, release_id=release.id, limit=_DECISIONS)
        given = {"filed": filed, "release": release, "found": found, "decisions": decisions}
        return Shown("console/evidence_without.html", given)

    def exported(visit: Visit) -> Handed:
        filed = filing.get(visit.path["id"], by=visit.actor)
        document = filing.exported(filed)
        if document is None:
            raise EvidenceDone("This record holds no number that could be exported.")
        return Handed(document, "application/json", f"{filed.id}.json")

    return (
        Screen("/evidence", every, Permission.VIEW),
        Screen("/evidence/{id}", one, Permission.VIEW),
        Screen("/evidence/{id}/without", without, Permission.VIEW),
        Screen("/evidence/{id}/export", exported, Permission.VIEW),
    )


def chosen(of: type[_E], said: str) -> _E | None:
    """Return the member of an enumeration that was chosen; ``None`` for one that is not there."""
    return next((member for member in of if member.value == said), None)
