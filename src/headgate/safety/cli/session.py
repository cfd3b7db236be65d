"""Who sits at the terminal, and what they act on. Results go to standard output, talk to standard error."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from rich.console import Console

if TYPE_CHECKING:
    from headgate.kernel.actor import Actor
    from headgate.safety.service.desk import Desk

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@dataclass(frozen=True, slots=True)
class Session:
    """What a verb needs.

    Attributes:
        desk: The use cases.
        by: Who acts.
    """

    desk: Desk
    by: Actor


def out() -> Console:
    """Return the console for results; without colours when it is no terminal."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def talk(sentence: str) -> None:
    """Say something that is no result."""
    typer.echo(sentence, err=True)


def print_json(thing: Any) -> None:
    """Print one JSON document on one line; every character outside ASCII is escaped."""
    typer.echo(json.dumps(thing, ensure_ascii=True))


def ask(preview: str, *, yes: bool) -> None:
    """Say what is about to happen and go on only with a yes.

    Raises:
        typer.Abort: The answer was no, or nobody was there to answer.
    """
    talk(preview)
    if not yes:
        typer.confirm("Go on?", abort=True, err=True)
