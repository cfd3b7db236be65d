"""What the passing of time does, put on the ledger.

Every end is in force from its instant, because the rules compare dates; the sweep only writes it down, so that caches are
told and so that a clock set back later brings nothing to life again. It works in small transactions, and a second pass
over the same instant changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from headgate.access.decide.use import USABLE_KEYS
from headgate.access.model import GrantState, KeyState, Swept
from headgate.access.service.desk import entry
from headgate.kernel.actor import Actor, Permission

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from headgate.access.model import Grant, Key
    from headgate.access.ports import Transaction, View
    from headgate.access.service.desk import Desk

SCHEDULER = Actor.system("scheduler", Permission.GRANT, Permission.KEY)
"""Who acts when nobody does but the clock."""

_BATCH = 200

_T = TypeVar("_T")


def sweep(desk: Desk, now: datetime) -> Swept:
    """Write down every end that has come by ``now``, and quarantine keys that nobody uses.

    Raises:
        AccessStoreUnavailable: The database did not answer; what was written before stays written.
    """
    idle_since = now - desk.policy.key_idle
    return Swept(
        grants_ended=_each(
            desk, lambda view: view.grants_past(now, limit=_BATCH), lambda tx, grant: end_of_term(tx, grant, now=now)
        ),
        terms_lapsed=_each(
            desk,
            lambda view: view.grants_with_lapsed_terms(now, limit=_BATCH),
            lambda tx, grant: _lapse(tx, grant, now=now),
        ),
        keys_expired=_each(desk, lambda view: view.keys_past(now, limit=_BATCH), lambda tx, key: _expire(tx, key, now=now)),
        keys_dormant=_each(
            desk,
            lambda view: view.keys_idle(idle_since, limit=_BATCH),
            lambda tx, key: quarantine(tx, key, reason="dormant", by=SCHEDULER, now=now),
        ),
    )


def end_of_term(tx: Transaction, grant: Grant, *, now: datetime) -> None:
    """Write down that a seat's end date has passed."""
    tx.save(replace(grant, state=GrantState.ENDED))
    tx.record(
        entry(
            "grant.ended",
            grant.id,
            SCHEDULER,
            now,
            account_id=grant.account_id,
            cohort=grant.cohort,
            grant_id=grant.id,
            reason="expired",
        )
    )


def quarantine(tx: Transaction, key: Key, *, reason: str, by: Actor, now: datetime) -> None:
    """Stop a key that still worked, for good; one that no longer did is left as it is."""
    if key.state not in USABLE_KEYS:
        return
    grant = tx.grant(key.grant_id)
    tx.save(replace(key, state=KeyState.QUARANTINED))
    tx.record(
        entry(
            "key.quarantined",
            key.id,
            by,
            now,
            account_id=grant.account_id,
            cohort=grant.cohort,
            grant_id=grant.id,
            key_id=key.id,
            reason=reason,
        )
    )


def _lapse(tx: Transaction, grant: Grant, *, now: datetime) -> None:
    tx.save(replace(grant, state=GrantState.PENDING_TERMS))
    tx.record(
        entry(
            "grant.terms_lapsed",
            grant.id,
            SCHEDULER,
            now,
            account_id=grant.account_id,
            cohort=grant.cohort,
            grant_id=grant.id,
            terms_version=grant.terms_version,
        )
    )


def _expire(tx: Transaction, key: Key, *, now: datetime) -> None:
    grant = tx.grant(key.grant_id)
    tx.save(replace(key, state=KeyState.EXPIRED))
    tx.record(
        entry(
            "key.expired",
            key.id,
            SCHEDULER,
            now,
            account_id=grant.account_id,
            cohort=grant.cohort,
            grant_id=grant.id,
            key_id=key.id,
            reason="expired" if now >= key.expires_at else "replaced",
        )
    )


def _each(desk: Desk, due: Callable[[View], list[_T]], write: Callable[[Transaction, _T], None]) -> int:
    """Write down everything that is due, a batch at a time; where nothing is, no write transaction is opened."""
    count = 0
    while True:
        with desk.store.reading() as view:
            if not due(view):
                return count
        with desk.store.writing() as tx:
            found = due(tx)
            for thing in found:
                write(tx, thing)
        count += len(found)
