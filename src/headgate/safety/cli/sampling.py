"""``headgate sampling``: let anybody check that nobody picked what was reviewed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from headgate.safety.cli.session import AsJson, Yes, ask, print_json, talk

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.safety.cli.session import Session

_MISFIT = 1


@dataclass(frozen=True, slots=True)
class SamplingVerbs:
    """The verbs of ``sampling``."""

    open_session: Callable[[], Session]

    def app(self) -> typer.Typer:
        """Return the noun with its verbs."""
        app = typer.Typer(help="The sample that reviewers read, and its coins.", no_args_is_help=True)
        app.command("audit")(self.audit)
        app.command("reveal")(self.reveal)
        return app

    def audit(
        self, epoch: Annotated[str, typer.Argument(help="Which epoch: release/stage/attempt.")], *, json: AsJson = False
    ) -> None:
        """Toss every coin of an epoch again. Exit code 0: all fit; 1: one does not, and the first is named."""
        session = self.open_session()
        audit = session.desk.sampling.audit(epoch, by=session.by)
        misfit = audit.misfit
        if json:
            print_json(
                {
                    "epoch": audit.epoch,
                    "draws": audit.draws,
                    "sampled": audit.sampled,
                    "commitment": audit.commitment,
                    "revealed": audit.revealed,
                    "misfit": None
                    if misfit is None
                    else {"position": misfit.position, "exchange": misfit.exchange_id, "sentence": misfit.sentence},
                }
            )
        elif misfit is None:
            typer.echo(f"All {audit.draws:,} coins fit {audit.commitment}; {audit.sampled:,} of them send to review.")
        else:
            typer.echo(f"Draw {misfit.position} ({misfit.exchange_id or 'no exchange'}): {misfit.sentence}")
        if misfit is not None:
            raise typer.Exit(_MISFIT)

    def reveal(
        self,
        epoch: Annotated[str, typer.Argument(help="Which epoch: release/stage/attempt.")],
        *,
        yes: Yes = False,
        json: AsJson = False,
    ) -> None:
        """Publish the seed of an epoch that is over, for good."""
        session = self.open_session()
        ask(f"The seed of {epoch} would stand on the ledger for ever; late exchanges of that epoch are all reviewed.", yes=yes)
        seed = session.desk.sampling.reveal(epoch, by=session.by, now=session.desk.clock.now())
        if json:
            print_json({"epoch": epoch, "seed": seed})
        else:
            typer.echo(seed)
        talk(f"Check it: headgate sampling audit {epoch}")
