"""``headgate evidence add``: hand in a file of results, or a document and what it says."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path  # noqa: TC003 - Typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from headgate.evidence.cli.looking import line
from headgate.evidence.cli.session import AsJson, print_json, talk
from headgate.evidence.model.filing import Opinion, Statement
from headgate.evidence.model.record import Access, Direction, Effort, Elicitation, Evaluator, Kind, Relationship, Status
from headgate.evidence.service import Declaration, HandedIn
from headgate.evidence.wire.spelled import filed_json, refusal_json
from headgate.kernel.units import parse_span

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import timedelta

    from headgate.evidence.cli.session import Session
    from headgate.evidence.service import Added

_MOST_FOLDER_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class AddVerb:
    """The verb ``add``."""

    open_session: Callable[[], Session]

    def add(  # one option for each thing that is declared
        self,
        file: Annotated[Path, typer.Argument(help="The file, or HELM's run folder.", exists=True, show_default=False)],
        *,
        release: Annotated[str, typer.Option(help="Whose version was measured: a release, or its model's name.")],
        kind: Annotated[Kind, typer.Option(help="What it is evidence of.")],
        suite: Annotated[str, typer.Option(help="The name by which a gate asks for it; of an audit, its scope.")],
        expires: Annotated[str, typer.Option(help="How long it counts from when it was measured: 90d.")],
        domain: Annotated[str | None, typer.Option(help="The area of risk or of use; the suite's name when absent.")] = None,
        direction: Annotated[Direction | None, typer.Option(help="Which way is safer, if the file does not say.")] = None,
        effort: Annotated[Effort, typer.Option(help="The hardest that anybody tried to bring it out.")] = Effort.UNSTATED,
        step: Annotated[list[str] | None, typer.Option(help="Something that was done to bring it out.")] = None,
        attempts: Annotated[int, typer.Option(min=1, help="Tries at an item, of which one success counts it.")] = 1,
        note: Annotated[str, typer.Option(help="A sentence on how hard was tried.")] = "",
        evaluator: Annotated[str | None, typer.Option(help="Who measured, if the file does not say.")] = None,
        relationship: Annotated[
            Relationship, typer.Option(help="How they stand to the model's maker.")
        ] = Relationship.FIRST_PARTY,
        access: Annotated[Access, typer.Option(help="How deep they could look.")] = Access.UNSTATED,
        preliminary: Annotated[bool, typer.Option("--preliminary", help="The numbers may still change.")] = False,
        produced_at: Annotated[str | None, typer.Option(help="When it was measured, if the file does not say.")] = None,
        title: Annotated[str | None, typer.Option(help="The file is a document for people; what it says, in a line.")] = None,
        opinion: Annotated[Opinion | None, typer.Option(help="What an auditor concludes.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """File evidence about a release's version. A file counts once, and is never changed afterwards.

        Results of Inspect, lm-evaluation-harness, garak, HELM and Every Eval Ever, and plain counts as CSV, are recognised by
        their content. A document for people, such as an audit report, is taken with --title, and is not read.
        """
        session = self.open_session()
        declared = Declaration(
            release=release,
            kind=kind,
            suite=suite,
            domain=domain or suite,
            valid_for=_span(expires),
            direction=direction,
            elicitation=Elicitation(effort, tuple(step or ()), attempts, note),
            evaluator=None if evaluator is None else Evaluator(evaluator, relationship, access),
            status=Status.PRELIMINARY if preliminary else Status.FINAL,
            produced_at=None if produced_at is None else _instant(produced_at),
            statement=None if title is None and opinion is None else Statement(title or "", opinion),
        )
        with _handed_in(file) as handed:
            added = session.filing.add(handed, declared, by=session.by)
        _show(added, session, as_json=as_json)


@contextmanager
def _handed_in(path: Path) -> Generator[HandedIn]:
    """Open a file, or read the files of a run folder; what lies in folders below it is no part of the run."""
    try:
        if path.is_dir():
            within = sorted(one for one in path.iterdir() if one.is_file())
            if sum(one.stat().st_size for one in within) > _MOST_FOLDER_BYTES:
                raise typer.BadParameter(f"the files of a run folder hold at most {_MOST_FOLDER_BYTES:,} bytes together")
            yield HandedIn(BytesIO(), path.name, {one.name: one.read_bytes() for one in within})
        else:
            with path.open("rb") as file:
                yield HandedIn(file, path.name)
    except OSError as problem:
        raise typer.BadParameter(f"{path} cannot be read: {problem.strerror}") from None


def _show(added: Added, session: Session, *, as_json: bool) -> None:
    now = session.clock.now()
    if as_json:
        print_json(
            {
                "filed": [filed_json(filed, now=now) for filed in added.filed],
                "left_out": [refusal_json(refusal) for refusal in added.left_out],
            }
        )
    else:
        for filed in added.filed:
            typer.echo(line(filed, now=now))
    for refusal in added.left_out:
        talk(f"left out {refusal.part}: {refusal.says} ({refusal.reason.value})")
    first = added.filed[0]
    if first.record.finding.kind in {Kind.CAPABILITY, Kind.SAFEGUARD} and first.goalposts is None:
        suite = first.record.finding.suite
        talk(f"The plan says nothing of {suite} yet: goalposts that are set after the result has arrived do not count for it.")
    talk(f"Next: headgate evidence show {first.id}")


def _span(text: str) -> timedelta:
    try:
        return parse_span(text)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None


def _instant(text: str) -> datetime:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"not an instant: {text!r} (2026-03-01T12:00Z, 2026-03-01)") from None
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
