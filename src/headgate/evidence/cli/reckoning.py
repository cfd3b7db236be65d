"""``headgate evidence before-after``, ``compare``, ``holdback`` and ``patient``: comparisons, and what comes of waiting."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - Typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from headgate.evidence.cli.session import AsJson, plain, print_json
from headgate.evidence.decide import pairing
from headgate.evidence.decide.comparing import read_holdback, said
from headgate.evidence.decide.phrases import rate_text
from headgate.evidence.errors import NotEvidence
from headgate.evidence.importers.counts_csv import clusters_in
from headgate.evidence.importers.interface import MOST_DOCUMENT_BYTES, Reason, Unfit
from headgate.evidence.model.comparing import HoldbackClaim
from headgate.evidence.wire import encode
from headgate.stats.patient import Budget, before_containment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from headgate.evidence.cli.session import Session

TIMES = (3.0, 10.0, 100.0)
"""Rises that the table of the patient adversary has rows for."""


@dataclass(frozen=True, slots=True)
class ReckonVerbs:
    """The verbs that reckon.

    Attributes:
        open_session: Opens evidence for whoever sits at the terminal.
    """

    open_session: Callable[[], Session]

    def before_after(
        self,
        before: Annotated[str, typer.Argument(help="The earlier epoch: release/stage/attempt.", show_default=False)],
        after: Annotated[str, typer.Argument(help="The later epoch.", show_default=False)],
        *,
        hazard: Annotated[str, typer.Option(help="The kind of harm.", show_default=False)],
        as_json: AsJson = False,
    ) -> None:
        """Set two epochs beside each other; it describes, and shows nothing of what caused what."""
        session = self.open_session()
        found = session.comparing.before_after(before, after, hazard, by=session.by)
        if as_json:
            print_json(msgspec.to_builtins(found))
            return
        ratio = "" if found.ratio is None else f"The later rate is {found.ratio:.2g} times the earlier. "
        for line in (said(found.before), said(found.after), ratio + found.caveat):
            typer.echo(plain(line))

    def compare(
        self,
        first: Annotated[Path, typer.Argument(help="A table of plain counts.", exists=True, dir_okay=False, show_default=False)],
        second: Annotated[
            Path, typer.Argument(help="Another, of the same items.", exists=True, dir_okay=False, show_default=False)
        ],
        *,
        confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Coverage of the intervals.")] = pairing.CONFIDENCE,
        as_json: AsJson = False,
    ) -> None:
        """Compare two results item by item, from tables of counts that name their items; it passes no gate."""
        found = pairing.pair(*(clusters_in(_table(file)) for file in (first, second)), confidence=confidence)
        if as_json:
            print_json([msgspec.to_builtins(each) for each in found])
            return
        for each in found:
            typer.echo(plain(pairing.said(each)))

    def holdback(
        self,
        stage: Annotated[
            str | None, typer.Argument(help="A model, a release or a stage's epoch: release/stage/attempt.", show_default=False)
        ] = None,
        new: Annotated[int | None, typer.Option(help="Instead: confirmed harms with the new access.", show_default=False)] = None,
        old: Annotated[int | None, typer.Option(help="Confirmed harms by users kept back at random.", show_default=False)] = None,
        share: Annotated[float, typer.Option(help="The new side's share of the exposure, of such counts.")] = 0.9,
        alpha: Annotated[float, typer.Option(help="The chance of ever calling a rise that is none, of such counts.")] = 0.05,
        *,
        as_json: AsJson = False,
    ) -> None:
        """Say whether new access raised harm, against those held back over the same days: a stage's, or counts that you give."""
        if stage is not None and new is None and old is None:
            self._held_back(stage, as_json=as_json)
            return
        if stage is not None or new is None or old is None:
            raise NotEvidence(
                "Either a stage is compared, or both counts that are given.", help="Give STAGE, or --new and --old."
            )
        found = read_holdback(HoldbackClaim(new, old, share, alpha))
        if as_json:
            print_json(msgspec.to_builtins(found))
            return
        typer.echo(found.sentence)
        _left_open(found.not_shown)

    def _held_back(self, named: str, *, as_json: bool) -> None:
        session = self.open_session()
        found = session.held_back.now(named, by=session.by).reading
        if as_json:
            print_json(encode(found))
            return
        typer.echo(plain(found.sentence))
        for each in found.hazards:
            share = "nobody exposed" if each.share is None else f"{each.share:.1%} of the exposure is new"
            counts = f"{each.new_harms:,} new, {each.old_harms:,} held back; {share}"
            typer.echo(plain(f"{each.hazard}: {counts}; stake {each.log_e:.3f} of {found.threshold_log_e:.3f} nats"))
        _left_open(found.not_shown)

    def patient(
        self,
        baseline: Annotated[float, typer.Option(help="The rate that is no cause for alarm.", show_default=False)],
        labels: Annotated[float, typer.Option(help="Labels a day of randomly drawn requests.", show_default=False)],
        requests: Annotated[float, typer.Option(help="Requests a day.", show_default=False)],
        looks: Annotated[float, typer.Option(help="Looks between false alarms; 365 is daily looks and one a year.")] = 365,
        closing: Annotated[float, typer.Option(help="Days from an alarm to closed access.")] = 0.0,
        *,
        as_json: AsJson = False,
    ) -> None:
        """Print what somebody who waits for the full release can do before the alarm: no earlier evidence bounds it."""
        try:
            budget = Budget(baseline, looks, labels, requests, closing)
            rows = [(rate, before_containment(rate, budget)) for rate in (baseline * times for times in TIMES) if rate <= 1]
        except ValueError as wrong:
            raise NotEvidence(f"This is no budget: {wrong}.") from wrong
        if as_json:
            print_json([{"rate": rate, **msgspec.to_builtins(row)} for rate, row in rows])
            return
        for rate, row in rows:
            typer.echo(
                f"At {rate_text(rate)}: alarm after about {row.days:.3g} days ({row.labels:,.0f} labels),"
                f" {row.harmful:,.0f} harmful requests until access is closed."
            )
        typer.echo("These are means, for the best alarm that there can be when false alarms are rare.")


def _table(file: Path) -> bytes:
    size = file.stat().st_size
    if size > MOST_DOCUMENT_BYTES:
        raise Unfit(Reason.TOO_LARGE, f"A table may hold {MOST_DOCUMENT_BYTES:,} bytes; this one holds {size:,}.")
    return file.read_bytes()


def _left_open(not_shown: Sequence[str]) -> None:
    typer.echo("Not shown:")
    for line in not_shown:
        typer.echo(plain(f"- {line}"))
