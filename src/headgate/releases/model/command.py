"""What may be asked of a release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.releases.model.plan import Plan
    from headgate.releases.model.release import Alarm, SignedFor


@dataclass(frozen=True, slots=True)
class Apply:
    """Carry out this plan from now on.

    Attributes:
        plan: The plan; its version is that of the release, or the release is new.
    """

    plan: Plan


@dataclass(frozen=True, slots=True)
class Schedule:
    """Open the first stage at ``at``."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Open:
    """Open the first stage."""


@dataclass(frozen=True, slots=True)
class Promote:
    """Open the next stage, or complete the last: every gate says PASS or is waived, and the approvals stand."""


@dataclass(frozen=True, slots=True)
class DeclareRisk:
    """Open the next stage although the gates did not pass; takes two people and every approval.

    Attributes:
        because: Why the risk is taken.
    """

    because: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Widen nothing further.

    Attributes:
        reason: Why.
        alarm: What went off, when no person asked.
    """

    reason: str
    alarm: Alarm | None = None


@dataclass(frozen=True, slots=True)
class Narrow:
    """Close the stages above ``to``.

    Attributes:
        to: How many stages stay open, at least 1.
        reason: Why.
        alarm: What went off, when no person asked.
    """

    to: int
    reason: str
    alarm: Alarm | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """Close every stage, open streams included.

    Attributes:
        reason: Why.
        alarm: What went off, when no person asked.
    """

    reason: str
    alarm: Alarm | None = None


@dataclass(frozen=True, slots=True)
class Freeze:
    """Let nobody new in while something cannot be read.

    Attributes:
        reason: What cannot be read.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Unfreeze:
    """Return to the state before the freeze: everything can be read again."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Let the release go on.

    Attributes:
        reason: What has changed.
        to: From CUT: how many stages to open again. Otherwise the opened stages stay as they are.
    """

    reason: str
    to: int = 1


@dataclass(frozen=True, slots=True)
class Approve:
    """Sign under the evidence that was seen.

    Attributes:
        purpose: What for.
        seen: Digest of the material that the approver looked at; refused when it is no longer what is there.
        to: For resuming from CUT: how many stages would be opened.
        note: What the approver writes.
    """

    purpose: SignedFor
    seen: str
    to: int = 1
    note: str = ""


@dataclass(frozen=True, slots=True)
class DropApprovals:
    """Take signatures out whose evidence has changed materially.

    Attributes:
        reason: What has changed.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Waive:
    """Bypass one gate; the first person asks, the second confirms by asking for the same.

    Attributes:
        gate_id: Which gate of the present stage.
        reason: Why.
        until: When the gate blocks again, at most thirty days away.
    """

    gate_id: str
    reason: str
    until: datetime


@dataclass(frozen=True, slots=True)
class TellOwner:
    """Record once that the state has lasted longer than it may."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """End the release.

    Attributes:
        reason: Why.
    """

    reason: str


Command: TypeAlias = (
    Apply
    | Schedule
    | Open
    | Promote
    | DeclareRisk
    | Hold
    | Narrow
    | Cut
    | Freeze
    | Unfreeze
    | Resume
    | Approve
    | DropApprovals
    | Waive
    | TellOwner
    | Withdraw
)
