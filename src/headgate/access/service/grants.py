"""Grants: a seat given, its terms accepted, limited, paused, resumed, ended.

Seats are counted inside the transaction that takes one, and access has one writer at a time, so two decisions made at once
cannot both take the last seat.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headgate.access.decide.inputs import FULL_PERCENT, reason_for, term_for
from headgate.access.decide.moves import GrantMove, accepted, moved
from headgate.access.decide.use import must_stand, resting_state, state_of
from headgate.access.errors import CohortFrozen, GrantDuplicate, GrantNoSeat
from headgate.access.model import CohortState, Command, Grant, GrantState, Page
from headgate.access.service.desk import entry
from headgate.access.service.sweeping import end_of_term
from headgate.kernel.clock import to_us
from headgate.kernel.ids import GrantId

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.access.model import Account, Cohort
    from headgate.access.ports import Transaction
    from headgate.access.service.desk import Desk
    from headgate.kernel.actor import Actor
    from headgate.kernel.ids import AccountId


class Grants:
    """What can be asked about grants."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add(
        self,
        account_id: AccountId,
        cohort: str,
        *,
        ends_at: datetime,
        starts_at: datetime | None = None,
        by: Actor,
    ) -> Grant:
        """Give an account a seat in a cohort.

        It is active at once where the cohort has no terms, and waits for them to be accepted where it has.

        Args:
            account_id: Who is let in.
            cohort: Where to.
            ends_at: First instant at which the seat no longer counts.
            starts_at: First instant at which it does; ``None`` for now.
            by: Who decides.

        Raises:
            Forbidden: ``by`` may not.
            GrantInvalid: The dates cannot be.
            AccountNotFound, CohortNotFound: There is no such thing.
            AccountSuspended, AccountClosed, OrganisationSuspended: The account is barred.
            CohortFrozen: The cohort takes nobody in.
            GrantDuplicate: The account has a seat there.
            GrantNoSeat: Every seat is taken.
        """
        by.must(Command.GRANTS_ADD.needs)
        now = self._desk.now()
        start, end = term_for(starts_at or now, ends_at, now=now)
        with self._desk.store.writing() as tx:
            account = tx.account(account_id)
            must_stand(tx.organisation(account.organisation_id) if account.organisation_id else None, account)
            group = tx.cohort(cohort)
            self._must_have_room(tx, account, group, now)
            grant = Grant(
                id=GrantId(self._desk.new_id("gr", at=now)),
                account_id=account_id,
                cohort=cohort,
                state=GrantState.PENDING_TERMS,
                terms_version=None,
                terms_due_at=None,
                limited_to_percent=FULL_PERCENT,
                starts_at=start,
                ends_at=end,
                simulated=account.simulated,
                created_at=now,
            )
            grant = _at_rest(grant, group, now)
            tx.add(grant)
            tx.record(
                entry(
                    "grant.created",
                    grant.id,
                    by,
                    now,
                    **_of(grant),
                    starts_at_us=to_us(start),
                    ends_at_us=to_us(end),
                    simulated=grant.simulated,
                )
            )
            if grant.state is GrantState.ACTIVE:
                tx.record(entry("grant.activated", grant.id, by, now, **_of(grant)))
        return grant

    def get(self, id: GrantId, *, by: Actor) -> Grant:
        """Return one grant, in the state that it is in now.

        Raises:
            Forbidden: ``by`` may not.
            GrantNotFound: There is none.
        """
        by.must(Command.GRANTS_GET.needs)
        with self._desk.store.reading() as view:
            grant = view.grant(id)
            return _seen(grant, view.cohort(grant.cohort), self._desk.now())

    def page(
        self, page: Page | None = None, *, account_id: AccountId | None = None, cohort: str | None = None, by: Actor
    ) -> list[Grant]:
        """Return a page of grants, each in the state that it is in now.

        Raises:
            Forbidden: ``by`` may not.
        """
        by.must(Command.GRANTS_PAGE.needs)
        now = self._desk.now()
        with self._desk.store.reading() as view:
            grants = view.grants(page or Page(), account_id=account_id, cohort=cohort)
            cohorts = {name: view.cohort(name) for name in {grant.cohort for grant in grants}}
        return [_seen(grant, cohorts[grant.cohort], now) for grant in grants]

    def record_acceptance(self, id: GrantId, version: str, *, evidence: str, by: Actor) -> Grant:
        """Record that a holder accepted the terms elsewhere: in a signed contract, say.

        Args:
            id: The grant.
            version: The version that they accepted.
            evidence: Where the acceptance can be found; it stands on the ledger.
            by: Who records it.

        Raises:
            Forbidden: ``by`` may not.
            GrantNotFound: There is none.
            GrantEnded: It is over.
            TermsSuperseded: Another version is in force.
            ReasonInvalid: The evidence cannot stand on the ledger.
        """
        by.must(Command.GRANTS_RECORD_ACCEPTANCE.needs)
        found, now = reason_for(evidence), self._desk.now()
        with self._desk.store.writing() as tx:
            return accept(tx, tx.grant(id), version, by=by, now=now, evidence=found)

    def limit(self, id: GrantId, *, to_percent: int, reason: str, by: Actor) -> Grant:
        """Leave a seat only a share of its stage's quota.

        Raises:
            Forbidden: ``by`` may not.
            GrantNotFound: There is none.
            GrantInvalid: The share is not from 1 to 99.
            GrantEnded, GrantExpired: It is over.
            ReasonInvalid: The reason cannot stand on the ledger.
        """
        by.must(Command.GRANTS_LIMIT.needs)
        return self._move(id, GrantMove.LIMIT, "grant.limited", reason, by, percent=to_percent)

    def unlimit(self, id: GrantId, *, reason: str, by: Actor) -> Grant:
        """Give a limited seat its whole quota back.

        Raises:
            Forbidden: ``by`` may not.
            GrantNotFound: There is none.
            GrantEnded, GrantExpired: It is over.
            ReasonInvalid: The reason cannot stand on the ledger.
        """
        by.must(Command.GRANTS_UNLIMIT.needs)
        return self._move(id, GrantMove.UNLIMIT, "grant.unlimited", reason, by)

    def pause(self, id: GrantId, *, reason: str, by: Actor) -> Grant:
        """Let nothing pass under a seat, and keep the seat.

        Raises:
            Forbidden: ``by`` may not.
            GrantNotFound: There is none.
            GrantMoveIllegal: It is paused already.
            GrantEnded, GrantExpired: It is over.
            ReasonInvalid: The reason cannot stand on the ledger.
        """
        by.must(Command.GRANTS_PAUSE.needs)
        return self._move(id, GrantMove.PAUSE, "grant.paused", reason, by)

    def resume(self, id: GrantId, *, reason: str, by: Actor) -> Grant:
        """Take a seat out of its pause, to where its terms and limits leave it.

        Raises:
            Forbidden: ``by`` may not.
            GrantNotFound: There is none.
            GrantMoveIllegal: It is not paused.
            GrantEnded, GrantExpired: It is over.
            ReasonInvalid: The reason cannot stand on the ledger.
        """
        by.must(Command.GRANTS_RESUME.needs)
        return self._move(id, GrantMove.RESUME, "grant.resumed", reason, by)

    def end(self, id: GrantId, *, reason: str, by: Actor) -> Grant:
        """Take a seat back for good; every key of it stops, and the seat is free.

        Raises:
            Forbidden: ``by`` may not.
            GrantNotFound: There is none.
            GrantEnded, GrantExpired: It is over already.
            ReasonInvalid: The reason cannot stand on the ledger.
        """
        by.must(Command.GRANTS_END.needs)
        return self._move(id, GrantMove.END, "grant.ended", reason, by)

    def _must_have_room(self, tx: Transaction, account: Account, cohort: Cohort, now: datetime) -> None:
        if cohort.state is CohortState.FROZEN:
            raise CohortFrozen(
                f"The cohort {cohort.name} is frozen.", rule=f"state of {cohort.name}", help="Open it first, or choose another."
            )
        for held in tx.open_grants(account.id, cohort.name):
            if state_of(held, cohort, now=now) is not GrantState.ENDED:
                raise GrantDuplicate(
                    f"This account holds a grant in {cohort.name} already: {held.id}.",
                    rule="one open grant for each account and cohort",
                    help="Resume or change that one, or end it first.",
                )
            end_of_term(tx, held, now=now)
        taken = tx.seats_taken(cohort.name, now=now)
        if cohort.seats is not None and taken >= cohort.seats:
            raise GrantNoSeat(
                f"Every seat of {cohort.name} is taken: {taken} of {cohort.seats}.",
                rule=f"seats of {cohort.name}",
                help="End a grant, or give the cohort more seats.",
            )

    def _move(self, id: GrantId, move: GrantMove, kind: str, reason: str, by: Actor, *, percent: int | None = None) -> Grant:
        why, now = reason_for(reason), self._desk.now()
        with self._desk.store.writing() as tx:
            grant = tx.grant(id)
            changed = moved(grant, tx.cohort(grant.cohort), move, now=now, percent=percent)
            tx.save(changed)
            tx.record(entry(kind, id, by, now, **_of(changed), limited_to_percent=percent, reason=why))
            return tx.grant(id)


