"""The generated documents: what the code knows best, written out, and checked for staleness by ``make check``.

Run as ``python -m headgate.bootstrap.documents [--check] [DIRECTORY]``.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import headgate
from headgate.access.decide import permissions_markdown
from headgate.bootstrap.cli import whole_application
from headgate.bootstrap.cli.written import command_line_markdown
from headgate.bootstrap.faces import console_markdown
from headgate.bootstrap.home import Home
from headgate.bootstrap.http import status_of
from headgate.bootstrap.settings import Settings, settings_markdown
from headgate.bootstrap.wiring import open_house
from headgate.kernel.errors import HeadgateError
from headgate.releases.decide.lint import lints_markdown
from headgate.releases.wire.schema import plan_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

DIRECTORY = Path("docs/generated")


def documents() -> dict[str, str]:
    """Return every generated document by its file name."""
    return {
        "errors.md": errors_markdown(),
        "settings.md": settings_markdown(),
        "permissions.md": f"{permissions_markdown()}\n{_console()}",
        "lints.md": lints_markdown(),
        "plan-schema.json": json.dumps(plan_schema(), indent=2, sort_keys=True) + "\n",
        "cli.md": command_line_markdown(whole_application()),
    }


def _console() -> str:
    """Return the console's addresses, from the pages of an installation that is made for this and thrown away."""
    with tempfile.TemporaryDirectory() as directory:
        house = open_house(Home(Path(directory)), Settings())
        try:
            return console_markdown(house)
        finally:
            house.close()


def all_errors() -> list[type[HeadgateError]]:
    """Return every kind of error that a caller may meet, by code."""
    for module in pkgutil.walk_packages(headgate.__path__, "headgate."):
        if not module.name.startswith(("headgate.testing", "headgate.migrations")) and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    ours = {error for error in _below(HeadgateError) if error.__module__.startswith("headgate.")}
    return sorted((error for error in ours if not error.__module__.startswith("headgate.testing")), key=lambda error: error.code)


def errors_markdown() -> str:
    """Return the table of every error that a caller may meet."""
    lines = [
        "# Errors",
        "",
        "Codes never change and are used once. Over HTTP the status follows from what the caller should do.",
        "",
        "| code | status | what it means |",
        "|---|---|---|",
    ]
    for error in all_errors():
        meaning = " ".join((error.__doc__ or "").partition("\n\n")[0].split())
        lines.append(f"| `{error.code}` | {status_of(error).value} | {meaning} |")
    return "\n".join(lines) + "\n"


def _below(error: type[HeadgateError]) -> Iterator[type[HeadgateError]]:
    for below in error.__subclasses__():
        yield below
        yield from _below(below)


def main(arguments: list[str]) -> int:
    """Write the documents, or with ``--check`` say which are stale; return the exit code."""
    check = "--check" in arguments
    directory = Path(next((word for word in arguments if not word.startswith("-")), str(DIRECTORY)))
    stale = [name for name, text in documents().items() if not _same(directory / name, text)]
    if check:
        for name in stale:
            sys.stderr.write(f"{directory / name} is stale: run `make docs`\n")
        return 1 if stale else 0
    directory.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (directory / name).write_text(documents()[name], "utf-8")
        sys.stdout.write(f"wrote {directory / name}\n")
    return 0


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
