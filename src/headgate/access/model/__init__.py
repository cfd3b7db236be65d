"""Who has access, as values: organisations, accounts, cohorts, grants, keys, staff, sessions, and what a key answers for.

Everything is frozen; a change is a new value. ``revision`` counts the changes of a row and is how two writers notice each
other. Secrets never live here: a ``Key`` knows only the digest of its text, and an ``Issued`` shows its text only to
whoever asks for it by name.
"""

from headgate.access.model.commands import (
    AccountsSought,
    Command,
    Issued,
    Page,
    Policy,
    Swept,
)
from headgate.access.model.credentials import (
    Asked,
    Attempt,
    Identity,
    MadePasskey,
    Passkey,
    Proven,
    Purpose,
)
from headgate.access.model.seats import (
    SURFACES,
    Account,
    AccountState,
    Cohort,
    CohortState,
    Declared,
    Described,
    Grant,
    GrantState,
    Key,
    KeyHolder,
    KeyState,
    KeyUse,
    Network,
    Organisation,
    OrganisationState,
    Tier,
)
from headgate.access.model.staff import (
    Session,
    SignedInBy,
    SignInLink,
    Staff,
    StaffState,
)

__all__ = [
    "SURFACES",
    "Account",
    "AccountState",
    "AccountsSought",
    "Asked",
    "Attempt",
    "Cohort",
    "CohortState",
    "Command",
    "Declared",
    "Described",
    "Grant",
    "GrantState",
    "Identity",
    "Issued",
    "Key",
    "KeyHolder",
    "KeyState",
    "KeyUse",
    "MadePasskey",
    "Network",
    "Organisation",
    "OrganisationState",
    "Page",
    "Passkey",
    "Policy",
    "Proven",
    "Purpose",
    "Session",
    "SignInLink",
    "SignedInBy",
    "Staff",
    "StaffState",
    "Swept",
    "Tier",
]
