"""What people do with plans and releases, and what they are shown.

Each use case loads, reads, decides, saves and records; the saving and the recording are one transaction. Narrowing waits
for no reading and loses no race: a person who presses cut is never told that somebody else was faster.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headgate.kernel.actor import Actor, Permission
from headgate.releases.decide import approvals, signing
from headgate.releases.decide.policy import cohort_seats, policy_of
from headgate.releases.decide.publishing import Published, publish
from headgate.releases.decide.status import Status, status_of
from headgate.releases.errors import NoSuchStage, ReleaseMoved, ReleaseNotFound
from headgate.releases.model import command as ask
from headgate.releases.model.release import LIVE_STATES, SignedFor, State
from headgate.releases.service.applying import Applying
from headgate.releases.service.deciding import UNREAD

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from headgate.kernel.ids import DecisionId, ReleaseId
    from headgate.releases.model.command import Command
    from headgate.releases.model.policy import ReleasePolicy
    from headgate.releases.model.reading import WireStanding
    from headgate.releases.model.record import DecisionRecord
    from headgate.releases.model.release import Decision, Material, Release
    from headgate.releases.service.explaining import Explanation
    from headgate.releases.service.what_if import WhatIf

_PUBLIC = Actor.system("public", Permission.VIEW)
_TOLD_AT_MOST = 100
_RACES = 8
"""How often narrowing looks again after losing a race, before it gives up."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Who would lose what by a narrower release, counted before anybody presses the key.

    Attributes:
        release: As it stands.
        closes: The stages that would close, widest first.
        cohorts: The cohorts that would lose access, with their seats.
        accounts: Accounts that have used the stages that would close; ``None`` when that cannot be read.
        exchanges: Their exchanges so far.
    """

    release: Release
    closes: tuple[str, ...]
    cohorts: tuple[tuple[str, int | None], ...]
    accounts: int | None
    exchanges: int | None


class ReleaseService(Applying):
    """Plans and releases.

    Args:
        releases: Where they are kept.
        readings: Who knows the traffic.
        clock: Tells the time.
        entropy: Ten random bytes for each new identifier; the operating system's when absent.
    """

    # Narrower.

    def hold(self, release_id: ReleaseId, *, reason: str, by: Actor) -> Decision:
        """Widen nothing further; access stays as it is.

        Raises:
            Forbidden: ``by`` may not hold.
            ReleaseNotFound: There is no such release.
            IllegalMove: It has ended.
            ReasonMissing: No reason is given.
        """
        return self._narrower(release_id, ask.Hold(reason), by)

    def narrow(self, release_id: ReleaseId, *, to: str, reason: str, by: Actor) -> Decision:
        """Close every stage above the one named ``to``.

        Raises:
            Forbidden: ``by`` may not narrow.
            ReleaseNotFound: There is no such release.
            NoSuchStage: The plan has no stage ``to``.
            NothingNarrower: It is not narrower than what is open.
            IllegalMove: Nothing is open.
            ReasonMissing: No reason is given.
        """
        position = self._position(self.get(release_id, by=by), to)
        return self._narrower(release_id, ask.Narrow(position, reason), by)

    def cut(self, release_id: ReleaseId, *, reason: str, by: Actor) -> Decision:
        """Close a release to everyone, open streams included.

        Raises:
            Forbidden: ``by`` may not cut.
            ReleaseNotFound: There is no such release.
            IllegalMove: It has ended.
            ReasonMissing: No reason is given.
        """
        return self._narrower(release_id, ask.Cut(reason), by)

    def withdraw(self, release_id: ReleaseId, *, reason: str, by: Actor) -> Decision:
        """End a release.

        Raises:
            Forbidden: ``by`` may not withdraw.
            ReleaseNotFound: There is no such release.
            IllegalMove: It has ended already.
            ReasonMissing: No reason is given.
        """
        return self._narrower(release_id, ask.Withdraw(reason), by)

    def stopped_by(self, release_id: ReleaseId, *, to: str | None, by: Actor) -> Stopped:
        """Return who would lose access if only the stages up to ``to`` stayed open; ``None`` for none at all."""
        release = self.get(release_id, by=by)
        keep = 0 if to is None else self._position(release, to)
        closing = release.opened[keep:]
        staying = {stage.who.cohort for stage in release.opened[:keep]}
        only = replace(release, rungs=tuple(rung for rung in release.rungs if rung.stage in {stage.name for stage in closing}))
        counted = self._assessor.exposure(only, now=self._clock.now())
        return Stopped(
            release,
            tuple(stage.name for stage in reversed(closing)),
            tuple((stage.who.cohort, stage.who.seats) for stage in closing if stage.who.cohort not in staying),
            counted.accounts if counted else None,
            counted.exchanges if counted else None,
        )

    # Wider, and what it takes.

    def open(self, release_id: ReleaseId, *, by: Actor) -> Decision:
        """Open the first stage of a draft or scheduled release.

        Raises:
            Forbidden: ``by`` may not apply plans.
            ReleaseNotFound: There is no such release.
            IllegalMove: It is open already, or has been.
            ModelTaken: Another release of the model is under way.
        """
        return self._act(release_id, ask.Open(), by)

    def schedule(self, release_id: ReleaseId, *, at: datetime, by: Actor) -> Decision:
        """Have the first stage open by itself at ``at``.

        Raises:
            Forbidden: ``by`` may not apply plans.
            ReleaseNotFound: There is no such release.
            IllegalMove: It is open already, or has been.
        """
        return self._act(release_id, ask.Schedule(at), by)

    def promote(self, release_id: ReleaseId, *, by: Actor) -> Decision:
        """Open the next stage, or complete the last, if everything passes; the controller does the same by itself.

        Raises:
            Forbidden: ``by`` may not promote.
            ReleaseNotFound: There is no such release.
            IllegalMove: The release is not live.
            GatesDoNotPass: A gate blocks.
            ApprovalsMissing: Somebody has not signed.
            WireTripped: A tripwire is touched.
            CannotTell: Something cannot be read.
        """
        return self._act(release_id, ask.Promote(), by)

    def declare_risk(self, release_id: ReleaseId, *, because: str, by: Actor) -> Decision:
        """Open the next stage although the gates do not pass; the first person asks, the second confirms.

        Raises:
            Forbidden: ``by`` may not bypass.
            ReleaseNotFound: There is no such release.
            NotWaivable: The next stage cannot be taken back, or the same person asks twice.
            ApprovalsMissing: Not everybody has signed for the risk.
            WireTripped: A tripwire is touched.
            CannotTell: Something cannot be read.
        """
        return self._act(release_id, ask.DeclareRisk(because), by)

    def resume(self, release_id: ReleaseId, *, reason: str, by: Actor, to: str | None = None) -> Decision:
        """Let a held, narrowed or cut release go on; after a cut, open it up to ``to`` (its first stage by default).

        Raises:
            Forbidden: ``by`` may not resume.
            ReleaseNotFound: There is no such release.
            NoSuchStage: ``to`` was never open.
            ApprovalsMissing: Somebody has not signed.
            GatesDoNotPass: The gates before ``to`` do not pass.
            WireTripped: What stopped the release still stands.
            CannotTell: Something cannot be read.
        """
        position = 1 if to is None else self._position(self.get(release_id, by=by), to)
        return self._act(release_id, ask.Resume(reason, position), by, to=position)

    def to_sign(
        self, release_id: ReleaseId, *, by: Actor, declared_risk: bool = False, to: str | None = None
    ) -> tuple[Release, Material]:
        """Return the release and the evidence that a signature would be under; show it, then ``approve`` its digest.

        Raises:
            Forbidden: ``by`` may not look.
            ReleaseNotFound: There is no such release.
            NoSuchStage: ``to`` cannot be opened by resuming.
        """
        release = self.get(release_id, by=by)
        purpose = _purpose(release, declared_risk=declared_risk)
        position = signing.approved_stage(release, purpose, 1 if to is None else self._position(release, to))
        assessment = self._assessor.assess(release, now=self._clock.now(), to=position)
        return release, approvals.material(release, assessment, purpose, position)

    def approve(
        self, release_id: ReleaseId, *, purpose: SignedFor, seen: str, by: Actor, to: int = 1, note: str = ""
    ) -> Decision:
        """Sign under the evidence whose digest is ``seen``.

        Args:
            release_id: Which release.
            purpose: What the signature is for.
            seen: Digest of the material that ``to_sign`` returned.
            by: Who signs.
            to: For resuming a cut release: how many stages would be opened.
            note: What the signer writes.

        Raises:
            Forbidden: ``by`` may not approve.
            ReleaseNotFound: There is no such release.
            ApprovalNotAsked: Nobody's signature is asked for, or not this person's.
            AuthorApproves: ``by`` wrote the plan.
            ApprovalTooEarly: Another gate blocks.
            EvidenceMoved: The evidence is not what was seen.
        """
        return self._act(release_id, ask.Approve(purpose, seen, to, note), by, to=to)

    def waive(self, release_id: ReleaseId, *, gate_id: str, reason: str, until: datetime, by: Actor) -> Decision:
        """Bypass one gate of the present stage; the first person asks, the second confirms.

        Raises:
            Forbidden: ``by`` may not waive.
            ReleaseNotFound: There is no such release.
            NoSuchGate: The stage has no such gate.
            NotWaivable: It may not be bypassed, or the same person asks twice.
            WaiverTooLong: It would end later than thirty days from now, or has ended.
        """
        return self._act(release_id, ask.Waive(gate_id, reason, until), by)

    # What people are shown.

    def get(self, release_id: ReleaseId, *, by: Actor) -> Release:
        """Return a release.

        Raises:
            Forbidden: ``by`` may not look.
            ReleaseNotFound: There is no such release.
        """
        by.must(Permission.VIEW)
        with self._releases.snapshot() as tx:
            return tx.get(release_id)

    def find(self, name: str, *, by: Actor) -> Release:
        """Return the release of this identifier, or else the one under way (or the newest) of this model.

        Raises:
            Forbidden: ``by`` may not look.
            ReleaseNotFound: There is no such release.
        """
        known = self.list(by=by)
        named = [release for release in known if name in {release.id, release.model}]
        best = next((release for release in named if release.id == name or _under_way(release)), next(iter(named), None))
        if best is None:
            models = ", ".join(sorted({release.model for release in known})) or "none yet"
            raise ReleaseNotFound(f"There is no release {name!r}.", help=f"Models under release: {models}.")
        return best

    def list(self, *, by: Actor) -> tuple[Release, ...]:
        """Return every release, newest first.

        Raises:
            Forbidden: ``by`` may not look.
        """
        by.must(Permission.VIEW)
        with self._releases.snapshot() as tx:
            return tx.list()

    def decisions(self, *, by: Actor, release_id: ReleaseId | None = None, limit: int = 100) -> tuple[Decision, ...]:
        """Return decisions, newest first.

        Raises:
            Forbidden: ``by`` may not look.
        """
        by.must(Permission.VIEW)
        with self._releases.snapshot() as tx:
            return tx.decisions(release_id, limit)

    def decision(self, decision_id: DecisionId, *, by: Actor) -> DecisionRecord:
        """Return a decision with everything that it was made from.

        Raises:
            Forbidden: ``by`` may not look.
            DecisionNotFound: There is no such decision.
        """
        by.must(Permission.VIEW)
        with self._releases.snapshot() as tx:
            return tx.decision(decision_id)

    def explain(self, decision_id: DecisionId, *, by: Actor) -> Explanation:
        """Make a past decision again from what was stored for it, and say whether it comes out the same.

        Raises:
            Forbidden: ``by`` may not look.
            DecisionNotFound: There is no such decision.
            DoesNotReplay: What was stored cannot even be read.
        """
        return self._explainer.replay(self.decision(decision_id, by=by))

    def decision_without(self, decision_id: DecisionId, what: str | None, *, by: Actor) -> tuple[WhatIf, ...]:
        """Return what a past decision would have become without one piece of its evidence, or without each in turn.

        Args:
            decision_id: Which decision.
            what: A filed record, or a gate whose evidence is left out; each of them in turn when ``None``.
            by: Who asks.

        Raises:
            Forbidden: ``by`` may not look.
            DecisionNotFound: There is no such decision.
            EvidenceNotUsed: It rested on nothing of this name.
        """
        record = self.decision(decision_id, by=by)
        each = self._leave_out.sources(record.assessment) if what is None else (what,)
        return tuple(self._leave_out.of_decision(record, one) for one in each)

    def release_without(self, release: Release, what: str | None, *, by: Actor) -> tuple[WhatIf, ...]:
        """Return what would be said of ``release`` now without one piece of evidence, or without each in turn.

        Args:
            release: Which release.
            what: A filed record, or a gate whose evidence is left out; each of them in turn when ``None``.
            by: Who asks.

        Raises:
            Forbidden: ``by`` may not look.
            EvidenceNotUsed: It stands on nothing of this name.
        """
        by.must(Permission.VIEW)
        now = self._clock.now()
        assessment = self._assessor.assess(release, now=now)
        each = self._leave_out.sources(assessment) if what is None else (what,)
        return tuple(self._leave_out.of_release(release, assessment, one, now=now) for one in each)

    def status(self, release: Release, *, by: Actor) -> Status:
        """Return where ``release`` stands, what its gates say, and what would open it further.

        Raises:
            Forbidden: ``by`` may not look.
        """
        by.must(Permission.VIEW)
        now = self._clock.now()
        assessment = self._assessor.assess(release, now=now, to=_resumed_to(release))
        return status_of(release, assessment, self._assessor.exposure(release, now=now), now=now)

    def wires(self, release: Release, *, by: Actor) -> tuple[WireStanding, ...]:
        """Return how the tripwires of ``release`` stand, as ``status`` says it.

        Raises:
            Forbidden: ``by`` may not look.
        """
        by.must(Permission.VIEW)
        return self._assessor.wires(release, now=self._clock.now(), to=_resumed_to(release))

    def published(self) -> tuple[Published, ...]:
        """Return what the public may know of each release that publishes anything, newest first."""
        with self._releases.snapshot() as tx:
            releases = [release for release in tx.list() if release.plan.public is not None]
            decided = {release.id: tx.decisions(release.id, _TOLD_AT_MOST) for release in releases}
        told = (publish(self.status(release, by=_PUBLIC), decided[release.id]) for release in releases)
        return tuple(one for one in told if one is not None)

    def policy(self) -> tuple[ReleasePolicy, ...]:
        """Return what every release that has ever been opened allows now, newest first; for Headgate's own processes.

        A withdrawn one allows nothing, and is there so that those whom it served can be told.
        """
        with self._releases.snapshot() as tx:
            known = tx.list()
        return tuple(policy_of(release) for release in known if release.reached)

    def cohort_seats(self, release: Release) -> Mapping[str, int | None]:
        """Return how many seats each cohort that ``release`` lets in now has; ``None`` for no limit."""
        return cohort_seats(release)

    def _act(self, release_id: ReleaseId, command: Command, by: Actor, *, to: int = 1) -> Decision:
        now = self._clock.now()
        with self._releases.snapshot() as tx:
            seen = tx.get(release_id)
        there = seen.state is not State.CUT or 1 <= to <= len(seen.plan.stages)
        assessment = self._assessor.assess(seen, now=now, to=to) if there else UNREAD
        _, decision = self.act(seen, command, by=by, assessment=assessment, now=now)
        return decision

    def _narrower(self, release_id: ReleaseId, command: Command, by: Actor) -> Decision:
        for _ in range(_RACES - 1):
            try:
                return self._stop_once(release_id, command, by)
            except ReleaseMoved:
                continue
        return self._stop_once(release_id, command, by)

    def _stop_once(self, release_id: ReleaseId, command: Command, by: Actor) -> Decision:
        with self._releases.transaction() as tx:
            _, decision = self._move(tx, tx.get(release_id), command, by, UNREAD, self._clock.now())
        return decision

    def _position(self, release: Release, name: str) -> int:
        names = [stage.name for stage in release.plan.stages]
        if name not in names:
            raise NoSuchStage(f"The plan has no stage {name!r}.", help="Its stages: " + ", ".join(names) + ".")
        return names.index(name) + 1


def _resumed_to(release: Release) -> int:
    """Return how many stages the signatures for resuming a cut release are about; 1 while there are none."""
    return next((approval.material.to for approval in release.approvals), 1)


def _under_way(release: Release) -> bool:
    return release.state in LIVE_STATES or release.state is State.CUT


def _purpose(release: Release, *, declared_risk: bool) -> SignedFor:
    if declared_risk:
        return SignedFor.DECLARED_RISK
    return SignedFor.RESUME if release.state in {State.HELD, State.NARROWED, State.CUT} else SignedFor.PROMOTE
