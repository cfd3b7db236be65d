"""The command ``headgate``: its root, which knows every command by a sentence and reads in what it consists of when it is called.

Results go to standard output, talk to standard error. An error that has a code ends the command with exit code 1 and says the
code, what happened and what would help; a mistake in the command's own words ends it with 2.
"""

from __future__ import annotations

import importlib
import os
import sys
from functools import partial
from pathlib import Path  # noqa: TC003 - Typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.main
from rich.console import Console
from rich.markup import escape
from typer.core import TyperCommand

from headgate import __version__
from headgate.bootstrap import logs
from headgate.bootstrap.processes.collecting import collect_seldom
from headgate.bootstrap.terminal import DATA, DEFAULT, Terminal
from headgate.kernel.errors import HeadgateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REFUSED = 1
MARKUP = "markdown"

COMMANDS: Mapping[str, Mapping[str, str]] = {
    "own": {
        "init": "Make an installation and its first member of staff, and print their token and a sign-in link, each once.",
        "up": "Start everything with an example plan, in front of a small stand-in model or of yours, and print how to use it.",
        "serve": "Run the workers and the steward until told to stop.",
        "restart": "Replace the running workers and the steward by new ones; open streams run out in the old ones, "
        "nothing is refused.",
        "demo": "Play a small simulated community through a throw-away Headgate: stages open on evidence, then a rise is cut.",
        "small-model": "Run the small model server that stands in for yours; `headgate small-model --help` lists its options.",
    },
    "releases": {
        "status": "Show how far each release is open, what its gates say, why it goes no further, and what has not been shown.",
        "plan": "Read, compare and apply release plans.",
        "release": "Hold, narrow, cut, resume, promote and explain releases.",
    },
    "access": {
        "account": "People and services: enter them, look at them, stop them.",
        "organisation": "Organisations that accounts belong to.",
        "cohort": "Groups of seats that a stage of a plan names.",
        "grant": "Seats in a cohort: give them, hold them, take them back.",
        "key": "Credentials of a grant: issue, rotate, revoke them.",
        "staff": "Those who work on a release, and their tokens.",
    },
    "safety": {
        "review": "Read sampled exchanges and label them.",
        "incident": "Incidents: something that happened, with a clock.",
        "sampling": "The sample that reviewers read, and its coins.",
    },
    "evidence": {"evidence": "Evidence from outside: evaluations, red teams, audits."},
    "reports": {"report": "Reports to keep, print and hand on."},
    "ledger": {"ledger": "Check, prove, sign and read the record of every decision."},
}
"""What is said of each command, by the module of ``bootstrap.cli`` that it stands in."""


def application() -> typer.Typer:
    """Return the command line; a command is read in when it is called, for most of them need little of what others do."""
    terminal = Terminal()
    app = _root(terminal)
    for subject, commands in COMMANDS.items():
        for name, sentence in commands.items():
            app.command(name, cls=_later(partial(_read_in, subject, terminal)), help=sentence, add_help_option=False)(_nothing)
    return app


def whole_application() -> typer.Typer:
    """Return the command line with everything read in, to be looked through."""
    terminal = Terminal()
    app = _root(terminal)
    for subject in COMMANDS:
        app.add_typer(_read_in(subject, terminal))
    return app


def main() -> None:
    """Run the command line; this is the script ``headgate``."""
    collect_seldom()
    talk = Console(stderr=True, highlight=False)
    try:
        application()()
    except HeadgateError as error:
        talk.print(f"[bold red]{error.code}[/] {escape(error.message)}", soft_wrap=True)
        for said in (error.rule and f"rule: {error.rule}", error.help, error.link):
            if said:
                talk.print(f"  {said}", markup=False, soft_wrap=True)
        sys.exit(REFUSED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read our output has had enough
        sys.exit(REFUSED)


def _root(terminal: Terminal) -> typer.Typer:
    app = typer.Typer(
        name="headgate",
        help="Open a model a notch at a time, only as far as the evidence reaches, and shut it in a second.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=MARKUP,
    )

    def options(
        data: Annotated[Path, typer.Option(envvar=DATA, help="The installation's directory.")] = DEFAULT,
        *,
        version: Annotated[
            bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
        ] = False,
    ) -> None:
        """Headgate."""
        del version  # answered before anything else is read
        terminal.directory = data.resolve()
        logs.configure("warning")

    app.callback()(options)
    return app


def _print_version(asked: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if asked:
        typer.echo(f"headgate {__version__}")
        raise typer.Exit


def _read_in(subject: str, terminal: Terminal) -> typer.Typer:
    return importlib.import_module(f"headgate.bootstrap.cli.{subject}").commands(terminal)


def _later(read_in: Callable[[], typer.Typer]) -> type[TyperCommand]:
    """Return the kind of a command that stands for one of those that will be read in, until it is called."""

    class Later(TyperCommand):
        def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
            app = typer.Typer(rich_markup_mode=MARKUP)
            app.add_typer(read_in())
            group: Any = typer.main.get_command(app)
            return group.commands[self.name].make_context(info_name, args, parent=parent, **extra)

    return Later


def _nothing() -> None:
    """Stands for what a command does that has not been read in."""
