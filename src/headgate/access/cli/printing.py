"""How access looks in a terminal: results on standard output, talk on standard error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Reason: TypeAlias = Annotated[str, typer.Option(help="Why; it stands on the ledger for ever.")]
After: TypeAlias = Annotated[str, typer.Option(help="The last identifier of the page before.")]
Limit: TypeAlias = Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")]


def show(thing: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one thing."""
    if as_json:
        print_json(thing)
        return
    table = Table(show_header=False, box=None)
    for name, value in thing.items():
        table.add_row(name.replace("_", " "), _text(value))
    _out().print(table)


def show_all(things: Sequence[Mapping[str, Any]], columns: Sequence[str], *, limit: int, as_json: bool) -> None:
    """Print several things: a table, or with ``--json`` one thing a line."""
    if as_json:
        for thing in things:
            print_json(thing)
    else:
        table = Table(*(name.replace("_", " ") for name in columns), box=None, header_style="bold")
        for thing in things:
            table.add_row(*(_text(thing[name]) for name in columns))
        _out().print(table)
    if things and len(things) == limit:
        talk(f"There may be more: add --after {things[-1].get('id', things[-1].get('name'))}")


def show_secret(secret: str, thing: Mapping[str, Any], *, as_json: bool, name: str, said: str) -> None:
    """Print a credential the one time that it is shown; alone on standard output, so that it can be piped."""
    if as_json:
        print_json({**thing, name: secret})
    else:
        typer.echo(secret)
    talk(said)


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


def print_json(value: object) -> None:
    """Print JSON on one line."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def _out() -> Console:
    return Console(soft_wrap=True, highlight=False)


def _text(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value)) or "-"  # pyright: ignore[reportUnknownArgumentType]  a list of JSON
        case _:
            return str(value).replace("[", "\\[")
