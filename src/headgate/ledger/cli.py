"""The ledger on the command line: check it, prove it, sign it, look things up, take a copy."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003  Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.console import Console
from rich.table import Table

from headgate.ledger.wire import spelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.ledger.service import Ledger

_LARGEST = 2**63 - 1
"""No ledger comes to have more entries: a database counts them in 64 bits."""

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def commands(open_service: Callable[[], Ledger]) -> typer.Typer:
    """Return the verbs of ``headgate ledger``.

    Args:
        open_service: Opens the ledger; called when a verb runs, never before.
    """
    app = typer.Typer(help="Check, prove, sign and read the record of every decision.", no_args_is_help=True)
    verbs = _Verbs(open_service)
    for verb in (verbs.verify, verbs.show, verbs.prove, verbs.checkpoint, verbs.export):
        app.command()(verb)
    return app


class _Verbs:
    """The verbs, with what they need at hand."""

    def __init__(self, open_service: Callable[[], Ledger]) -> None:
        self._open = open_service

    def verify(
        self,
        checkpoint: Annotated[
            list[Path] | None, typer.Option(help="A checkpoint kept elsewhere, to compare with; may be repeated.")
        ] = None,
        as_json: AsJson = False,
    ) -> None:
        """Check every stored byte and name the first bad entry.

        Compares each column with the hashed leaf, each leaf with the tree, the tree with its head, and the head with every
        signed checkpoint. Exit code 0: all agree. Exit code 1: the ledger is broken, and the output says where.
        """
        witnessed = [path.read_text("utf-8", "replace") for path in checkpoint or ()]
        report = self._open().verify(witnessed=witnessed)
        if as_json:
            _print_json(spelled.report(report))
        else:
            _out().print(f"[{'green' if report.ok else 'red'}]{'ok' if report.ok else 'BROKEN'}[/]", end=" ")
            _out().print(report.what, markup=False)
        if not report.ok:
            _talk().print("Keep a copy of the database as it is, and compare with a checkpoint that somebody else holds.")
            raise typer.Exit(1)

    def show(
        self,
        seq: Annotated[
            int | None, typer.Argument(max=_LARGEST, help="One entry; all that match the options when absent.")
        ] = None,
        kind: Annotated[str | None, typer.Option(help="A whole kind (grant.revoked), or its noun alone (grant).")] = None,
        subject: Annotated[str | None, typer.Option(help="What it happened to.")] = None,
        actor: Annotated[str | None, typer.Option(help="Who did it.")] = None,
        after: Annotated[int, typer.Option(min=0, max=_LARGEST, help="Only entries after this place.")] = 0,
        limit: Annotated[int, typer.Option(min=1, max=_LARGEST, help="How many at most.")] = 50,
        as_json: AsJson = False,
    ) -> None:
        """Show entries. With --json, one entry a line."""
        ledger = self._open()
        if seq is None:
            found = ledger.search(kind=kind, subject=subject, actor=actor, after=after, limit=limit)
        else:
            found = [ledger.entry(seq)]
        if as_json:
            for each in found:
                _print_json(spelled.recorded(each))
            return
        table = Table("seq", "at (UTC)", "kind", "subject", "actor", "body", box=None, header_style="bold")
        for each in found:
            entry, body = each.entry, json.dumps(dict(each.entry.body), ensure_ascii=False)
            table.add_row(str(each.seq), f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.kind, entry.subject, entry.actor, body)
        _out().print(table)
        if seq is None and len(found) == limit:
            _talk().print(f"There may be more: add --after {found[-1].seq}")

    def prove(
        self,
        seq: Annotated[int, typer.Argument(max=_LARGEST, help="The entry.")],
        size: Annotated[
            int | None, typer.Option(min=1, max=_LARGEST, help="The tree to prove it in; the present one when absent.")
        ] = None,
        as_json: AsJson = False,
    ) -> None:
        """Prove that an entry is in the ledger (RFC 6962 audit path)."""
        proof = spelled.inclusion(self._open().prove(seq, size=size))
        if as_json:
            _print_json(proof)
            return
        _out().print(f"entry {seq} in the tree of {proof['tree']['size']} entries", markup=False)
        _out().print(f"leaf  {proof['leaf']}", markup=False)
        for value in proof["path"]:
            _out().print(f"path  {value}", markup=False)
        _out().print(f"root  {proof['tree']['root']}", markup=False)

    def checkpoint(self, as_json: AsJson = False) -> None:
        """Sign the present head and print the checkpoint (C2SP signed note).

        Give it to somebody who does not run this machine: with it, `headgate ledger verify --checkpoint` finds even a
        ledger that was rewritten whole.
        """
        ledger = self._open()
        note = ledger.checkpoint()
        if as_json:
            _print_json({"checkpoint": note, "key": str(ledger.key)})
            return
        typer.echo(note, nl=False)
        _talk().print(f"key {ledger.key}", markup=False)

    def export(
        self,
        after: Annotated[int, typer.Option(min=0, max=_LARGEST, help="Leave entries up to this place out.")] = 0,
        output: Annotated[Path | None, typer.Option(help="A file; standard output when absent.")] = None,
    ) -> None:
        """Write a copy that can be checked without Headgate: JSON lines with proofs.

        The first line holds a signed checkpoint and the key that checks it; each other line an entry's exact leaf and the
        path that proves it under that checkpoint's root.
        """
        lines = self._open().export(after=after)
        if output is None:
            for line in lines:
                typer.echo(line)
            return
        with output.open("w", encoding="utf-8") as file:
            count = sum(1 for line in lines if file.write(line + "\n"))
        _talk().print(f"{count - 1} entries written to {output}", markup=False)


def _out() -> Console:
    return Console(soft_wrap=True, highlight=False)


def _talk() -> Console:
    return Console(stderr=True, soft_wrap=True, highlight=False)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))
