"""Everything that can be asked of access, and what comes back: credentials once, pages, counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

from headgate.kernel.actor import Permission

if TYPE_CHECKING:
    from headgate.access.model.seats import AccountState
    from headgate.kernel.ids import OrganisationId

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Issued(Generic[T]):
    """A credential at the one moment at which its text exists.

    Attributes:
        of: What it is a credential of, as stored: a key, a member of staff, a sign-in link or a session.
        secret: The text; shown once, kept nowhere, and absent from ``repr``.
    """

    of: T
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Policy:
    """The spans that access is run with; one value, read once.

    Attributes:
        key_life: How long a key works unless its issuer says otherwise.
        key_life_at_most: How long a key may work.
        key_overlap: How long a rotated key keeps working beside its successor.
        key_idle: How long a key may lie unused before it is quarantined.
        staff_token_life: How long a staff token works unless its issuer says otherwise.
        staff_token_life_at_most: How long a staff token may work.
        link_life: How long a sign-in link works, if nobody uses it.
        session_life: How long a session works at most.
        session_idle: How long a session works while nothing is done in it.
        session_renewal: How old a session's text may grow before it is renewed.
        session_overlap: How long the text before still works after a renewal, for what was under way.
        verified_for: How recently somebody must have proved that it is they, for a dangerous command.
        attempt_life: How long somebody may take to prove who they are, once asked.
        attempts_open_at_most: How many attempts of strangers are kept at once; the oldest give way.
        terms_grace: How long holders have to accept changed terms unless the change says otherwise.
    """

    key_life: timedelta = timedelta(days=90)
    key_life_at_most: timedelta = timedelta(days=365)
    key_overlap: timedelta = timedelta(days=1)
    key_idle: timedelta = timedelta(days=60)
    staff_token_life: timedelta = timedelta(days=90)
    staff_token_life_at_most: timedelta = timedelta(days=365)
    link_life: timedelta = timedelta(hours=24)
    session_life: timedelta = timedelta(hours=12)
    session_idle: timedelta = timedelta(minutes=30)
    session_renewal: timedelta = timedelta(minutes=15)
    session_overlap: timedelta = timedelta(seconds=30)
    verified_for: timedelta = timedelta(minutes=5)
    attempt_life: timedelta = timedelta(minutes=5)
    attempts_open_at_most: int = 5000
    terms_grace: timedelta = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        after: The last identifier of the page before; empty for the first page.
        limit: How many at most, 1 to 1000.
        newest_first: Whether the list runs backwards: identifiers sort by when they were made.
    """

    after: str = ""
    limit: int = 100
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class AccountsSought:
    """Which accounts are looked for; what is left out may be anything.

    Attributes:
        named: What stands somewhere in their name, in letters of either case.
        organisation_id: Whom they belong to.
        organisation_named: What stands somewhere in the name of whom they belong to.
        state: Whether they may be used.
    """

    named: str | None = None
    organisation_id: OrganisationId | None = None
    organisation_named: str | None = None
    state: AccountState | None = None


@dataclass(frozen=True, slots=True)
class Swept:
    """What one pass of the clock changed.

    Attributes:
        grants_ended: Grants whose end date had passed.
        terms_lapsed: Grants whose time for accepting new terms had run out.
        keys_expired: Keys past their end date or their overlap.
        keys_dormant: Keys quarantined because nobody used them.
    """

    grants_ended: int = 0
    terms_lapsed: int = 0
    keys_expired: int = 0
    keys_dormant: int = 0


