"""Who sits at the terminal, the releases that they act on, and the words that several verbs share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.console import Console

from headgate.kernel.units import parse_span
from headgate.releases.wire.spelled import decision_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.kernel.actor import Actor
    from headgate.kernel.digest import Json
    from headgate.releases.model.release import Decision
    from headgate.releases.service import ReleaseService

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Reason: TypeAlias = Annotated[str, typer.Option(help="Why; it stands on the ledger for ever.", show_default=False)]
Name: TypeAlias = Annotated[str, typer.Argument(help="A model's name, or a release, rel_…", show_default=False)]


@dataclass(frozen=True, slots=True)
class Desk:
    """What a verb needs, opened when it is used.

    Attributes:
        open_releases: Opens the use cases.
        actor: Says who acts.
    """

    open_releases: Callable[[], ReleaseService]
    actor: Callable[[], Actor]

    def sit(self) -> tuple[ReleaseService, Actor]:
        """Return the use cases and who acts."""
        return self.open_releases(), self.actor()


def ask(preview: str, *, yes: bool) -> None:
    """Say what is about to happen and go on only with a yes.

    Raises:
        typer.Abort: The answer was no, or nobody was there to answer.
    """
    talk(preview)
    if not yes:
        typer.confirm("Go on?", abort=True, err=True)


def talk(text: str) -> None:
    """Say something on standard error."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(text, markup=False)


def print_json(value: Json) -> None:
    """Print JSON on one line."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def told(decision: Decision, *, as_json: bool, then: str | None) -> None:
    """Print a decision that was made, and the command that follows from it."""
    if as_json:
        print_json(decision_json(decision))
    else:
        typer.echo(decision_line(decision))
    if then:
        talk(f"next: {then}")


def decision_line(decision: Decision) -> str:
    """Return a decision on one line."""
    moved = decision.after.value
    if decision.before is not decision.after:
        moved = f"{decision.before.value} → {moved}"
    if decision.stage_before != decision.stage_after:
        moved += f" (stage {decision.stage_before} → {decision.stage_after})"
    what = f"{decision.model}  {decision.kind.value.replace('_', ' ')}: {moved}"
    return f"{decision.at:%Y-%m-%d %H:%M:%S}  {decision.id}  {what}  {decision.by}  {decision.reason}"


def instant(text: str) -> datetime:
    """Read an instant, a date, or a span counted from now.

    Raises:
        typer.BadParameter: It is none of them.
    """
    now = datetime.now(UTC)
    try:
        return now + parse_span(text)
    except ValueError:
        pass
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"not an instant, a date or a span: {text!r} (2027-03-01T12:00Z, 2027-03-01, 14d)") from None
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
