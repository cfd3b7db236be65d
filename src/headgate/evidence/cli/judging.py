"""``headgate evidence supersede``, ``finalise``, ``carry`` and ``dispose``: what may be done to a record, each with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from headgate.evidence.cli.looking import line
from headgate.evidence.cli.session import AsJson, Because, RecordId, Yes, ask, print_json, talk
from headgate.evidence.model.filing import Disposition  # noqa: TC001 - Typer reads the annotations when it runs
from headgate.evidence.wire.spelled import filed_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.evidence.cli.session import Session
    from headgate.evidence.model.filing import Filed


@dataclass(frozen=True, slots=True)
class JudgeVerbs:
    """The verbs that do something to a record."""

    open_session: Callable[[], Session]

    def supersede(
        self,
        record: RecordId,
        *,
        by: Annotated[str, typer.Option(help="The later record that takes its place.", show_default=False)],
        because: Because,
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        """Put a later record in the place of this one; whoever filed the later one cannot decide it."""
        session = self.open_session()
        filed = session.filing.get(record, by=session.by)
        ask(f"{line(filed, now=session.clock.now())}\nstays on file and no longer counts, for any gate.", yes=yes)
        after = session.filing.supersede(record, successor=by, because=because, by=session.by)
        _told(after, session, as_json=as_json)

    def finalise(self, record: RecordId, *, because: Because, as_json: AsJson = False) -> None:
        """Say that the evaluator stands by what was preliminary."""
        session = self.open_session()
        _told(session.filing.finalise(record, because=because, by=session.by), session, as_json=as_json)

    def carry(
        self,
        record: RecordId,
        *,
        release: Annotated[str, typer.Option(help="For whose version it is to count too: a release, or its model's name.")],
        because: Because,
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        """Let a record count for another version too; the first person asks, the second agrees by asking for the same."""
        session = self.open_session()
        filed = session.filing.get(record, by=session.by)
        ask(f"{line(filed, now=session.clock.now())}\nwas measured on another version than that of {release}.", yes=yes)
        after = session.filing.carry(record, release=release, because=because, by=session.by)
        _told(after, session, as_json=as_json)
        if any(carry.approved_by is None for carry in after.carried):
            talk(f'Next, somebody else: headgate evidence carry {record} --release {release} --because "…"')

    def dispose(
        self,
        record: Annotated[list[str], typer.Argument(help="Records, ev_…; one report may hold many.", show_default=False)],
        *,
        how: Annotated[Disposition, typer.Option("--as", help="What was done about it.", show_default=False)],
        because: Because,
        as_json: AsJson = False,
    ) -> None:
        """Answer what a red team or a researcher found; each record is answered by itself, in the order given."""
        session = self.open_session()
        for name in record:
            _told(session.filing.dispose(name, how, because=because, by=session.by), session, as_json=as_json)


def _told(filed: Filed, session: Session, *, as_json: bool) -> None:
    now = session.clock.now()
    if as_json:
        print_json(filed_json(filed, now=now))
    else:
        typer.echo(line(filed, now=now))
