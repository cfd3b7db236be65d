"""The console's addresses as a page of the documentation, printed from the table that is served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.console.visit import Deed, Screen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.routing import Route

    from headgate.console.visit import Table


def addresses_markdown(at: str, tables: Iterable[Table], outside: Iterable[Route]) -> str:
    """Return the addresses, each with what it needs.

    Args:
        at: Where the console is mounted.
        tables: The addresses for those who are signed in.
        outside: The addresses of signing in.
    """
    rows = sorted((row for table in tables for row in table), key=lambda row: (row.path, _method(row)))
    return "\n".join(
        [
            "## Console",
            "",
            "Every address asks for a session. One that changes something is a `POST`, and asks for the proof that its page was",
            "given and for an `Origin` of this installation. Where it says so, the caller must have proved within the last five",
            "minutes that it is they. The services behind ask again for the permission of each command.",
            "",
            "| address | method | needs | proof of the last minutes |",
            "|---|---|---|:-:|",
            *(f"| `{at}{row.path}` | {_method(row)} | `{row.needs.value}` | {'✓' if row.confirmed else ''} |" for row in rows),
            "",
            "These few are served to whoever comes, for signing in:",
            "",
            "| address | method |",
            "|---|---|",
            *(f"| `{at}{route.path}` | {', '.join(sorted((route.methods or set()) - {'HEAD'}))} |" for route in outside),
            "",
        ]
    )


def _method(row: Screen | Deed) -> str:
    match row:
        case Screen():
            return "GET"
        case Deed():
            return "POST"
