"""What people do with plans and releases, and what they are shown.

Each use case loads, reads, decides, saves and records; the saving and the recording are one transaction. Narrowing waits
for no reading and loses no race: a person who presses cut is never told that somebody else was faster.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headgate.kernel.actor import Permission
from headgate.kernel.digest import digest_of
from headgate.kernel.ids import DecisionId, ReleaseId, mint
from headgate.ledger.model import Entry
from headgate.releases.decide import approvals, signing
from headgate.releases.decide.policy import cohort_seats, policy_of
from headgate.releases.decide.revision import unborn
from headgate.releases.decide.states import decide
from headgate.releases.decide.status import Status, status_of
from headgate.releases.errors import ModelTaken, NoSuchStage, PlanMoved, ReleaseMoved, ReleaseNotFound
from headgate.releases.model import command as ask
from headgate.releases.model.reading import Assessment
from headgate.releases.model.record import DecisionRecord, Moved
from headgate.releases.model.release import LIVE_STATES, Kind, SignedFor, State
from headgate.releases.service.assessing import Assessor
from headgate.releases.service.explaining import Explainer
from headgate.releases.wire.canonical import plan_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from headgate.kernel.actor import Actor
    from headgate.kernel.clock import Clock
    from headgate.releases.model.command import Command
    from headgate.releases.model.plan import Plan
    from headgate.releases.model.policy import ReleasePolicy
    from headgate.releases.model.release import Decision, Material, Release
    from headgate.releases.ports import Readings, Releases, ReleasesTx
    from headgate.releases.service.explaining import Explanation

UNREAD = Assessment(stage=0, gates=(), wires=(), incidents=None)
"""What narrowing is decided on: it needs no proof, so it waits for none."""

_RACES = 8
"""How often narrowing looks again after losing a race, before it gives up."""

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


class ReleaseService:
    """Plans and releases.

    Args:
        releases: Where they are kept.
        readings: Who knows the traffic.
        clock: Tells the time.
        entropy: Ten random bytes for each new identifier; the operating system's when absent.
    """

    def __init__(
        self, releases: Releases, readings: Readings, clock: Clock, *, entropy: Callable[[], bytes] | None = None
    ) -> None:
        self._releases = releases
        self._assessor = Assessor(readings)
        self._explainer = Explainer(readings)
        self._clock = clock
        self._entropy = entropy

    # Plans.

    def apply(
        self,
        plan: Plan,
        *,
        by: Actor,
        expected: str | None = None,
        at: datetime | None = None,
        draft: bool = False,
        replace_old: bool = False,
    ) -> tuple[Release, Decision | None]:
        """Carry ``plan`` out: a new release, or a new revision of the release of the same version.

        Args:
            plan: The plan, already read and linted.
            by: Its author.
            expected: What ``token`` said when the difference was shown; ``None`` to apply whatever has happened since.
            at: For a new release: when the first stage opens by itself.
            draft: For a new release: open nothing yet.
            replace_old: For a new version of a model that another release serves: withdraw that release as this one opens.

        Returns:
            The release as it is now, and the last decision that was made of it; ``None`` when the plan is the one it has.

        Raises:
            Forbidden: ``by`` may not apply plans, or may not withdraw the release that is replaced.
            PlanMoved: The release or its evidence has moved since ``expected``.
            PlanWidensOpenStage: The edit gives people of an open stage more.
            PlanMovesOpenStage: The edit removes, renames or reorders an open stage.
            ModelTaken: Another version of the model is being released, and ``replace_old`` is not set.
        """
        by.must(Permission.PLAN)
        now = self._clock.now()
        with self._releases.snapshot() as tx:
            seen = self._same_version(tx, plan)
        assessment = self._assessor.assess(seen, now=now) if seen else UNREAD
        with self._releases.transaction() as tx:
            release = self._same_version(tx, plan)
            if (release and release.revision) != (seen and seen.revision):
                raise ReleaseMoved(f"The release of {plan.model.name} changed meanwhile.", help="Look at the difference again.")
            if expected is not None and expected != _token(release, assessment):
                raise PlanMoved(
                    f"The release of {plan.model.name}, or its evidence, moved since the difference was shown.",
                    help="headgate plan diff, then apply again.",
                )
            if release is not None and release.plan == plan:
                return release, None
            if release is not None:
                return self._move(tx, release, ask.Apply(plan), by, assessment, now)
            return self._begin(tx, plan, by, now, at=at, draft=draft, replace_old=replace_old)

    def token(self, plan: Plan) -> str:
        """Return what stands for the release that ``plan`` would change, and its evidence; ``apply`` compares it."""
        now = self._clock.now()
        with self._releases.snapshot() as tx:
            release = self._same_version(tx, plan)
        return _token(release, self._assessor.assess(release, now=now) if release else UNREAD)

    def plan_under_way(self, plan: Plan) -> Plan | None:
        """Return the plan that ``plan`` would be compared with: its version's release's, or else its model's."""
        with self._releases.snapshot() as tx:
            release = self._same_version(tx, plan) or tx.under_way(plan.model.name)
        return release.plan if release else None

    def _same_version(self, tx: ReleasesTx, plan: Plan) -> Release | None:
        return next(
            (
                release
                for release in tx.list()
                if release.model == plan.model.name
                and release.plan.version_digest == plan.version_digest
                and release.state is not State.WITHDRAWN
            ),
            None,
        )

    def _begin(
        self, tx: ReleasesTx, plan: Plan, by: Actor, now: datetime, *, at: datetime | None, draft: bool, replace_old: bool
    ) -> tuple[Release, Decision]:
        old = tx.under_way(plan.model.name)
        if old is not None and not draft:
            if not replace_old:
                raise ModelTaken(
                    f"{old.id} releases another version of {old.model}.", help="Apply with --replace, or withdraw it first."
                )
            by.must(Permission.WITHDRAW)
        replaces = old.id if old is not None and replace_old else None
        draft_of = unborn(ReleaseId(self._mint("rel", now)), plan, by=by, now=now, replaces=replaces)
        command = ask.Apply(plan)
        moved = decide(draft_of, command, by=by, assessment=UNREAD, now=now, decision_id=self._decision_id(now))
        tx.add(moved.release)
        tx.record(self._entry(moved), DecisionRecord(moved.decision, command, by, draft_of, UNREAD))
        if draft:
            return moved.release, moved.decision
        return self._move(tx, moved.release, ask.Open() if at is None else ask.Schedule(at), by, UNREAD, now)

    # Releases: narrower.

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

    # Releases: wider, and what it takes.

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

    def status(self, release: Release, *, by: Actor) -> Status:
        """Return where ``release`` stands, what its gates say, and what would open it further.

        Raises:
            Forbidden: ``by`` may not look.
        """
        by.must(Permission.VIEW)
        now = self._clock.now()
        to = next((approval.material.to for approval in release.approvals), 1)
        assessment = self._assessor.assess(release, now=now, to=to)
        return status_of(release, assessment, self._assessor.exposure(release, now=now), now=now)

    def policy(self) -> tuple[ReleasePolicy, ...]:
        """Return what every release that has been opened allows now; for Headgate's own processes."""
        with self._releases.snapshot() as tx:
            known = tx.list()
        return tuple(policy_of(release) for release in known if _under_way(release))

    def cohort_seats(self, release: Release) -> Mapping[str, int | None]:
        """Return how many seats each cohort that ``release`` lets in now has; ``None`` for no limit."""
        return cohort_seats(release)

    # How a decision is made.

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

    def every(self) -> tuple[Release, ...]:
        """Return every release, for Headgate's own processes."""
        with self._releases.snapshot() as tx:
            return tx.list()

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
            },
        )

    def _decision_id(self, now: datetime) -> DecisionId:
        return DecisionId(self._mint("dec", now))

    def _mint(self, prefix: str, now: datetime) -> str:
        return mint(prefix, at=now, entropy=self._entropy() if self._entropy else None)

    def _position(self, release: Release, name: str) -> int:
        names = [stage.name for stage in release.plan.stages]
        if name not in names:
            raise NoSuchStage(f"The plan has no stage {name!r}.", help="Its stages: " + ", ".join(names) + ".")
        return names.index(name) + 1


def _past(moved: Moved) -> str:
    release, decision = moved.release, moved.decision
    if decision.kind is Kind.DECLARE_RISK and release.declaration is not None:
        return "risk_asked"
    if decision.kind is Kind.WAIVE and any(
        waiver.confirmed_by is None and waiver.asked_at == decision.at for waiver in release.waivers
    ):
        return "waiver_asked"
    return PAST[decision.kind]


def _under_way(release: Release) -> bool:
    return release.state in LIVE_STATES or release.state is State.CUT


def _purpose(release: Release, *, declared_risk: bool) -> SignedFor:
    if declared_risk:
        return SignedFor.DECLARED_RISK
    return SignedFor.RESUME if release.state in {State.HELD, State.NARROWED, State.CUT} else SignedFor.PROMOTE


def _token(release: Release | None, assessment: Assessment) -> str:
    """Digest of a release's revision and of the evidence's material state; labels that change no verdict do not move it."""
    if release is None:
        return digest_of(None)
    present = approvals.material(release, assessment, SignedFor.PROMOTE, release.stage + 1)
    return digest_of({"release": release.id, "revision": release.revision, "material": present.json()})
