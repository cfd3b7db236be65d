"""What people report of answers that they were given.

A report is taken at its word until somebody has looked: it opens an incident as a draft, which weighs on its release like any
other. So that nobody can hold a release with it, a report is of middling severity until it is triaged, is about an exchange of
the reporter's own, and is one of few in a day. What was reported never enters the sample: evidence is of what a coin chose.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from headgate.kernel.actor import Actor, Permission
from headgate.safety.errors import IncidentInvalid, ReportsExhausted, ReportUnfounded
from headgate.safety.model import OTHER, Severity
from headgate.safety.service.incidents import Report

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.safety.model import Incident
    from headgate.safety.ports import IncidentStore, Whose
    from headgate.safety.service.incidents import Incidents

A_DAY = 20
"""How many reports one account can make in a day."""
_DAY = timedelta(days=1)
_LONGEST_CHARS = 200


@dataclass(frozen=True, slots=True)
class Reports:
    """Takes reports in.

    Attributes:
        incidents: Where they become drafts.
        store: Where incidents are kept.
        whose: Who knows whose an exchange was.
    """

    incidents: Incidents
    store: IncidentStore
    whose: Whose

    def file(self, exchange_id: str, *, note: str, account_id: str, now: datetime) -> Incident:
        """Write down that an account finds fault with an answer of its own.

        Args:
            exchange_id: The answer's exchange.
            note: What is wrong with it, in one line of 1 to 200 characters; content, kept out of the ledger.
            account_id: Who reports.
            now: The present instant.

        Raises:
            IncidentInvalid: The note says nothing, or too much.
            ReportUnfounded: The account had no such exchange.
            ReportsExhausted: It has reported too often today.
        """
        said = " ".join(note.split())
        if not 0 < len(said) <= _LONGEST_CHARS:
            raise IncidentInvalid(f"Say what is wrong in 1 to {_LONGEST_CHARS} characters.")
        exchange = self.whose.whose(exchange_id)
        if exchange is None or exchange.account_id != account_id:
            raise ReportUnfounded("You have had no such answer.", help="Report an answer from the page that showed it.")
        with self.store.transaction() as tx:
            if tx.opened_by(account_id, since=now - _DAY) >= A_DAY:
                raise ReportsExhausted(
                    f"An account can report {A_DAY} answers in a day.",
                    rule="reports a day",
                    help="Tell whoever let you in, if something is wrong everywhere.",
                )
        by = Actor(account_id, account_id, frozenset(), frozenset({Permission.INCIDENT}))
        report = Report(exchange.release_id, Severity.MEDIUM, f"Reported: {said}", OTHER, now, (exchange_id,))
        return self.incidents.open(report, by=by, now=now)
