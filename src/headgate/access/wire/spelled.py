"""The values of access as JSON: what the API answers and ``--json`` prints. Digests and hashes stay inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.access.model import Account, Cohort, Declared, Grant, Identity, Key, Organisation, Staff

Spelled = dict[str, Any]


def organisation(value: Organisation) -> Spelled:
    """Spell an organisation."""
    return {
        "id": value.id,
        "name": value.name,
        "state": value.state.value,
        "created_at": instant(value.created_at),
        "revision": value.revision,
    }


def account(value: Account) -> Spelled:
    """Spell an account; of its e-mail address, whether one is known."""
    return {
        "id": value.id,
        "name": value.name,
        "organisation_id": value.organisation_id,
        "tier": value.tier.value,
        "state": value.state.value,
        "email_known": value.email_hash is not None,
        "simulated": value.simulated,
        "created_at": instant(value.created_at),
        "revision": value.revision,
    }


def declared(value: Declared) -> Spelled:
    """Spell what an account says of itself."""
    return {"country": value.country, "language": value.language, "region": value.region, "use_case": value.use_case}


def cohort(value: Cohort, *, taken: int) -> Spelled:
    """Spell a cohort and how many of its seats are taken."""
    return {
        "name": value.name,
        "seats": value.seats,
        "taken": taken,
        "terms_version": value.terms_version,
        "terms_url": value.terms_url,
        "state": value.state.value,
        "created_at": instant(value.created_at),
        "revision": value.revision,
    }


def grant(value: Grant) -> Spelled:
    """Spell a grant."""
    return {
        "id": value.id,
        "account_id": value.account_id,
        "cohort": value.cohort,
        "state": value.state.value,
        "terms_version": value.terms_version,
        "terms_due_at": _maybe(value.terms_due_at),
        "limited_to_percent": value.limited_to_percent,
        "starts_at": instant(value.starts_at),
        "ends_at": instant(value.ends_at),
        "simulated": value.simulated,
        "created_at": instant(value.created_at),
        "revision": value.revision,
    }


def key(value: Key) -> Spelled:
    """Spell a key; its text cannot be spelt, nobody has it."""
    return {
        "id": value.id,
        "grant_id": value.grant_id,
        "label": value.label,
        "scopes": sorted(value.scopes),
        "networks": [str(network) for network in value.networks],
        "state": value.state.value,
        "created_at": instant(value.created_at),
        "expires_at": instant(value.expires_at),
        "retires_at": _maybe(value.retires_at),
        "replaced_by": value.replaced_by,
        "last_used_at": _maybe(value.last_used_at),
        "use": value.use.value,
        "revision": value.revision,
    }


def member(value: Staff) -> Spelled:
    """Spell a member of staff."""
    return {
        "id": value.id,
        "name": value.name,
        "roles": sorted(role.value for role in value.roles),
        "state": value.state.value,
        "token_expires_at": instant(value.token_expires_at),
        "created_at": instant(value.created_at),
        "revision": value.revision,
    }


def identity(value: Identity) -> Spelled:
    """Spell a link with a provider."""
    return {
        "id": value.id,
        "staff_id": value.staff_id,
        "issuer": value.issuer,
        "subject": value.subject,
        "linked_at": instant(value.linked_at),
        "last_used_at": _maybe(value.last_used_at),
    }


def instant(value: datetime) -> str:
    """Spell an instant: ``2027-03-01T00:00:00.000000Z``, always to the microsecond, so that spellings sort like instants."""
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _maybe(value: datetime | None) -> str | None:
    return None if value is None else instant(value)
