"""Incidents: something that happened, written down by a person.

The clock starts when somebody first knew, not when it was written down. A draft weighs on its release like any other open
incident: a report is taken at its word until somebody has looked. Titles are content and stay out of the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headgate.kernel.actor import Actor, Permission
from headgate.kernel.digest import digest_of
from headgate.kernel.ids import mint
from headgate.ledger.model import Entry
from headgate.safety import decide
from headgate.safety.errors import GoldItem, IncidentInvalid, IncidentMoved, IncidentUnknown
from headgate.safety.model import Incident, IncidentState, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from headgate.safety.ports import GoldStore, IncidentStore

_ID_BYTES = 10
_LONGEST_TITLE_CHARS = 300


@dataclass(frozen=True, slots=True)
class Report:
    """What somebody reports.

    Attributes:
        release_id: Which release it weighs on.
        severity: How bad, as far as is known.
        title: One sentence.
        hazard: Which kind of harm.
        aware_at: When somebody first knew.
        exchanges: The exchanges it is about.
    """

    release_id: str
    severity: Severity
    title: str
    hazard: str
    aware_at: datetime
    exchanges: tuple[str, ...] = ()


class Incidents:
    """The incidents of all releases.

    Args:
        store: Where they are kept.
        entropy: Returns that many random bytes, for identifiers.
        golds: Who can tell which exchanges never took place.
    """

    def __init__(self, *, store: IncidentStore, entropy: Callable[[int], bytes], golds: GoldStore) -> None:
        self._store = store
        self._entropy = entropy
        self._golds = golds

    def open(self, report: Report, *, by: Actor, now: datetime) -> Incident:
        """Write an incident down, as a draft.

        Raises:
            Forbidden: ``by`` may not.
            IncidentInvalid: It has no title or hazard, or was noticed in the future.
            GoldItem: It is about an exchange that was put there to measure its readers, and never took place.
        """
        by.must(Permission.INCIDENT)
        if not report.title.strip() or len(report.title) > _LONGEST_TITLE_CHARS or "\n" in report.title:
            raise IncidentInvalid(f"A title is one line of 1 to {_LONGEST_TITLE_CHARS} characters.")
        if not report.hazard.strip() or not report.release_id.strip():
            raise IncidentInvalid("An incident names a release and a hazard; write other when no hazard of the plan fits.")
        if report.aware_at > now:
            raise IncidentInvalid("Nobody can have known of it in the future.")
        if report.exchanges and (golds := self._golds.among(report.exchanges)):
            raise GoldItem(
                f"{', '.join(sorted(golds))} was a gold item, put there to measure its readers: it never took place.",
                help="Well found; there is nothing to report.",
            )
        incident = Incident(
            id=mint("inc", at=now, entropy=self._entropy(_ID_BYTES)),
            release_id=report.release_id,
            severity=report.severity,
            state=IncidentState.DRAFT,
            title=report.title.strip(),
            hazard=report.hazard,
            aware_at=report.aware_at,
            exchanges=tuple(dict.fromkeys(report.exchanges)),
            opened_by=by.id,
            opened_at=now,
            revision=1,
        )
        with self._store.transaction() as tx:
            tx.add(incident)
            tx.record(Entry("incident.opened", incident.id, by.id, now, _body(incident)))
        return incident

    def triage(self, incident_id: str, severity: Severity, *, by: Actor, now: datetime, seen: int | None = None) -> Incident:
        """Say how bad a draft is. Its clock keeps running from the moment somebody knew.

        Raises:
            Forbidden: ``by`` may not.
            IncidentUnknown: There is no such incident.
            IncidentMoved: It has another revision than ``seen``.
            IncidentStepRefused: It is past triage.
        """
        return self._move(incident_id, IncidentState.TRIAGED, by=by, now=now, seen=seen, severity=severity)

    def advance(
        self, incident_id: str, to: IncidentState, *, by: Actor, now: datetime, seen: int | None = None, reason: str = ""
    ) -> Incident:
        """Move an incident forward, or withdraw it with a reason.

        Raises:
            Forbidden: ``by`` may not.
            IncidentUnknown: There is no such incident.
            IncidentMoved: It has another revision than ``seen``.
            IncidentStepRefused: It does not go there from where it is.
            IncidentInvalid: A withdrawal without a reason.
        """
        if to is IncidentState.WITHDRAWN and not reason.strip():
            raise IncidentInvalid("A withdrawal needs a reason.")
        return self._move(incident_id, to, by=by, now=now, seen=seen, reason=reason)

    def close(self, incident_id: str, *, by: Actor, now: datetime, seen: int | None = None) -> Incident:
        """Resolve an incident: it no longer weighs on its release.

        Raises:
            Forbidden: ``by`` may not.
            IncidentUnknown: There is no such incident.
            IncidentMoved: It has another revision than ``seen``.
            IncidentStepRefused: It is resolved already, final or withdrawn.
        """
        return self.advance(incident_id, IncidentState.RESOLVED, by=by, now=now, seen=seen)

    def get(self, incident_id: str, *, by: Actor) -> Incident:
        """Return an incident.

        Raises:
            Forbidden: ``by`` may not look.
            IncidentUnknown: There is no such incident.
        """
        by.must(Permission.VIEW)
        return _known(self._store.get(incident_id), incident_id)

    def list(self, *, by: Actor, release_id: str | None = None, open_only: bool = False) -> tuple[Incident, ...]:
        """Return incidents, the newest first.

        Raises:
            Forbidden: ``by`` may not look.
        """
        by.must(Permission.VIEW)
        return self._store.list(release_id=release_id, open_only=open_only)

    def open_counts(self, release_id: str) -> Mapping[Severity, int]:
        """Return how many incidents of each severity weigh on a release, drafts included; every severity is there."""
        return dict.fromkeys(Severity, 0) | dict(self._store.open_counts(release_id))

    def _move(
        self,
        incident_id: str,
        to: IncidentState,
        *,
        by: Actor,
        now: datetime,
        seen: int | None,
        severity: Severity | None = None,
        reason: str = "",
    ) -> Incident:
        by.must(Permission.INCIDENT)
        with self._store.transaction() as tx:
            before = _known(tx.get(incident_id), incident_id)
            if seen is not None and seen != before.revision:
                raise IncidentMoved("Somebody changed this incident since you looked.", help="Look again, then decide again.")
            decide.check_step(before.state, to)
            after = replace(before, state=to, severity=severity or before.severity, revision=before.revision + 1)
            tx.save(after, seen=before.revision)
            body = {**_body(after), "was": before.state.value} | ({"reason": digest_of(reason)} if reason else {})
            tx.record(Entry(f"incident.{_PARTICIPLES.get(to, to.value)}", incident_id, by.id, now, body))
        return after


_PARTICIPLES = {IncidentState.FINAL: "finalised", IncidentState.MONITORING: "monitored"}


def _body(incident: Incident) -> dict[str, object]:
    return {
        "release": incident.release_id,
        "severity": incident.severity.value,
        "state": incident.state.value,
        "hazard": incident.hazard,
        "aware_at": incident.aware_at.isoformat(),
        "exchanges": list(incident.exchanges),
        "title": digest_of(incident.title),
    }


def _known(incident: Incident | None, incident_id: str) -> Incident:
    if incident is None:
        raise IncidentUnknown(f"There is no incident {incident_id}.")
    return incident
