"""``headgate plan apply``, and ``plan diff`` against what is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headgate.releases.cli.plan import PlanFile, require_plan
from headgate.releases.cli.session import AsJson, Desk, Yes, ask, instant, print_json, talk
from headgate.releases.decide.diff import diff
from headgate.releases.wire.spelled import release_json

if TYPE_CHECKING:
    from headgate.releases.model.plan import Plan


class ApplyVerb:
    """``headgate plan apply``.

    Args:
        desk: Who acts on what.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def apply(
        self,
        plan: PlanFile,
        *,
        at: Annotated[str | None, typer.Option("--schedule", help="Open the first stage then: 3h or an instant.")] = None,
        draft: Annotated[bool, typer.Option("--draft", help="Open nothing yet.")] = False,
        replace: Annotated[bool, typer.Option("--replace", help="Withdraw the release of the model's present version.")] = False,
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        """Carry a plan out: a new release, or a new revision of the plan of the same version.

        Refused when the release or its evidence moves between the difference that is shown and the answer. Exit code 1: the
        plan has errors, or is refused. Exit code 2: the file cannot be read.
        """
        read = require_plan(plan)
        service, by = self._desk.sit()
        opens = None if at is None else instant(at)
        token = service.token(read)
        ask(_preview(read, service.plan_under_way(read), replace=replace), yes=yes)
        release, decision = service.apply(read, by=by, expected=token, at=opens, draft=draft, replace_old=replace)
        if as_json:
            print_json({"release": release_json(release), "changed": decision is not None})
        elif decision is None:
            typer.echo(f"{release.id}  {release.model}  nothing changes: this plan is under way")
        else:
            typer.echo(f"{release.id}  {release.model}  {release.state.value}  {decision.reason}")
        talk(f"next: headgate status {release.model}")


def _preview(plan: Plan, old: Plan | None, *, replace: bool) -> str:
    first = plan.stages[0]
    seats = "any number of" if first.who.seats is None else f"{first.who.seats:,}"
    fresh = f"{first.name} would let {seats} of {first.who.cohort} in"
    if old is None:
        return f"A new release of {plan.model.name}, in {len(plan.stages)} stages; {fresh}."
    changes = [f"  {change.effect.value}: {change.stage or 'plan'}: {change.sentence}" for change in diff(old, plan)]
    listed = "\n".join(changes) or "  nothing changes"
    if old.version_digest == plan.version_digest:
        return f"The plan of {plan.model.name} changes:\n{listed}"
    ends = "the present one is withdrawn" if replace else "the present one must be withdrawn first, or use --replace"
    return f"Another version of {plan.model.name}: its release starts at the first stage; {fresh}; {ends}.\n{listed}"
