"""What may go wrong with plans and releases, by what the caller should do about it."""

from __future__ import annotations

from headgate.kernel.errors import Invalid, NotFound, Refused, Stale, Unavailable

# Plans.


class PlanInvalid(Invalid):
    """The plan has at least one finding that forbids carrying it out; the findings say which lines to mend."""

    code = "plan.invalid"


class PlanUnreadable(NotFound):
    """There is no plan to read under this name: no such file, or not one that may be read."""

    code = "plan.unreadable"


class DraftNotFound(NotFound):
    """Nobody has handed this text in, or it was forgotten since."""

    code = "plan.draft_not_found"


class PlanWidensOpenStage(Refused):
    """The edit gives more to people who are already in; what is wider belongs in a later stage, behind its gates."""

    code = "plan.widens_open_stage"


class PlanMovesOpenStage(Refused):
    """The edit removes, renames or reorders a stage that is open; narrow or withdraw the release first."""

    code = "plan.moves_open_stage"


class PlanMoved(Stale):
    """The release or its evidence moved since the difference was shown; look at it again."""

    code = "plan.moved"


# Releases.


class ReleaseNotFound(NotFound):
    """There is no such release."""

    code = "release.not_found"


class DecisionNotFound(NotFound):
    """There is no such decision."""

    code = "release.decision_not_found"


class ReleaseMoved(Stale):
    """Somebody or something changed the release since it was looked at; nothing was changed."""

    code = "release.moved"


class EvidenceMoved(Stale):
    """The evidence is not what the signer looked at; look at it again, then decide again."""

    code = "release.evidence_moved"


class IllegalMove(Refused):
    """This cannot be done to a release in its present state; whatever the table of moves does not list is refused."""

    code = "release.illegal_move"


class NothingNarrower(Refused):
    """The release is already as narrow as that, or narrower."""

    code = "release.nothing_narrower"


class GatesDoNotPass(Refused):
    """At least one gate of the stage does not say PASS and is not waived."""

    code = "release.gates_do_not_pass"


class ApprovalsMissing(Refused):
    """Not everybody who must agree has signed under the present evidence."""

    code = "release.approvals_missing"


class WireTripped(Refused):
    """A tripwire is touched, and a tripped wire wins over everything; clear what it stands for first."""

    code = "release.wire_tripped"


class CannotTell(Refused):
    """Something that the decision rests on cannot be read; nothing widens blind."""

    code = "release.cannot_tell"


class ApprovalNotAsked(Refused):
    """Nobody's signature is asked for here, or not this person's."""

    code = "release.approval_not_asked"


class AuthorApproves(Refused):
    """Whoever wrote the plan may not sign for it."""

    code = "release.author_approves"


class ApprovalTooEarly(Refused):
    """Approval comes last: the other gates must pass, or be waived, before anybody signs."""

    code = "release.approval_too_early"


class NotWaivable(Refused):
    """This may not be bypassed by anybody."""

    code = "release.not_waivable"


class WaiverTooLong(Refused):
    """A waiver ends within thirty days, and after now."""

    code = "release.waiver_too_long"


class NoSuchGate(NotFound):
    """The present stage has no gate of this name."""

    code = "release.no_such_gate"


class NoSuchStage(NotFound):
    """The plan has no stage of this name."""

    code = "release.no_such_stage"


class ReasonMissing(Invalid):
    """A decision needs a reason; one sentence is enough."""

    code = "release.reason_missing"


class OnlyPeople(Refused):
    """Only a person may do this; no process of Headgate may."""

    code = "release.only_people"


class OnlyController(Refused):
    """Only Headgate's own controller does this, from what it reads."""

    code = "release.only_controller"


class ModelTaken(Refused):
    """Another release of this model is under way; replace it or withdraw it first."""

    code = "release.model_taken"


class ReleasesUnavailable(Unavailable):
    """The store of releases does not answer; nothing was changed."""

    code = "releases.store_unavailable"


class DoesNotReplay(Unavailable):
    """What was stored for a decision cannot be read again: the record has been changed, or other rules wrote it."""

    code = "release.does_not_replay"


class PlanNotPlayable(Invalid):
    """The plan does not say enough to be played: how many seats a stage has, how much they use it, and who watches."""

    code = "plan.not_playable"


class NoCluster(Unavailable):
    """The cluster that plays were to run on cannot be used."""

    code = "plan.no_cluster"


class EvidenceNotUsed(NotFound):
    """Nothing of this name is among what a release or a decision rests on, so it cannot be left out."""

    code = "release.evidence_not_used"
