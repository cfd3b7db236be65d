"""Organisations: entered, suspended with all their accounts, reinstated."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headgate.access.decide.inputs import name_for, reason_for
from headgate.access.errors import OrganisationInvalid, OrganisationMoveIllegal
from headgate.access.model import Command, Organisation, OrganisationState, Page
from headgate.access.service.desk import entry
from headgate.kernel.ids import OrganisationId

if TYPE_CHECKING:
    from headgate.access.service.desk import Desk
    from headgate.kernel.actor import Actor


class Organisations:
    """What can be asked about organisations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add(self, name: str, *, by: Actor) -> Organisation:
        """Enter an organisation.

        Raises:
            Forbidden: ``by`` may not.
            OrganisationInvalid: The name cannot be shown.
            AccessStoreUnavailable: Nothing was changed.
        """
        by.must(Command.ORGANISATIONS_ADD.needs)
        now = self._desk.now()
        organisation = Organisation(
            id=OrganisationId(self._desk.new_id("org", at=now)),
            name=name_for(name, OrganisationInvalid),
            state=OrganisationState.ACTIVE,
            created_at=now,
        )
        with self._desk.store.writing() as tx:
            tx.add(organisation)
            tx.record(entry("organisation.created", organisation.id, by, now, organisation_id=organisation.id))
        return organisation

    def get(self, id: OrganisationId, *, by: Actor) -> Organisation:
        """Return one organisation.

        Raises:
            Forbidden: ``by`` may not.
            OrganisationNotFound: There is none.
        """
        by.must(Command.ORGANISATIONS_GET.needs)
        with self._desk.store.reading() as view:
            return view.organisation(id)

    def page(self, page: Page | None = None, *, named: str | None = None, by: Actor) -> list[Organisation]:
        """Return a page of organisations, with ``named`` in their names if it is given.

        Raises:
            Forbidden: ``by`` may not.
        """
        by.must(Command.ORGANISATIONS_PAGE.needs)
        with self._desk.store.reading() as view:
            return view.organisations(page or Page(), named=named)

    def suspend(self, id: OrganisationId, *, reason: str, by: Actor) -> Organisation:
        """Bar an organisation, and with it every account that belongs to it.

        Raises:
            Forbidden: ``by`` may not.
            OrganisationNotFound: There is none.
            OrganisationMoveIllegal: It is suspended already.
            ReasonInvalid: The reason cannot stand on the ledger.
        """
        by.must(Command.ORGANISATIONS_SUSPEND.needs)
        return self._move(id, OrganisationState.SUSPENDED, "organisation.suspended", reason, by)

    def reinstate(self, id: OrganisationId, *, reason: str, by: Actor) -> Organisation:
        """Let a suspended organisation back in.

        Raises:
            Forbidden: ``by`` may not.
            OrganisationNotFound: There is none.
            OrganisationMoveIllegal: It is not suspended.
            ReasonInvalid: The reason cannot stand on the ledger.
        """
        by.must(Command.ORGANISATIONS_REINSTATE.needs)
        return self._move(id, OrganisationState.ACTIVE, "organisation.reinstated", reason, by)

    def _move(self, id: OrganisationId, to: OrganisationState, kind: str, reason: str, by: Actor) -> Organisation:
        why, now = reason_for(reason), self._desk.now()
        with self._desk.store.writing() as tx:
            organisation = tx.organisation(id)
            if organisation.state is to:
                raise OrganisationMoveIllegal(f"This organisation is {to.value} already.", rule=f"state of {id}")
            tx.save(replace(organisation, state=to))
            tx.record(entry(kind, id, by, now, organisation_id=id, reason=why))
            return tx.organisation(id)
