"""``init``, ``up``, ``serve``, ``restart``, ``demo``, ``small-model``: the verbs that concern no subject alone."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from headgate.access.wire.spelled import instant
from headgate.bootstrap import logs
from headgate.bootstrap.processes.plan import processes
from headgate.bootstrap.processes.served import served, supervisor_of
from headgate.bootstrap.processes.supervisor import Supervisor
from headgate.bootstrap.up import ModelServer, Up, initialise
from headgate.releases.model.words import Api

if TYPE_CHECKING:
    from headgate.bootstrap.terminal import Terminal


def commands(terminal: Terminal) -> typer.Typer:
    """Return the verbs, to be added to the root without a name of their own."""
    app = typer.Typer()
    verbs = _Verbs(terminal)
    for verb in (verbs.init, verbs.up, verbs.serve, verbs.restart, verbs.demo):
        app.command()(verb)
    app.command("small-model", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(verbs.small_model)
    return app


class _Verbs:
    """With the terminal at hand."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def init(
        self,
        name: Annotated[str, typer.Option(help="Your name, as others will see it.")] = "owner",
        *,
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
