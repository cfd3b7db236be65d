"""What a client sends to access. Closed: an unknown field is an error, so that a typing mistake never means "no limit"."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from headgate.access.model import CohortState, Tier
from headgate.kernel.actor import Role

_MOST = 2**31 - 1
"""More seats than there will be people to take them."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Why(_Body):
    """A reason; it stands on the ledger for ever."""

    reason: str


class NewOrganisation(_Body):
    """An organisation to be entered."""

    name: str


class NewAccount(_Body):
    """An account to be entered."""

    name: str
    email: str | None = Field(default=None, description="Only a keyed hash of it is kept.")
    organisation_id: str | None = None
    tier: Tier = Tier.UNTRUSTED
    simulated: bool = False


class Declaration(_Body):
    """What an account says of itself, one word each; what is left out stays as it was."""

    country: str | None = None
    language: str | None = None
    region: str | None = None
    use_case: str | None = None


class NewCohort(_Body):
    """A cohort to be entered."""

    name: str
    seats: int | None = Field(le=_MOST, description="How many grants may be open at once; null for no bound.")
    terms_version: str | None = None
    terms_url: str | None = None


class ChangedCohort(_Body):
    """What changes about a cohort; what is absent stays."""

    seats: int | None = Field(default=None, le=_MOST, description="Null for no bound; absent to keep what is.")
    state: CohortState | None = None


class NewTerms(_Body):
    """A version of terms to be put in force."""

    version: str
    url: str | None = None
    grace: timedelta | None = Field(default=None, description="Seconds or ISO 8601; the policy's span when absent.")


class NewGrant(_Body):
    """A seat to be given."""

    account_id: str
    cohort: str
    ends_at: datetime
    starts_at: datetime | None = None


class Acceptance(_Body):
    """An acceptance of the terms that happened elsewhere."""

    version: str
    evidence: str = Field(description="Where it can be found; it stands on the ledger.")


class Share(_Body):
    """A limit on a seat."""

    to_percent: int
    reason: str


class NewKey(_Body):
    """A key to be issued."""

    grant_id: str
    scopes: list[str]
    label: str = "key"
    networks: list[str] = []
    life: timedelta | None = Field(default=None, description="Seconds or ISO 8601; the policy's span when absent.")


class Rotation(_Body):
    """How a key is to be rotated."""

    overlap: timedelta | None = Field(default=None, description="Seconds or ISO 8601; the policy's span when absent.")
    life: timedelta | None = None


class NewMember(_Body):
    """A member of staff to be entered."""

    name: str
    roles: list[Role]
    life: timedelta | None = None


class Renewal(_Body):
    """How long a new token shall work."""

    life: timedelta | None = None


class Accepted(_Body):
    """The version of the terms that the holder of a key accepts."""

    version: str
