"""``headgate report``: what can be handed to somebody who has no console."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - Typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.kernel.actor import Actor
    from headgate.releases.service import ReleaseService
    from headgate.reports.gate import Reporting


@dataclass(frozen=True, slots=True)
class Session:
    """Whom the verbs ask.

    Attributes:
        reporting: Makes reports.
        releases: Knows releases by name.
        by: Who sits at the terminal.
    """

    reporting: Reporting
    releases: ReleaseService
    by: Actor


def commands(open_session: Callable[[], Session]) -> typer.Typer:
    """Return the verbs of ``headgate report``.

    Args:
        open_session: Opens what the verbs need; called when one runs, never before.
    """
    app = typer.Typer(help="Reports to keep, print and hand on.", no_args_is_help=True)

    @app.callback()
    def _group() -> None:  # pyright: ignore[reportUnusedFunction] - keeps ``gate`` a verb of its own while it is alone
        """Reports to keep, print and hand on."""

    @app.command()
    def gate(  # pyright: ignore[reportUnusedFunction] - Typer's decorator takes it
        release: Annotated[str, typer.Argument(help="A model's name, or a release, rel_…", show_default=False)],
        *,
        html: Annotated[Path | None, typer.Option(help="Write it here as one HTML file that needs nothing else.")] = None,
        pdf: Annotated[Path | None, typer.Option(help="Write it here as a PDF.")] = None,
    ) -> None:
        """Report what a release's gates say: verdicts, counts, bounds, what was not shown, decisions, and the ledger's root.

        It is the same, byte for byte, until something is recorded. Without a file to write, the HTML goes to standard output.
        """
        session = open_session()
        found = session.releases.find(release, by=session.by)
        if pdf is not None:
            _write(pdf, session.reporting.gate_pdf(found.id, by=session.by))
        if html is not None or pdf is None:
            content = session.reporting.gate_html(found.id, by=session.by)
            if html is None:
                typer.echo(content.decode(), nl=False)
            else:
                _write(html, content)

    return app


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be written: {error.strerror}") from error
    typer.echo(f"{path}: {len(content):,} bytes", err=True)
