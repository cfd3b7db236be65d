"""How a decision is made and kept: the rules decide, the store saves, the ledger records, in one transaction.

Everything that changes a release passes here, whoever asks: a person, the controller, or the release that replaces it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headgate.kernel.actor import Permission
from headgate.kernel.ids import DecisionId, mint
from headgate.kernel.still import Still, restless
from headgate.ledger.model import Entry
from headgate.releases.decide import holdback
from headgate.releases.decide.states import decide
from headgate.releases.errors import ReleaseMoved
from headgate.releases.model import command as ask
from headgate.releases.model.reading import Assessment
from headgate.releases.model.record import DecisionRecord, Moved
from headgate.releases.model.release import Kind, State
from headgate.releases.service.assessing import Assessor
from headgate.releases.service.explaining import Explainer
from headgate.releases.service.what_if import LeaveOut
from headgate.releases.wire.canonical import plan_digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from headgate.kernel.actor import Actor
    from headgate.kernel.clock import Clock
    from headgate.releases.model.command import Command
    from headgate.releases.model.release import Decision, Release
    from headgate.releases.ports import Readings, Releases, ReleasesTx

UNREAD = Assessment(stage=0, gates=(), wires=(), incidents=None)
"""What narrowing is decided on: it needs no proof, so it waits for none."""

PAST: dict[Kind, str] = {
    Kind.APPLY: "applied",
    Kind.SCHEDULE: "scheduled",
    Kind.OPEN: "opened",
    Kind.PROMOTE: "promoted",
    Kind.DECLARE_RISK: "risk_declared",
    Kind.COMPLETE: "completed",
    Kind.HOLD: "held",
    Kind.NARROW: "narrowed",
    Kind.CUT: "cut",
    Kind.FREEZE: "frozen",
    Kind.UNFREEZE: "unfrozen",
    Kind.RESUME: "resumed",
    Kind.APPROVE: "approved",
    Kind.DROP_APPROVALS: "approvals_dropped",
    Kind.WAIVE: "waived",
    Kind.OVERDUE: "overdue_told",
    Kind.WITHDRAW: "withdrawn",
}
"""Each kind of decision as the ledger writes it, after ``release.``."""


class Deciding:
    """What every use case that changes a release stands on.

    Args:
        releases: Where they are kept.
        readings: Who knows the traffic.
        clock: Tells the time.
        entropy: Ten random bytes for each new identifier; the operating system's when absent.
        still: Remembers what nothing was written about since.
    """

    def __init__(
        self,
        releases: Releases,
        readings: Readings,
        clock: Clock,
        *,
        entropy: Callable[[], bytes] | None = None,
        still: Still | None = None,
    ) -> None:
        self._releases = releases
        self._still = still or restless()
        self._assessor = Assessor(readings)
        self._explainer = Explainer(readings)
        self._leave_out = LeaveOut(readings)
        self._clock = clock
        self._entropy = entropy

    def act(
        self, seen: Release, command: Command, *, by: Actor, assessment: Assessment, now: datetime
    ) -> tuple[Release, Decision]:
        """Carry ``command`` out if the release is still as it was seen; the controller's way in.

        Raises:
            ReleaseMoved: It has changed since.
            Refused: The rules say no.
        """
        with self._releases.transaction() as tx:
            release = tx.get(seen.id)
            if release.revision != seen.revision:
                raise ReleaseMoved(f"{release.model} changed while it was being looked at; nothing was changed.")
            return self._move(tx, release, command, by, assessment, now)

    def assess(self, release: Release, *, now: datetime, to: int = 1) -> Assessment:
        """Return everything read of ``release`` at ``now``."""
        return self._assessor.assess(release, now=now, to=to)

    def lease(self, holder: str, *, now: datetime, until: datetime) -> bool:
        """Take or renew the controller's lease; ``False`` while somebody else holds it."""
        with self._releases.transaction() as tx:
            return tx.lease(holder, now=now, until=until)

    def leased(self) -> tuple[str, datetime] | None:
        """Return who took the controller's lease last, and until when; ``None`` if nobody ever has."""
        return self._still.once("leased", self._leased)

    def every(self) -> tuple[Release, ...]:
        """Return every release, for Headgate's own processes."""
        return self._still.once("every", self._every)

    def _leased(self) -> tuple[str, datetime] | None:
        with self._releases.snapshot() as tx:
            return tx.leased()

    def _every(self) -> tuple[Release, ...]:
        with self._releases.snapshot() as tx:
            return tx.list()

    def _move(
        self, tx: ReleasesTx, release: Release, command: Command, by: Actor, assessment: Assessment, now: datetime
    ) -> tuple[Release, Decision]:
        moved = decide(release, command, by=by, assessment=assessment, now=now, decision_id=self._decision_id(now))
        opens = moved.decision.kind is Kind.OPEN
        if opens and release.replaces is not None:
            self._replace(tx, release, by, now)
        saved = tx.save(replace(moved.release, replaces=None) if opens else moved.release)
        record = DecisionRecord(moved.decision, command, by, release, assessment)
        tx.record(self._entry(Moved(saved, moved.decision)), record)
        return saved, moved.decision

    def _replace(self, tx: ReleasesTx, new: Release, by: Actor, now: datetime) -> None:
        """End the release that ``new`` replaces; whoever applied ``new`` was asked for the permission then."""
        assert new.replaces is not None
        old = tx.get(new.replaces)
        if old.state is State.WITHDRAWN:
            return
        allowed = replace(by, permissions=by.permissions | {Permission.WITHDRAW})
        self._move(tx, old, ask.Withdraw(f"replaced by {new.id}"), allowed, UNREAD, now)

    def _entry(self, moved: Moved) -> Entry:
        release, decision = moved.release, moved.decision
        return Entry(
            kind=f"release.{_past(moved)}",
            subject=release.id,
            actor=decision.by,
            at=decision.at,
            body={
                "decision": decision.id,
                "model": release.model,
                "version": release.plan.version_digest,
                "plan": plan_digest(release.plan),
                "plan_revision": release.plan_revision,
                "kind": decision.kind.value,
                "reason": decision.reason,
                "before": {"state": decision.before.value, "stage": decision.stage_before},
                "after": {"state": decision.after.value, "stage": decision.stage_after},
                "epochs": [release.epoch(stage.name) for stage in release.opened],
                "readings": decision.readings_digest,
                **({"holdbacks": drawn} if (drawn := holdback.recorded(release)) else {}),
            },
        )

    def _decision_id(self, now: datetime) -> DecisionId:
        return DecisionId(self._mint("dec", now))

    def _mint(self, prefix: str, now: datetime) -> str:
        return mint(prefix, at=now, entropy=self._entropy() if self._entropy else None)


def _past(moved: Moved) -> str:
    release, decision = moved.release, moved.decision
    if decision.kind is Kind.DECLARE_RISK and release.declaration is not None:
        return "risk_asked"
    if decision.kind is Kind.WAIVE and any(
        waiver.confirmed_by is None and waiver.asked_at == decision.at for waiver in release.waivers
    ):
        return "waiver_asked"
    return PAST[decision.kind]
