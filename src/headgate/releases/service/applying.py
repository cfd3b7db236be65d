"""Carrying plans out: a new release, a new revision of one, or a version that takes another's place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.kernel.actor import Permission
from headgate.kernel.digest import digest_of
from headgate.kernel.ids import ReleaseId
from headgate.releases.decide import approvals
from headgate.releases.decide.revision import unborn
from headgate.releases.decide.states import decide
from headgate.releases.errors import ModelTaken, PlanMoved, ReleaseMoved
from headgate.releases.model import command as ask
from headgate.releases.model.record import DecisionRecord
from headgate.releases.model.release import SignedFor, State
from headgate.releases.service.deciding import UNREAD, Deciding

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.kernel.actor import Actor
    from headgate.releases.model.plan import Plan
    from headgate.releases.model.reading import Assessment
    from headgate.releases.model.release import Decision, Release
    from headgate.releases.ports import ReleasesTx


class Applying(Deciding):
    """What people do with plans."""

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


def _token(release: Release | None, assessment: Assessment) -> str:
    """Digest of a release's revision and of the evidence's material state; labels that change no verdict do not move it."""
    if release is None:
        return digest_of(None)
    present = approvals.material(release, assessment, SignedFor.PROMOTE, release.stage + 1)
    return digest_of({"release": release.id, "revision": release.revision, "material": present.json()})
