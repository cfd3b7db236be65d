"""Playing a plan on the command line: state what is true, see what would become of it.

Nothing is asked of a running Headgate. The results go to standard output; how far the plays have come, to standard error.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from headgate.releases.cli.picturing import simulation_json, simulation_text
from headgate.releases.cli.plan import AsJson, PlanFile, print_json, require_plan
from headgate.releases.decide.simulate import script_of
from headgate.releases.errors import NoCluster
from headgate.releases.model.simulation import Adversary, World
from headgate.releases.service.simulating import LocalFarm, simulate
from headgate.releases.wire.canonical import plan_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.releases.model.plan import Plan
    from headgate.releases.ports import Farm

_WIDTH = 110
"""Columns that the tables take; a narrower terminal wraps them itself."""
_DAYS = "Mean days until a label stands"


class _Pace(ProgressColumn):
    """How many plays end in a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.1f}/s")


class SimulateVerb:
    """``headgate plan simulate``.

    Args:
        open_cluster: Opens a cluster by its address.
    """

    def __init__(self, open_cluster: Callable[[str], Farm]) -> None:
        self._open_cluster = open_cluster

    def simulate(
        self,
        file: PlanFile,
        *,
        rates: Annotated[
            list[str] | None,
            typer.Option(
                help="True rates: cyber_misuse=1e-4,other=2e-3; what the plan expects, where left out.", show_default=False
            ),
        ] = None,
        adversary: Annotated[
            list[Adversary] | None, typer.Option(help="How those who do harm behave; may be given more than once.")
        ] = None,
        rise: Annotated[float, typer.Option(min=1.0, help="How many times the rate a patient adversary rises to.")] = 10.0,
        worst_share: Annotated[
            float | None, typer.Option(help="All harm is done by a few people, of whose exchanges this share is harmful.")
        ] = None,
        auc: Annotated[float, typer.Option(min=0.5, max=0.9999, help="How well the detector's score tells harm.")] = 0.9,
        flagged: Annotated[float, typer.Option(min=0.0, max=0.5, help="Share of harmless exchanges that it flags.")] = 0.002,
        reviewer_sensitivity: Annotated[
            float, typer.Option(min=0.01, max=1.0, help="One reviewer's chance to see harm that is there.")
        ] = 1.0,
        reviewer_specificity: Annotated[
            float, typer.Option(min=0.01, max=1.0, help="One reviewer's chance to see none where there is none.")
        ] = 1.0,
        golds: Annotated[
            float, typer.Option(min=0.0, max=10_000.0, help="Known harms of each hazard that reviewers are shown on a day.")
        ] = 0.0,
        label_delay: Annotated[float, typer.Option(min=0.0, max=1000.0, help=f"{_DAYS}.")] = 0.5,
        harm_delay: Annotated[
            float | None, typer.Option(min=0.0, max=1000.0, help=f"{_DAYS} for harm; as the others when left out.")
        ] = None,
        approval_delay: Annotated[
            float, typer.Option(min=0.0, max=1000.0, help="Days from all other gates passing to the signatures.")
        ] = 0.0,
        patience: Annotated[
            float | None,
            typer.Option(
                min=1.0, max=3650.0, help="Days after which a stage counts as never left; by the plan's soak, or 90, if left out."
            ),
        ] = None,
        after: Annotated[float, typer.Option(min=1.0, max=3650.0, help="Days to play once the last stage is open.")] = 90.0,
        runs: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many plays.")] = 400,
        seed: Annotated[int, typer.Option(min=0, help="What the plays are drawn from.")] = 1,
        jobs: Annotated[int | None, typer.Option(min=1, max=4096, help="Processes; every core when left out.")] = None,
        ray: Annotated[str | None, typer.Option(help="Play on a Ray cluster: auto, host:port or ray://host:port.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Play a plan many times in a world whose true rates you state, and say what becomes of it.

        Prints how often a stage is opened wrongly, how often one is never left, how many days each takes, what stops the
        release, and how much harm is done before it is cut, each with a 95 % interval. The gates, tripwires and rules are
        those of this build; only the traffic is made up. The same seed gives the same numbers on any number of cores.

        Exit code 0: it was played. Exit code 1: the plan has errors or cannot be played. Exit code 2: the file cannot be read.
        """
        plan = require_plan(file)
        world = World(
            rates=_rates(plan, rates or []),
            adversaries=frozenset(adversary or ()),
            rise=rise,
            worst_share=_share(worst_share),
            auc=auc,
            flagged=flagged,
            sensitivity=reviewer_sensitivity,
            specificity=reviewer_specificity,
            golds_per_day=golds,
            label_days=label_delay,
            harm_days=label_delay if harm_delay is None else harm_delay,
            approval_days=approval_delay,
            patience_days=patience,
            after_days=after,
        )
        script = script_of(plan, plan_digest(plan), world, seed)
        farm = self._open_cluster(ray) if ray is not None else LocalFarm(jobs or os.cpu_count() or 1)
        talk = Console(stderr=True)
        with Progress(
            TextColumn("plays"),
            BarColumn(),
            MofNCompleteColumn(),
            _Pace(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=talk,
            transient=True,
            disable=not talk.is_terminal,
        ) as progress:
            task = progress.add_task("plays", total=runs)
            result = simulate(script, runs, farm, told=lambda more: progress.advance(task, more))
        if as_json:
            print_json(simulation_json(result))
            return
        console = Console(highlight=False)
        console.width = max(console.width, _WIDTH)
        for part in simulation_text(plan.name, result):
            console.print(part, soft_wrap=isinstance(part, Text))


def no_cluster(address: str) -> Farm:
    """Open no cluster, because this command line was put together without one.

    Raises:
        NoCluster: Always.
    """
    raise NoCluster(f"Nothing here can reach a cluster at {address}.", help="Leave --ray out.")


def _rates(plan: Plan, given: list[str]) -> dict[str, float]:
    """Return the true rates: those given, and for other hazards what the plan expects.

    Raises:
        typer.BadParameter: A rate cannot be read, or a hazard has none.
    """
    rates: dict[str, float] = {}
    for pair in (pair for text in given for pair in text.split(",") if pair.strip()):
        name, equals, value = pair.partition("=")
        try:
            rate = float(value)
        except ValueError:
            rate = math.nan
        if not equals or not 0 <= rate <= 1:
            raise typer.BadParameter(f"{pair!r} is no rate; write a hazard and its rate: cyber_misuse=1e-4", param_hint="--rates")
        rates[name.strip()] = rate
    for name, hazard in plan.hazards.items():
        if name not in rates and hazard.expected is None:
            raise typer.BadParameter(
                f"the plan expects no rate of {name}, so one must be stated: --rates {name}=1e-4", param_hint="--rates"
            )
    expected = {name: hazard.expected for name, hazard in plan.hazards.items() if hazard.expected is not None}
    return {**expected, **rates}


def _share(share: float | None) -> float | None:
    if share is not None and not 0 < share <= 1:
        raise typer.BadParameter("a share lies above 0 and at most at 1", param_hint="--worst-share")
    return share
