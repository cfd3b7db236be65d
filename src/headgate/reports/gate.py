"""The gate report: what a committee reads before it signs, on one page, and the detail behind it.

It is about one head of the ledger and says which: every instant in it is the ledger's, so that asking again gives the same bytes
until something is recorded. It holds counts, bounds, digests and people's decisions; never what anybody wrote to a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.kernel.errors import Unavailable
from headgate.look.charts import painted, tokens
from headgate.look.workshop import NotDrawn, svgs
from headgate.look.writing import count
from headgate.reports.cards import cards
from headgate.reports.paper import on_paper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from headgate.kernel.actor import Actor
    from headgate.kernel.ids import ReleaseId
    from headgate.ledger.model import Head
    from headgate.ledger.service import Ledger
    from headgate.look.pages import Pages
    from headgate.releases.service import Picture, Picturing
    from headgate.reports.cards import GateCard
    from headgate.safety.service.incidents import Incidents

_LOOKS = 5
_WIDTH = 620
_PAPER = {"--text": "Libertinus Serif, Georgia, serif"}


class ReportUnavailable(Unavailable):
    """The report cannot be made just now: the ledger moves too fast, or its charts cannot be drawn."""

    code = "report.unavailable"


@dataclass(frozen=True, slots=True)
class GateReport:
    """What is known of a release's gates under one head of the ledger.

    Attributes:
        picture: The release.
        cards: Its gates.
        drawings: The chart of each gate that has one, by gate, as SVG.
        head: The ledger.
        at: When the ledger's last entry was made; everything is as of then.
        asked_by: Who asked for the report.
        names: What people are called.
        incidents: Open incidents by severity, drafts included.
    """

    picture: Picture
    cards: tuple[GateCard, ...]
    drawings: Mapping[str, str]
    head: Head
    at: datetime
    asked_by: str
    names: Mapping[str, str]
    incidents: Mapping[str, int]

    @property
    def exposure(self) -> str:
        """Who has had access, in a sentence."""
        counted = self.picture.status.exposure
        if counted is None:
            return "It cannot be read who has had access."
        return (
            f"{_so_many(counted.accounts, 'account')}, {_so_many(counted.organisations, 'organisation')}, "
            f"{_so_many(counted.exchanges, 'exchange')} on {_so_many(counted.active_days, 'active day')}"
        )


class Reporting:
    """Makes reports.

    Args:
        picturing: Who shows releases.
        incidents: Who knows what happened.
        ledger: What was decided.
        names: What members of staff are called.
        pages: The templates.
    """

    def __init__(
        self,
        picturing: Picturing,
        incidents: Incidents,
        ledger: Ledger,
        names: Callable[[Iterable[str], Actor], Mapping[str, str]],
        pages: Pages,
    ) -> None:
        self._picturing = picturing
        self._incidents = incidents
        self._ledger = ledger
        self._names = names
        self._pages = pages

    def gate(self, release_id: ReleaseId, *, by: Actor) -> GateReport:
        """Return the gate report of a release as of the ledger's present head.

        Raises:
            Forbidden: ``by`` may not look.
            ReleaseNotFound: There is no such release.
            ReportUnavailable: The ledger moves too fast, or charts cannot be drawn.
        """
        for _ in range(_LOOKS):
            head = self._ledger.head()
            at = self._ledger.entry(head.size).entry.at
            picture = self._picturing.picture(release_id, by=by, at=at)
            incidents = self._incidents.list(by=by, release_id=release_id)
            counts = self._incidents.open_counts(release_id)
            if self._ledger.head() == head:
                break
        else:
            raise ReportUnavailable("Too much is being recorded for a report of one moment.", help="Try again in a moment.")
        found = cards(picture, incidents)
        return GateReport(
            picture=picture,
            cards=found,
            drawings=_drawn(found),
            head=head,
            at=at,
            asked_by=by.name,
            names=self._names([each.by for each in picture.decisions], by),
            incidents={severity.value: number for severity, number in counts.items()},
        )

    def gate_html(self, release_id: ReleaseId, *, by: Actor) -> bytes:
        """Return the gate report as one HTML file that needs nothing else; see ``gate``."""
        report = self.gate(release_id, by=by)
        return self._pages.render("reports/gate.html", report=report, tokens=tokens()).encode()

    def gate_pdf(self, release_id: ReleaseId, *, by: Actor) -> bytes:
        """Return the gate report on paper; see ``gate``."""
        return on_paper(self.gate(release_id, by=by))


def _drawn(found: tuple[GateCard, ...]) -> Mapping[str, str]:
    values = {**tokens(), **_PAPER}
    with_chart = [card for card in found if card.spec is not None]
    specs = [painted({**card.spec, "width": _WIDTH}, values) for card in with_chart if card.spec is not None]
    try:
        return {card.line.gate_id: svg for card, svg in zip(with_chart, svgs(specs), strict=True)}
    except NotDrawn as failed:
        raise ReportUnavailable("The report's charts cannot be drawn just now.", help="Look into the log.") from failed


def _so_many(number: int, of: str) -> str:
    return f"{count(number)} {of}{'' if number == 1 else 's'}"