def accept(tx: Transaction, grant: Grant, version: str, *, by: Actor, now: datetime, evidence: str | None = None) -> Grant:
    """Record an acceptance of the terms, and the activation that follows from it.

    Raises:
        GrantEnded: The seat is over.
        TermsSuperseded: Another version is in force.
    """
    cohort = tx.cohort(grant.cohort)
    changed = accepted(grant, cohort, version, now=now)
    tx.save(changed)
    tx.record(entry("grant.terms_accepted", grant.id, by, now, **_of(changed), terms_version=version, evidence=evidence))
    if grant.state is GrantState.PENDING_TERMS and changed.state is not GrantState.PENDING_TERMS:
        tx.record(entry("grant.activated", grant.id, by, now, **_of(changed)))
    return tx.grant(grant.id)


def _of(grant: Grant) -> dict[str, str]:
    return {
        "account_id": grant.account_id,
        "cohort": grant.cohort,
        "grant_id": grant.id,
        "state": grant.state.value,
    }


def _at_rest(grant: Grant, cohort: Cohort, now: datetime) -> Grant:
    return replace(grant, state=resting_state(grant, cohort, now=now))


def _seen(grant: Grant, cohort: Cohort, now: datetime) -> Grant:
    return replace(grant, state=state_of(grant, cohort, now=now))
