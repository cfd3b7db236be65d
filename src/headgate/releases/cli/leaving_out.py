"""What would be said without a piece of evidence, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from headgate.releases.cli.rendering import printable

if TYPE_CHECKING:
    from headgate.releases.service import WhatIf


def print_what_if(what_if: WhatIf) -> None:
    """Print which verdicts would be others, and what would become of the decision."""
    before, after = what_if.stage_before.value, what_if.stage_after.value
    typer.echo(f"without {printable(what_if.without)}: the stage says {after}" + ("" if before == after else f", not {before}"))
    for changed in what_if.gates:
        sign = "FLIPS" if changed.flips else "stays"
        verdicts = changed.after.verdict.value
        if changed.flips:
            verdicts = f"{changed.before.verdict.value} → {verdicts}"
        typer.echo(f"  {sign}  {changed.before.gate_id}: {verdicts}, {printable(changed.after.sentence)}")
    if what_if.decision is not None:
        typer.echo(f"  {what_if.decision}: {'the same' if what_if.otherwise is None else printable(what_if.otherwise)}")
