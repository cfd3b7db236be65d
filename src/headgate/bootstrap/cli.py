"""The command ``headgate``: the root, and the verbs that concern no subject alone.

Results go to standard output, talk to standard error. An error that has a code ends the command with exit code 1 and says the
code, what happened and what would help; a mistake in the command's own words ends it with 2.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path  # noqa: TC003 - Typer reads the annotations when it runs
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from headgate import __version__
from headgate.access.cli import Session as AccessSession
from headgate.access.cli import commands as access_commands
from headgate.access.wire.spelled import instant
from headgate.adapters.ray import RayFarm
from headgate.bootstrap import logs
from headgate.bootstrap.processes.plan import processes
from headgate.bootstrap.processes.served import served, supervisor_of
from headgate.bootstrap.processes.supervisor import Supervisor
from headgate.bootstrap.reporting import reporting_of
from headgate.bootstrap.terminal import DATA, DEFAULT, Terminal
from headgate.bootstrap.up import ModelServer, Up, initialise
from headgate.evidence.cli import Session as EvidenceSession
from headgate.evidence.cli import commands as evidence_commands
from headgate.kernel.errors import HeadgateError
from headgate.ledger.cli import commands as ledger_commands
from headgate.releases.cli import release_commands
from headgate.releases.model.words import Api
from headgate.reports.cli import Session as ReportSession
from headgate.reports.cli import commands as report_commands
from headgate.safety.cli import Session as SafetySession
from headgate.safety.cli import commands as safety_commands

REFUSED = 1


def application() -> typer.Typer:
    """Return the whole command line."""
    return _Root(Terminal()).app()


def main() -> None:
    """Run the command line; this is the script ``headgate``."""
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


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"headgate {__version__}")
        raise typer.Exit


class _Root:
    """The root's own verbs, with the terminal at hand."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def app(self) -> typer.Typer:
        terminal = self._terminal
        app = typer.Typer(
            name="headgate",
            help="Open a model a notch at a time, only as far as the evidence reaches, and shut it in a second.",
            no_args_is_help=True,
            pretty_exceptions_enable=False,
            rich_markup_mode="markdown",
        )
        app.callback()(self.options)
        for verb in (self.init, self.up, self.serve, self.restart, self.demo):
            app.command()(verb)
        app.command("small-model", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(self.small_model)
        app.add_typer(release_commands(lambda: terminal.house().releases, terminal.actor, RayFarm))
        app.add_typer(access_commands(self._access_session))
        app.add_typer(safety_commands(lambda: SafetySession(terminal.house().desk, terminal.actor())))
        app.add_typer(evidence_commands(self._evidence), name="evidence")
        app.add_typer(report_commands(self._report), name="report")
        app.add_typer(ledger_commands(lambda: terminal.house().ledger), name="ledger")
        return app

    def _report(self) -> ReportSession:
        house = self._terminal.house()
        return ReportSession(reporting_of(house), house.releases, self._terminal.actor())

    def _evidence(self) -> EvidenceSession:
        house = self._terminal.house()
        by = self._terminal.actor()
        return EvidenceSession(house.filing, house.forecasting, house.comparing, house.held_back, house.clock, by)

    def options(
        self,
        data: Annotated[Path, typer.Option(envvar=DATA, help="The installation's directory.")] = DEFAULT,
        version: Annotated[
            bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
        ] = False,
    ) -> None:
        """Headgate."""
        del version  # answered before anything else is read
        self._terminal.directory = data.resolve()
        logs.configure("warning")

    def _access_session(self) -> AccessSession:
        house = self._terminal.house()
        return AccessSession(house.access, self._terminal.actor(), house.settings.origin)

    def init(
        self,
        name: Annotated[str, typer.Option(help="Your name, as others will see it.")] = "owner",
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Make an installation and its first member of staff, and print their token and a sign-in link, each once.

        The token is also left in the directory, readable by its owner only, so that the commands that follow know you. The link
        signs you in to the console, once; it is said beside the results, so that the token can be piped alone.
        """
        made = initialise(self._terminal.home, self._terminal.settings(), name)
        ends = instant(made.ends_at)
        if as_json:
            told = {"staff": made.first.of.id, "token": made.first.secret, "link": made.link, "link_expires_at": ends}
            typer.echo(json.dumps({"data": str(self._terminal.directory), **told}))
            return
        typer.echo(made.first.secret)
        typer.echo(
            f"{self._terminal.directory} is ready; the line above is your token. Next: headgate up\n"
            f"The console, once it runs, in a browser; this works once, until {ends}:\n{made.link}",
            err=True,
        )

    def serve(
        self,
        host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
        port: Annotated[int | None, typer.Option(help="TCP port.")] = None,
        workers: Annotated[int | None, typer.Option(help="Worker processes.")] = None,
        only: Annotated[str | None, typer.Option(help="Run one part alone: web or steward.")] = None,
    ) -> None:
        """Run the workers and the steward until told to stop."""
        settings = self._terminal.settings(host=host, port=port, workers=workers)
        self._terminal.house().close()  # brings the schema up to date before anybody serves
        logs.configure(settings.log_level)
        with served(self._terminal.directory):
            Supervisor(processes(self._terminal.directory, settings, only=only)).run()

    def restart(self) -> None:
        """Replace the running workers and the steward by new ones; open streams run out in the old ones, nothing is refused."""
        os.kill(supervisor_of(self._terminal.home.must_exist().root), signal.SIGHUP)
        typer.echo("The new workers take over as soon as they are ready; watch /readyz and the log.", err=True)

    def up(
        self,
        upstream: Annotated[str | None, typer.Option(help="Your model server's base address: http://127.0.0.1:8000/v1.")] = None,
        model: Annotated[str | None, typer.Option(help="The model's name there; asked of the server when absent.")] = None,
        api: Annotated[Api, typer.Option(help="What your model server speaks.")] = Api.OPENAI,
        key_env: Annotated[str | None, typer.Option(help="Environment variable with the model server's own key.")] = None,
        port: Annotated[int | None, typer.Option(help="TCP port of Headgate.")] = None,
        workers: Annotated[int | None, typer.Option(help="Worker processes.")] = None,
    ) -> None:
        """Start everything with an example plan, in front of a small stand-in model or of yours, and print how to use it."""
        settings = self._terminal.settings(port=port, workers=workers)
        yours = None if upstream is None else ModelServer(upstream.rstrip("/"), api, key_env)
        Up(self._terminal, settings, Console(highlight=False)).run(yours, model=model)

    def demo(
        self,
        seconds: Annotated[int, typer.Option(min=20, max=3600, help="How long it may take at most.")] = 180,
    ) -> None:
        """Play a small simulated community through a throw-away Headgate: stages open on evidence, then a rise is cut.

        Everything it makes up is marked simulated. Nothing of your installation is touched.
        """
        os.execv(sys.executable, [sys.executable, "-m", "headgate.testing.community", "--seconds", str(seconds)])  # noqa: S606

    def small_model(self, context: typer.Context) -> None:
        """Run the small model server that stands in for yours; `headgate small-model --help` lists its options."""
        os.execv(sys.executable, [sys.executable, "-m", "headgate.testing.small_model", *context.args])  # noqa: S606


if __name__ == "__main__":
    main()
