"""``headgate incident``: write down what happened, and see it through."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from headgate.kernel.units import parse_span, span_text
from headgate.safety.cli.session import AsJson, Yes, ask, out, print_json, talk
from headgate.safety.model import IncidentState, Severity  # noqa: TC001 - Typer reads the annotations when it runs
from headgate.safety.service.incidents import Report
from headgate.safety.wire.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.safety.cli.session import Session
    from headgate.safety.model import Incident


@dataclass(frozen=True, slots=True)
class IncidentVerbs:
    """The verbs of ``incident``."""

    open_session: Callable[[], Session]

    def app(self) -> typer.Typer:
        """Return the noun with its verbs."""
        app = typer.Typer(help="Incidents: something that happened, with a clock.", no_args_is_help=True)
        app.command("open")(self.open)
        app.command("list")(self.list)
        app.command("triage")(self.triage)
        app.command("advance")(self.advance)
        app.command("close")(self.close)
        return app

    def open(
        self,
        *,
        release: Annotated[str, typer.Option(help="The release that it weighs on.")],
        severity: Annotated[Severity, typer.Option(help="How bad, as far as is known.")],
        hazard: Annotated[str, typer.Option(help="Which kind of harm; other when none of the plan's fits.")],
        title: Annotated[str, typer.Option(help="One sentence for colleagues.")],
        aware_at: Annotated[str, typer.Option(help="When somebody first knew: an instant, or a span before now (2h).")] = "0s",
        exchange: Annotated[list[str] | None, typer.Option(help="An exchange that it is about.")] = None,
        json: AsJson = False,
    ) -> None:
        """Write an incident down as a draft. It weighs on its release at once, and its clock runs from --aware-at."""
        session = self.open_session()
        now = session.desk.clock.now()
        report = Report(release, severity, title, hazard, _instant(aware_at, now=now), tuple(exchange or ()))
        incident = session.desk.incidents.open(report, by=session.by, now=now)
        _show(incident, json=json)
        talk(f"Next: headgate incident triage {incident.id} --severity {severity.value}")

    def list(
        self,
        *,
        release: Annotated[str | None, typer.Option(help="Only of this release.")] = None,
        only_open: Annotated[bool, typer.Option("--open", help="Leave out what is resolved or withdrawn.")] = False,
        json: AsJson = False,
    ) -> None:
        """List incidents, the newest first."""
        session = self.open_session()
        now = session.desk.clock.now()
        found = session.desk.incidents.list(by=session.by, release_id=release, open_only=only_open)
        if json:
            for incident in found:
                _show(incident, json=True)
            return
        table = Table("incident", "release", "severity", "state", "clock", "hazard", "title", box=None)
        for incident in found:
            clock = span_text(now - incident.aware_at)
            state = incident.state.value
            told = (plain(incident.hazard), plain(incident.title))
            table.add_row(incident.id, plain(incident.release_id), incident.severity.value, state, clock, *told)
        out().print(table)

    def triage(
        self,
        incident_id: Annotated[str, typer.Argument(help="Which incident.")],
        *,
        severity: Annotated[Severity, typer.Option(help="How bad it is.")],
        json: AsJson = False,
    ) -> None:
        """Say how bad a draft is."""
        session = self.open_session()
        now = session.desk.clock.now()
        _show(session.desk.incidents.triage(incident_id, severity, by=session.by, now=now), json=json)

    def advance(
        self,
        incident_id: Annotated[str, typer.Argument(help="Which incident.")],
        to: Annotated[IncidentState, typer.Argument(help="Where it goes; only forward, or withdrawn.")],
        *,
        reason: Annotated[str, typer.Option(help="Why; a withdrawal needs one.")] = "",
        json: AsJson = False,
    ) -> None:
        """Move an incident forward, or withdraw it."""
        session = self.open_session()
        now = session.desk.clock.now()
        _show(session.desk.incidents.advance(incident_id, to, by=session.by, now=now, reason=reason), json=json)

    def close(
        self,
        incident_id: Annotated[str, typer.Argument(help="Which incident.")],
        *,
        yes: Yes = False,
        json: AsJson = False,
    ) -> None:
        """Resolve an incident: it no longer keeps its release from widening."""
        session = self.open_session()
        incident = session.desk.incidents.get(incident_id, by=session.by)
        preview = (
            f"{incident.id} ({incident.severity.value}, {incident.state.value}) would no longer weigh on {incident.release_id}."
        )
        ask(preview, yes=yes)
        now = session.desk.clock.now()
        closed = session.desk.incidents.close(incident_id, by=session.by, now=now, seen=incident.revision)
        _show(closed, json=json)
        talk(f"Next: headgate incident advance {incident_id} final")


def _show(incident: Incident, *, json: bool) -> None:
    if json:
        print_json(
            {
                "id": incident.id,
                "release": incident.release_id,
                "severity": incident.severity.value,
                "state": incident.state.value,
                "title": incident.title,
                "hazard": incident.hazard,
                "aware_at": incident.aware_at.isoformat(),
                "exchanges": list(incident.exchanges),
                "revision": incident.revision,
            }
        )
    else:
        typer.echo(f"{incident.id} {incident.severity.value} {incident.state.value}")


def _instant(text: str, *, now: datetime) -> datetime:
    """Read an instant, or a span before now.

    Raises:
        typer.BadParameter: It is neither.
    """
    try:
        return now - parse_span(text)
    except ValueError:
        pass
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"neither an instant nor a span: {text!r} (2026-03-01T12:00Z, 2h)") from None
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
