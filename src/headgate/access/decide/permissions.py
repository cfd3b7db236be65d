"""Who may do what, written out: two tables printed from the two tables in the code.

The first is the kernel's, roles by permissions, for every subject. The second is access's own commands, each with the
permission that it needs. Whatever has no mark is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.access.model import Command
from headgate.kernel.actor import PERMISSIONS, Permission, Role

if TYPE_CHECKING:
    from collections.abc import Iterable


def permissions_markdown() -> str:
    """Return the page of permissions: every role by every permission, and every command of access by every role."""
    roles = list(Role)
    return "\n".join(
        [
            "# Permissions",
            "",
            "A role is a bundle of permissions; whatever has no mark is refused.",
            "",
            *_head("permission", roles),
            *(_row(permission.value, (permission in PERMISSIONS[role] for role in roles)) for permission in Permission),
            "",
            "## Access",
            "",
            "Stopping somebody (suspend, limit, pause, end, revoke) needs the permission to manage keys; letting them back in",
            "needs the permission to grant.",
            "",
            *_head("command", roles),
            *(_row(command.value, (command.needs in PERMISSIONS[role] for role in roles)) for command in Command),
            "",
        ]
    )


def _head(what: str, roles: list[Role]) -> list[str]:
    return [f"| {what} | {' | '.join(role.value for role in roles)} |", f"|---|{':-:|' * len(roles)}"]


def _row(name: str, marks: Iterable[bool]) -> str:
    return f"| `{name}` | {' | '.join('✓' if mark else '' for mark in marks)} |"
