"""Cohorts: entered, resized, frozen, and given new terms with time to accept them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headgate.access.decide.inputs import cohort_name, seats_for, terms_for
from headgate.access.errors import CohortExists, CohortInvalid
from headgate.access.model import Cohort, CohortState, Command, Page
from headgate.access.service.desk import entry
from headgate.kernel.clock import to_us

if TYPE_CHECKING:
    from datetime import timedelta

    from headgate.access.service.desk import Desk
    from headgate.kernel.actor import Actor


@dataclass(frozen=True, slots=True)
class Occupied:
    """A cohort and how full it is.

    Attributes:
        cohort: The cohort.
        taken: How many of its seats are taken; above ``cohort.seats`` after it was made smaller.
    """

    cohort: Cohort
    taken: int


class Cohorts:
    """What can be asked about cohorts."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add(
        self, name: str, *, seats: int | None, terms_version: str | None = None, terms_url: str | None = None, by: Actor
    ) -> Cohort:
        """Enter a cohort.

        Args:
            name: What plans call it.
            seats: How many grants may be open at once; ``None`` for no bound.
            terms_version: The version of the terms that holders must accept; ``None`` where there are none.
            terms_url: Where they can be read.
            by: Who enters it.

        Raises:
            Forbidden: ``by`` may not.
            CohortInvalid: The name, the seats or the terms cannot be.
            CohortExists: There is one with this name.
        """
        by.must(Command.COHORTS_ADD.needs)
        now = self._desk.now()
        version, url = terms_for(terms_version, terms_url)
        cohort = Cohort(cohort_name(name), seats_for(seats), version, url, CohortState.OPEN, now)
        with self._desk.store.writing() as tx:
            if tx.has_cohort(cohort.name):
                raise CohortExists(f"There is a cohort {cohort.name} already.", help="Change it, or choose another name.")
            tx.add(cohort)
            tx.record(entry("cohort.created", cohort.name, by, now, cohort=cohort.name, seats=seats, terms_version=version))
        return cohort

    def get(self, name: str, *, by: Actor) -> Occupied:
        """Return one cohort and how full it is.

        Raises:
            Forbidden: ``by`` may not.
            CohortNotFound: There is none.
        """
        by.must(Command.COHORTS_GET.needs)
        with self._desk.store.reading() as view:
            return Occupied(view.cohort(name), view.seats_taken(name, now=self._desk.now()))

    def page(self, page: Page | None = None, *, by: Actor) -> list[Occupied]:
        """Return a page of cohorts and how full they are.

        Raises:
            Forbidden: ``by`` may not.
        """
        by.must(Command.COHORTS_PAGE.needs)
        now = self._desk.now()
        with self._desk.store.reading() as view:
            return [Occupied(cohort, view.seats_taken(cohort.name, now=now)) for cohort in view.cohorts(page or Page())]

    def change(self, name: str, *, seats: int | None, state: CohortState, by: Actor) -> Cohort:
        """Set how many seats a cohort has and whether it takes people in.

        Fewer seats than are taken turn nobody out; they keep others from coming in.

        Raises:
            Forbidden: ``by`` may not.
            CohortNotFound: There is none.
            CohortInvalid: The seats cannot be.
        """
        by.must(Command.COHORTS_CHANGE.needs)
        now = self._desk.now()
        bound = seats_for(seats)
        with self._desk.store.writing() as tx:
            cohort = tx.cohort(name)
            tx.save(replace(cohort, seats=bound, state=state))
            tx.record(entry("cohort.changed", name, by, now, cohort=name, seats=bound, state=state.value))
            return tx.cohort(name)

    def change_terms(
        self, name: str, *, version: str, url: str | None = None, grace: timedelta | None = None, by: Actor
    ) -> Cohort:
        """Put a new version of the terms in force; holders who are up to date have ``grace`` to accept it.

        Who was late already stays late: a second change gives nobody more time for the first.

        Args:
            name: The cohort.
            version: The new version.
            url: Where it can be read; ``None`` keeps the address.
            grace: How long holders have; ``None`` for the policy's span.
            by: Who changes it.

        Raises:
            Forbidden: ``by`` may not.
            CohortNotFound: There is none.
            CohortInvalid: The version is in force already, or is no version, or the grace is negative.
        """
        by.must(Command.COHORTS_CHANGE_TERMS.needs)
        now = self._desk.now()
        span = self._desk.policy.terms_grace if grace is None else grace
        if span.total_seconds() < 0:
            raise CohortInvalid("A grace period cannot be negative.", help="Write 0s for none.")
        with self._desk.store.writing() as tx:
            cohort = tx.cohort(name)
            new_version, new_url = terms_for(version, url or cohort.terms_url)
            if new_version == cohort.terms_version:
                raise CohortInvalid(f"Version {version} of the terms of {name} is in force already.")
            due_at = now + span
            tx.save(replace(cohort, terms_version=new_version, terms_url=new_url))
            asked = tx.set_terms_due(name, due_at, first_terms=cohort.terms_version is None)
            tx.record(
                entry(
                    "cohort.changed",
                    name,
                    by,
                    now,
                    cohort=name,
                    terms_version=version,
                    terms_before=cohort.terms_version,
                    terms_due_at_us=to_us(due_at),
                    holders_asked=asked,
                )
            )
            return tx.cohort(name)
