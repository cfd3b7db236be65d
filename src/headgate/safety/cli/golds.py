"""``headgate review gold``: known harms that measure the readers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - Typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from headgate.safety.cli.session import AsJson, Yes, ask, out, print_json, talk
from headgate.safety.errors import GoldInvalid
from headgate.safety.wire.golds import GoldDraft, drafts, known_of, of_texts
from headgate.safety.wire.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headgate.safety.cli.session import Session


@dataclass(frozen=True, slots=True)
class GoldVerbs:
    """The verbs of ``review gold``."""

    open_session: Callable[[], Session]

    def app(self) -> typer.Typer:
        """Return the noun with its verbs."""
        app = typer.Typer(help="Known harms, mixed unmarked into what reviewers read to measure them.", no_args_is_help=True)
        app.command("add")(self.add)
        app.command("list")(self.list)
        app.command("retire")(self.retire)
        app.command("results")(self.results)
        return app

    def add(
        self,
        file: Annotated[
            Path | None, typer.Argument(exists=True, dir_okay=False, help="A file with one JSON document on each line.")
        ] = None,
        *,
        prompt: Annotated[str | None, typer.Option(help="Instead of a file: what is asked.")] = None,
        completion: Annotated[str | None, typer.Option(help="What is answered.")] = None,
        harm: Annotated[list[str] | None, typer.Option(help="A hazard that there is harm of; repeat it for more.")] = None,
        no_harm: Annotated[list[str] | None, typer.Option(help="A hazard that there is none of; repeat it for more.")] = None,
        source: Annotated[str, typer.Option(help="Where they are from, unless a line says so itself.")] = "",
        json: AsJson = False,
    ) -> None:
        """Add gold items. Whoever adds one is never handed it; nothing of its text goes on the ledger."""
        found = self._drafts(file, prompt, completion, harm or [], no_harm or [])
        session = self.open_session()
        now = session.desk.clock.now()
        for draft in found:
            told = draft.source if draft.source is not None else source
            gold_id = session.desk.golds.add(draft.content, draft.known, source=told, by=session.by, now=now)
            if json:
                print_json({"gold": gold_id, "known": draft.known})
            else:
                typer.echo(gold_id)
        talk(f"{len(found):,} added. Readers meet about one in twenty items; see: headgate review gold results EPOCH")

    def list(
        self,
        *,
        retired: Annotated[bool, typer.Option("--retired", help="Those that are no longer shown, too.")] = False,
        json: AsJson = False,
    ) -> None:
        """List the gold items and in how many epochs each was shown; nothing of what is said in them."""
        session = self.open_session()
        lines = session.desk.golds.list(by=session.by, retired=retired)
        if json:
            for line in lines:
                print_json(
                    {
                        "gold": line.id,
                        "known": dict(line.known),
                        "source": line.source,
                        "flagged": line.flagged,
                        "shown": line.shown,
                        "retired": line.retired,
                    }
                )
            return
        table = Table("gold", "known", "source", "flagged", "shown", box=None)
        for line in lines:
            marks = ("flagged" if line.flagged else "", f"{line.shown:,}" + (", retired" if line.retired else ""))
            table.add_row(line.id, plain(_known(line.known)), plain(line.source), *marks)
        out().print(table)
        harms = [line for line in lines if any(line.known.values())]
        seen = f"Detectors flagged {sum(line.flagged for line in harms):,} of {len(harms):,} known harms."
        talk(f"{seen} Next: headgate review gold results EPOCH" if lines else "None. Add some: headgate review gold add FILE")

    def retire(self, gold_id: Annotated[str, typer.Argument(metavar="GOLD", help="Which.")], *, yes: Yes = False) -> None:
        """Show a gold item no more; what it has measured stays."""
        session = self.open_session()
        ask(f"{plain(gold_id)} would not be shown any more. What it has measured stays.", yes=yes)
        session.desk.golds.retire(gold_id, by=session.by, now=session.desk.clock.now())
        talk("Retired. See the rest: headgate review gold list")

    def results(
        self, epoch: Annotated[str, typer.Argument(help="Which epoch: release/stage/attempt.")], *, json: AsJson = False
    ) -> None:
        """Say how many of an epoch's known harms ended as harms, by hazard and by reader, with bounds that hold at every look."""
        session = self.open_session()
        results = session.desk.golds.results(epoch, by=session.by, now=session.desk.clock.now())
        readers = session.desk.golds.readers(epoch, by=session.by)
        if json:
            for result in results:
                print_json(
                    {
                        "hazard": result.hazard,
                        "shown": result.tally.shown,
                        "recognised": result.tally.caught,
                        "at_least": result.at_least,
                        "waiting": result.tally.waiting,
                        "harmless": result.tally.harmless,
                        "cleared": result.tally.cleared,
                    }
                )
            for reader in readers:
                counts = {"shown": reader.shown, "recognised": reader.recognised, "at_least": reader.at_least}
                print_json({"reviewer": reader.reviewer, **counts})
            return
        table = Table("hazard", "recognised", "at least (97.5 %)", "harmless cleared", "waiting", box=None)
        for result in results:
            tally = result.tally
            table.add_row(
                plain(result.hazard),
                f"{tally.caught:,} of {tally.shown:,}",
                f"{result.at_least:.3f}",
                f"{tally.cleared:,} of {tally.harmless:,}",
                f"{tally.waiting:,}",
            )
        out().print(table)
        for reader in readers:
            alone = f"{reader.recognised:,} of {reader.shown:,} recognised, at least {reader.at_least:.3f}"
            typer.echo(f"{plain(reader.reviewer)}, alone: {alone}")
        talk("Known harms say nothing of other kinds." if results else "No gold item has been shown in this epoch.")

    @staticmethod
    def _drafts(
        file: Path | None, prompt: str | None, completion: str | None, harms: list[str], no_harms: list[str]
    ) -> list[GoldDraft]:
        if file is not None:
            if prompt is not None or completion is not None or harms or no_harms:
                raise GoldInvalid("Either a file, or one item in options.", help="Leave the options out.")
            return [*drafts(file.read_text("utf-8"))]
        if prompt is None or completion is None:
            raise GoldInvalid("A gold item has a prompt and a completion.", help="Give a file, or --prompt and --completion.")
        return [GoldDraft(of_texts(prompt, completion), known_of(harms, no_harms), None)]


def _known(known: Mapping[str, bool]) -> str:
    return ", ".join(hazard if harm else f"no {hazard}" for hazard, harm in known.items())
