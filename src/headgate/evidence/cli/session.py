"""Who sits at the terminal, and what they file. Results go to standard output, talk to standard error."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from rich.console import Console

if TYPE_CHECKING:
    from headgate.evidence.service import Filing
    from headgate.evidence.service.comparing import Comparing
    from headgate.evidence.service.forecasting import Forecasting
    from headgate.evidence.service.holdback import HeldBack
    from headgate.kernel.actor import Actor
    from headgate.kernel.clock import Clock

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Because: TypeAlias = Annotated[str, typer.Option(help="Why; it stands on the ledger for ever.", show_default=False)]
RecordId: TypeAlias = Annotated[str, typer.Argument(help="A record, ev_….", show_default=False)]


@dataclass(frozen=True, slots=True)
class Session:
    """What a verb needs.

    Attributes:
        filing: The use cases.
        forecasting: What was predicted, and how it turned out.
        comparing: Epochs beside each other.
        held_back: Stages' people beside those who are held back from them.
        clock: The time.
        by: Who acts.
    """

    filing: Filing
    forecasting: Forecasting
    comparing: Comparing
    held_back: HeldBack
    clock: Clock
    by: Actor


def out() -> Console:
    """Return the console for results; without colours when it is no terminal."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def talk(sentence: str) -> None:
    """Say something that is no result."""
    typer.echo(plain(sentence), err=True)


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


def plain(text: str) -> str:
    """Return a text that cannot move the cursor, colour the screen or hide what it says."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(one).startswith("C") else one for one in text)
