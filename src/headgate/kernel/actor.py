"""Who acts, and what they may do.

A role is a bundle of permissions; the bundles are this file's one table, and ``docs/generated/permissions.md`` is printed
from it. Whatever the table does not list is refused. Headgate's own processes act under a name of their own, with only
the permissions that their work needs: the controller may narrow, and may widen only where every gate says PASS.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from headgate.kernel.errors import Forbidden


class Permission(Enum):
    """One thing that somebody may do."""

    VIEW = "view"
    PLAN = "plan.apply"
    HOLD = "release.hold"
    NARROW = "release.narrow"
    CUT = "release.cut"
    RESUME = "release.resume"
    PROMOTE = "release.promote"
    APPROVE = "release.approve"
    WAIVE = "release.waive"
    WITHDRAW = "release.withdraw"
    REVIEW = "review.label"
    READ_CONTENT = "content.read"
    DESTROY_CONTENT = "content.destroy"
    INCIDENT = "incident.manage"
    COHORT = "cohort.manage"
    GRANT = "grant.manage"
    KEY = "key.manage"
    STAFF = "staff.manage"
    FILE_EVIDENCE = "evidence.file"
    JUDGE_EVIDENCE = "evidence.judge"


class Role(Enum):
    """A duty that a member of staff holds."""

    RELEASE_MANAGER = "release_manager"
    SAFETY_LEAD = "safety_lead"
    SAFETY_REVIEWER = "safety_reviewer"
    ACCESS_REVIEWER = "access_reviewer"
    SECURITY = "security"
    BOARD = "board"
    AUDITOR = "auditor"
    ADMIN = "admin"


_NARROWING = frozenset({Permission.HOLD, Permission.NARROW, Permission.CUT})
_DECIDING = _NARROWING | {Permission.VIEW, Permission.APPROVE, Permission.RESUME, Permission.WAIVE}

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.RELEASE_MANAGER: _DECIDING
    | {Permission.PLAN, Permission.PROMOTE, Permission.WITHDRAW, Permission.INCIDENT, Permission.FILE_EVIDENCE},
    Role.SAFETY_LEAD: _DECIDING
    | {Permission.REVIEW, Permission.READ_CONTENT, Permission.DESTROY_CONTENT, Permission.INCIDENT}
    | {Permission.FILE_EVIDENCE, Permission.JUDGE_EVIDENCE},
    Role.SAFETY_REVIEWER: frozenset(
        {Permission.VIEW, Permission.REVIEW, Permission.READ_CONTENT, Permission.INCIDENT, Permission.FILE_EVIDENCE}
    ),
    Role.ACCESS_REVIEWER: frozenset({Permission.VIEW, Permission.COHORT, Permission.GRANT, Permission.KEY}),
    Role.SECURITY: _DECIDING | {Permission.KEY, Permission.INCIDENT, Permission.FILE_EVIDENCE, Permission.JUDGE_EVIDENCE},
    Role.BOARD: _DECIDING | {Permission.JUDGE_EVIDENCE},
    Role.AUDITOR: frozenset({Permission.VIEW, Permission.FILE_EVIDENCE}),
    Role.ADMIN: _NARROWING | {Permission.VIEW, Permission.STAFF, Permission.COHORT, Permission.GRANT, Permission.KEY},
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody, or one of Headgate's processes, about to do something.

    Attributes:
        id: ``stf_…`` for staff, ``acc_…`` for an account, ``system:<process>`` for Headgate itself.
        name: What people call them.
        roles: The duties they hold.
        permissions: What they may do.
    """

    id: str
    name: str
    roles: frozenset[Role]
    permissions: frozenset[Permission]

    @classmethod
    def staff(cls, id: str, name: str, roles: frozenset[Role]) -> Actor:
        """Return a member of staff with the permissions of their roles."""
        allowed = frozenset[Permission]().union(*(PERMISSIONS[role] for role in roles))
        return cls(id, name, roles, allowed)

    @classmethod
    def system(cls, process: str, *permissions: Permission) -> Actor:
        """Return one of Headgate's own processes."""
        return cls(f"system:{process}", process, frozenset(), frozenset(permissions))

    def may(self, permission: Permission) -> bool:
        """Return whether the table allows it."""
        return permission in self.permissions

    def must(self, permission: Permission) -> None:
        """Go on only if the table allows it.

        Raises:
            Forbidden: It does not.
        """
        if not self.may(permission):
            holders = sorted(role.value for role, held in PERMISSIONS.items() if permission in held)
            raise Forbidden(
                f"{self.name} may not do this: it needs the permission {permission.value}.",
                rule=f"permission {permission.value}",
                help=f"Ask somebody who is {' or '.join(holders)}." if holders else None,
            )
