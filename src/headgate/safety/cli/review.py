"""``headgate review``: read the sample, and look after the queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from headgate.kernel.units import span_text
from headgate.safety.cli.golds import GoldVerbs
from headgate.safety.cli.keys import keys
from headgate.safety.cli.reading import Sitting
from headgate.safety.cli.session import AsJson, Yes, ask, out, print_json, talk
from headgate.safety.model import Severity  # noqa: TC001 - Typer reads the annotations when it runs
from headgate.safety.ports import Wish
from headgate.safety.wire.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.safety.cli.session import Session
    from headgate.safety.model import MonitorHealth, ReviewHealth


@dataclass(frozen=True, slots=True)
class ReviewVerbs:
    """The verbs of ``review``."""

    open_session: Callable[[], Session]

    def app(self) -> typer.Typer:
        """Return the noun; without a verb it starts a sitting."""
        app = typer.Typer(help="Read sampled exchanges and label them.", invoke_without_command=True)
        app.callback()(self.sit)
        app.command("queue")(self.queue)
        app.command("health")(self.health)
        app.command("correct")(self.correct)
        app.add_typer(GoldVerbs(self.open_session).app(), name="gold")
        return app

    def sit(
        self,
        context: typer.Context,
        *,
        hazard: Annotated[str | None, typer.Option(help="Only items that wait for this hazard.")] = None,
        release: Annotated[str | None, typer.Option(help="Only items of this release.")] = None,
        blur: Annotated[bool, typer.Option(help="Hide flagged content until the space bar is pressed.")] = True,
    ) -> None:
        """Read sampled exchanges and label them, one key each; q ends. Piped in, each line is one key."""
        if context.invoked_subcommand is not None:
            return
        sitting = Sitting(self.open_session(), keys(), out(), wish=Wish(hazard, release), blur=blur)
        tally = sitting.run()
        talk(f"{tally.labels} labelled, {tally.skips} skipped.")

    def queue(
        self,
        *,
        hazard: Annotated[str | None, typer.Option(help="Only items that wait for this hazard.")] = None,
        release: Annotated[str | None, typer.Option(help="Only items of this release.")] = None,
        limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
        json: AsJson = False,
    ) -> None:
        """List what waits to be reviewed, oldest first; nothing of what was said."""
        session = self.open_session()
        now = session.desk.clock.now()
        lines = session.desk.review.queue(by=session.by, now=now, wish=Wish(hazard, release), limit=limit)
        if json:
            for line in lines:
                print_json(
                    {
                        "item": line.item,
                        "release": line.release_id,
                        "epoch": line.epoch,
                        "at": line.at.isoformat(),
                        "flagged": line.flagged,
                        "claimed": line.claimed,
                    }
                )
            return
        table = Table("item", "epoch", "age", "flagged", "in hand", box=None)
        for line in lines:
            marks = ("flagged" if line.flagged else "", "yes" if line.claimed else "")
            table.add_row(plain(line.item), plain(line.epoch), span_text(now - line.at), *marks)
        out().print(table)
        talk("Next: headgate review" if lines else "Nothing waits.")

    def health(self, *, json: AsJson = False) -> None:
        """Say how the queue, its readers and the monitor are doing."""
        session = self.open_session()
        now = session.desk.clock.now()
        health = session.desk.review.health(by=session.by, now=now)
        monitor = session.desk.sampling.monitor_health()
        if json:
            print_json(_health(health, monitor))
            return
        table = Table(show_header=False, box=None)
        age = "" if health.oldest_age is None else f", the oldest {span_text(health.oldest_age)} old"
        table.add_row("backlog", f"{health.backlog:,}{age}")
        table.add_row("labels a day", f"{health.labels_per_day:,.1f}")
        agreement = "not measured" if health.kappa is None else f"κ {health.kappa:.2f} over {health.double_reviewed:,} items"
        table.add_row("agreement", agreement)
        for one in health.agreement:
            measured = "not defined" if one.kappa is None else f"κ {one.kappa:.2f}"
            table.add_row(f"  {plain(one.hazard)}", f"{one.agreed:,} of {one.pairs:,} alike, {measured}")
        table.add_row("harms confirmed", f"{health.positives_confirmed:,} of {health.positives_checked:,} checked")
        for count in health.reviewers:
            table.add_row(count.reviewer, f"{count.labels:,} labels, {count.skips:,} skips")
        down = monitor.down_for(now)
        table.add_row("monitor", "never ran" if down is None else f"healthy {span_text(down)} ago, {monitor.errors:,} errors")
        out().print(table)

    def correct(
        self,
        item: Annotated[str, typer.Argument(help="The exchange.")],
        *,
        reason: Annotated[str, typer.Option(help="Why; kept for colleagues, its digest stands on the ledger.")],
        harm: Annotated[
            list[str] | None, typer.Option(help="A hazard that there is harm of; without any, there is none.")
        ] = None,
        severity: Annotated[Severity | None, typer.Option(help="Of the worst harm.")] = None,
        kind: Annotated[str | None, typer.Option(help="What kind of harm `other` is, in one word.")] = None,
        yes: Yes = False,
    ) -> None:
        """Replace what stands for a settled item. The evidence moves, and the ledger says so."""
        session = self.open_session()
        hazards = session.desk.review.hazards(item, by=session.by)
        harms = dict.fromkeys(hazards, False) | dict.fromkeys(harm or [], True)
        found = ", ".join(plain(hazard) for hazard in harm or []) or "no harm"
        ask(f"What stands for {plain(item)} would be: {found}. Gates and alarms that read it would move.", yes=yes)
        now = session.desk.clock.now()
        session.desk.review.correct(item, harms, severity=severity, reason=reason, by=session.by, now=now, kind=kind)
        talk(f"Corrected. See it: headgate ledger show --subject {item}")


def _health(health: ReviewHealth, monitor: MonitorHealth) -> dict[str, object]:
    return {
        "backlog": health.backlog,
        "oldest_age_s": None if health.oldest_age is None else health.oldest_age.total_seconds(),
        "labels_per_day": health.labels_per_day,
        "double_reviewed": health.double_reviewed,
        "kappa": health.kappa,
        "positives_checked": health.positives_checked,
        "positives_confirmed": health.positives_confirmed,
        "agreement": {
            one.hazard: {"pairs": one.pairs, "agreed": one.agreed, "kappa": one.kappa, "alpha": one.alpha}
            for one in health.agreement
        },
        "reviewers": {count.reviewer: {"labels": count.labels, "skips": count.skips} for count in health.reviewers},
        "monitor": {
            "healthy_at": None if monitor.healthy_at is None else monitor.healthy_at.isoformat(),
            "drawn": monitor.drawn,
            "unscored": monitor.unscored,
            "errors": monitor.errors,
            "last_error": monitor.last_error,
        },
    }