class Command(Enum):
    """Everything that can be asked of access, and the permission each needs.

    Whoever may manage keys may also stop people (suspend, pause, end): narrowing needs one responsible person. Letting
    them back in needs the permission to grant.
    """

    needs: Permission

    ORGANISATIONS_ADD = ("organisations.add", Permission.GRANT)
    ORGANISATIONS_GET = ("organisations.get", Permission.VIEW)
    ORGANISATIONS_PAGE = ("organisations.page", Permission.VIEW)
    ORGANISATIONS_SUSPEND = ("organisations.suspend", Permission.KEY)
    ORGANISATIONS_REINSTATE = ("organisations.reinstate", Permission.GRANT)
    ACCOUNTS_ADD = ("accounts.add", Permission.GRANT)
    ACCOUNTS_GET = ("accounts.get", Permission.VIEW)
    ACCOUNTS_PAGE = ("accounts.page", Permission.VIEW)
    ACCOUNTS_WITH_EMAIL = ("accounts.with_email", Permission.VIEW)
    ACCOUNTS_SUSPEND = ("accounts.suspend", Permission.KEY)
    ACCOUNTS_REINSTATE = ("accounts.reinstate", Permission.GRANT)
    ACCOUNTS_CLOSE = ("accounts.close", Permission.GRANT)
    ACCOUNTS_DECLARE = ("accounts.declare", Permission.GRANT)
    ACCOUNTS_DESCRIBE = ("accounts.describe", Permission.VIEW)
    COHORTS_ADD = ("cohorts.add", Permission.COHORT)
    COHORTS_GET = ("cohorts.get", Permission.VIEW)
    COHORTS_PAGE = ("cohorts.page", Permission.VIEW)
    COHORTS_CHANGE = ("cohorts.change", Permission.COHORT)
    COHORTS_CHANGE_TERMS = ("cohorts.change_terms", Permission.COHORT)
    GRANTS_ADD = ("grants.add", Permission.GRANT)
    GRANTS_GET = ("grants.get", Permission.VIEW)
    GRANTS_PAGE = ("grants.page", Permission.VIEW)
    GRANTS_RECORD_ACCEPTANCE = ("grants.record_acceptance", Permission.GRANT)
    GRANTS_LIMIT = ("grants.limit", Permission.KEY)
    GRANTS_UNLIMIT = ("grants.unlimit", Permission.GRANT)
    GRANTS_PAUSE = ("grants.pause", Permission.KEY)
    GRANTS_RESUME = ("grants.resume", Permission.GRANT)
    GRANTS_END = ("grants.end", Permission.KEY)
    KEYS_ADD = ("keys.add", Permission.KEY)
    KEYS_GET = ("keys.get", Permission.VIEW)
    KEYS_PAGE = ("keys.page", Permission.VIEW)
    KEYS_ROTATE = ("keys.rotate", Permission.KEY)
    KEYS_REVOKE = ("keys.revoke", Permission.KEY)
    CHAT_PAGE_INVITE = ("chat_page.invite", Permission.KEY)
    STAFF_ADD = ("staff.add", Permission.STAFF)
    STAFF_GET = ("staff.get", Permission.STAFF)
    STAFF_NAMES = ("staff.names", Permission.VIEW)
    STAFF_PAGE = ("staff.page", Permission.STAFF)
    STAFF_RENEW = ("staff.renew", Permission.STAFF)
    STAFF_REVOKE = ("staff.revoke", Permission.STAFF)
    SESSIONS_INVITE = ("sessions.invite", Permission.STAFF)
    SESSIONS_END_ALL = ("sessions.end_all", Permission.STAFF)
    SESSIONS_OPEN_ONES = ("sessions.open_ones", Permission.STAFF)
    IDENTITIES_LINK = ("identities.link", Permission.STAFF)
    IDENTITIES_UNLINK = ("identities.unlink", Permission.STAFF)
    IDENTITIES_OF = ("identities.of", Permission.STAFF)
    PASSKEYS_OF = ("passkeys.of_member", Permission.STAFF)
    PASSKEYS_ONE_OF = ("passkeys.one_of_member", Permission.STAFF)
    PASSKEYS_REMOVE = ("passkeys.remove_of_member", Permission.STAFF)

    def __new__(cls, spelling: str, needs: Permission) -> Command:  # noqa: PYI034 - an enum's own class
        member = object.__new__(cls)
        member._value_ = spelling
        member.needs = needs
        return member
