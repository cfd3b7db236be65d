"""``headgate release``: stop a release, let it go on, sign for it, and see why it stands where it stands.

What narrows says first who would lose access; what widens says first on which evidence. Then it asks, and afterwards it
prints the command that people usually want next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from headgate.kernel.ids import DecisionId
from headgate.releases.cli.leaving_out import print_what_if
from headgate.releases.cli.session import (
    AsJson,
    Desk,
    Name,
    Reason,
    Yes,
    ask,
    decision_line,
    instant,
    print_json,
    told,
)
from headgate.releases.model.release import SignedFor, State
from headgate.releases.wire.spelled import decision_json, release_json

if TYPE_CHECKING:
    from headgate.releases.decide.status import Status
    from headgate.releases.model.release import Material
    from headgate.releases.service import Explanation, Stopped

DOES_NOT_REPLAY = 1
EACH = "each"
"""Leave out each piece of evidence in turn."""


class ReleaseVerbs:
    """The verbs of ``headgate release``.

    Args:
        desk: Who acts on what.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def app(self) -> typer.Typer:
        """Return the noun with its verbs."""
        app = typer.Typer(help="Hold, narrow, cut, resume, promote and explain releases.", no_args_is_help=True)
        for name, verb in (
            ("list", self.list_),
            ("open", self.open_),
            ("hold", self.hold),
            ("narrow", self.narrow),
            ("cut", self.cut),
            ("resume", self.resume),
            ("promote", self.promote),
            ("approve", self.approve),
            ("waive", self.waive),
            ("withdraw", self.withdraw),
            ("explain", self.explain),
        ):
            app.command(name)(verb)
        return app

    def list_(self, *, as_json: AsJson = False) -> None:
        """List every release, newest first."""
        service, by = self._desk.sit()
        known = service.list(by=by)
        if as_json:
            for release in known:
                print_json(release_json(release))
            return
        table = Table("release", "model", "state", "stage", "since", box=None, header_style="bold")
        for release in known:
            stage = f"{release.current.name if release.current else '-'} ({release.stage}/{len(release.plan.stages)})"
            table.add_row(release.id, release.model, release.state.value.upper(), stage, f"{release.since:%Y-%m-%d %H:%M}")
        Console(soft_wrap=True, highlight=False).print(table)

    def open_(self, name: Name, *, yes: Yes = False, as_json: AsJson = False) -> None:
        """Open the first stage of a draft or scheduled release."""
        service, by = self._desk.sit()
        release = service.find(name, by=by)
        first = release.plan.stages[0]
        ask(f"{release.model} opens at {first.name}: {_seats(first.who.seats)} of {first.who.cohort} gain access.", yes=yes)
        told(service.open(release.id, by=by), as_json=as_json, then=f"headgate status {release.model}")

    def hold(self, name: Name, *, reason: Reason, yes: Yes = False, as_json: AsJson = False) -> None:
        """Widen nothing further; whoever has access keeps it."""
        service, by = self._desk.sit()
        release = service.find(name, by=by)
        ask(f"{release.model} stays at {_at(release.current)}: nobody loses access, nothing widens until it is resumed.", yes=yes)
        told(service.hold(release.id, reason=reason, by=by), as_json=as_json, then=_resume(release.model))

    def narrow(
        self,
        name: Name,
        to: Annotated[str, typer.Option(help="The last stage that stays open.", show_default=False)],
        *,
        reason: Reason,
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        """Close every stage above one."""
        service, by = self._desk.sit()
        release = service.find(name, by=by)
        ask(_loses(service.stopped_by(release.id, to=to, by=by)), yes=yes)
        told(service.narrow(release.id, to=to, reason=reason, by=by), as_json=as_json, then=_resume(release.model))

    def cut(self, name: Name, *, reason: Reason, yes: Yes = False, as_json: AsJson = False) -> None:
        """Close a release to everyone at once, open streams included."""
        service, by = self._desk.sit()
        release = service.find(name, by=by)
        if not yes:
            ask(_loses(service.stopped_by(release.id, to=None, by=by)), yes=yes)
        told(service.cut(release.id, reason=reason, by=by), as_json=as_json, then=_resume(release.model))

    def resume(
        self,
        name: Name,
        *,
        reason: Reason,
        to: Annotated[str | None, typer.Option(help="After a cut: the last stage to open again; the first by default.")] = None,
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        """Let a held, narrowed or cut release go on; it takes the stage's approvals."""
        service, by = self._desk.sit()
        release = service.find(name, by=by)
        if release.state is State.CUT:
            names = [stage.name for stage in release.plan.stages]
            gains = release.plan.stages[: names.index(to) + 1 if to in names else 1]
            gained = ", ".join(f"{_seats(stage.who.seats)} of {stage.who.cohort}" for stage in gains)
            ask(f"{release.model} opens again for {gained}; its evidence begins afresh.", yes=yes)
        else:
            ask(f"{release.model} goes on at {_at(release.current)}: nobody gains access now; it may widen again.", yes=yes)
        decision = service.resume(release.id, reason=reason, by=by, to=to)
        told(decision, as_json=as_json, then=f"headgate status {release.model}")

    def promote(
        self,
        name: Name,
        *,
        declared_risk: Annotated[
            str | None, typer.Option("--declared-risk", help="Open the next stage although the gates do not pass, because …")
        ] = None,
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        """Open the next stage if every gate passes and everybody has signed; the controller does the same by itself."""
        service, by = self._desk.sit()
        release = service.find(name, by=by)
        who = release.following.who if release.following else None
        gains = f"{_seats(who.seats)} of {who.cohort} gain access" if who else "the release is completed"
        if declared_risk is None:
            ask(f"{release.model} leaves {_at(release.current)}: {gains}.", yes=yes)
            told(service.promote(release.id, by=by), as_json=as_json, then=f"headgate status {release.model}")
            return
        status = service.status(release, by=by)
        ask(f"AT DECLARED RISK, not on a pass: {gains}, although {_blocking(status)}. It takes two people.", yes=yes)
        decision = service.declare_risk(release.id, because=declared_risk, by=by)
        second = decision.stage_after == decision.stage_before
        again = f'somebody else: headgate release promote {release.model} --declared-risk "…"'
        told(decision, as_json=as_json, then=again if second else f"headgate status {release.model}")

    def approve(
        self,
        name: Name,
        *,
        declared_risk: Annotated[bool, typer.Option("--declared-risk", help="Sign for a declared risk.")] = False,
        to: Annotated[str | None, typer.Option(help="After a cut: the last stage to open again.")] = None,
        note: Annotated[str, typer.Option(help="What you want to have said.")] = "",
        seen: Annotated[str | None, typer.Option(help="Digest of the evidence you saw; the present one by default.")] = None,
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        """Sign under the evidence as it is; the signature lapses when the evidence changes materially."""
        service, by = self._desk.sit()
        release, material = service.to_sign(service.find(name, by=by).id, by=by, declared_risk=declared_risk, to=to)
        ask(_signs(release.model, material), yes=yes)
        decision = service.approve(
            release.id, purpose=material.purpose, seen=seen or material.digest, by=by, to=material.to, note=note
        )
        resumes = material.purpose is SignedFor.RESUME
        told(decision, as_json=as_json, then=_resuming(release.model) if resumes else f"headgate status {release.model}")

    def waive(
        self,
        name: Name,
        gate: Annotated[str, typer.Option(help="A gate of the present stage: soak, rate.cyber_misuse, …", show_default=False)],
        until: Annotated[str, typer.Option(help="When it blocks again, at most 30d away: 7d or an instant.", show_default=False)],
        *,
        reason: Reason,
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        """Bypass one gate; the first person asks, the second confirms by asking for the same."""
        service, by = self._desk.sit()
        release = service.find(name, by=by)
        ends = instant(until)
        ask(
            f"{gate} of {_at(release.current)} would not block until {ends:%Y-%m-%d %H:%M} UTC. "
            "It takes two people, and is shown as WAIVED wherever the release is shown.",
            yes=yes,
        )
        decision = service.waive(release.id, gate_id=gate, reason=reason, until=ends, by=by)
        told(decision, as_json=as_json, then=f"headgate status {release.model}")

    def withdraw(self, name: Name, *, reason: Reason, yes: Yes = False, as_json: AsJson = False) -> None:
        """End a release for good."""
        service, by = self._desk.sit()
        release = service.find(name, by=by)
        ask(_loses(service.stopped_by(release.id, to=None, by=by)) + " It cannot be resumed.", yes=yes)
        told(service.withdraw(release.id, reason=reason, by=by), as_json=as_json, then="headgate plan apply PLAN")

    def explain(
        self,
        decision: Annotated[str | None, typer.Argument(help="A decision, dec_…; the newest ones are listed when absent.")] = None,
        *,
        model: Annotated[str | None, typer.Option(help="Only decisions about this model.")] = None,
        limit: Annotated[int, typer.Option(min=1, max=1000, help="How many to list.")] = 20,
        what_if_without: Annotated[
            str | None,
            typer.Option(help="A record (ev_…) or a gate (rate.cyber_misuse) to leave out; each, to leave each out in turn."),
        ] = None,
        as_json: AsJson = False,
    ) -> None:
        """Make a past decision again from what was stored for it, and say whether it comes out the same.

        Exit code 0: it does. Exit code 1: it does not. With --what-if-without, say instead which verdicts would be others without
        some of the evidence: of the decision, or, with --model, of the release as it stands.
        """
        service, by = self._desk.sit()
        if what_if_without is not None:
            self._what_if(decision, model, None if what_if_without == EACH else what_if_without, as_json=as_json)
            return
        if decision is None:
            of = service.find(model, by=by).id if model else None
            for made in service.decisions(by=by, release_id=of, limit=limit):
                if as_json:
                    print_json(decision_json(made))
                else:
                    typer.echo(decision_line(made))
            return
        explanation = service.explain(DecisionId(decision), by=by)
        if as_json:
            print_json(explanation.json())
        else:
            _print_explanation(explanation)
        if not explanation.replays:
            raise typer.Exit(DOES_NOT_REPLAY)

    def _what_if(self, decision: str | None, model: str | None, without: str | None, *, as_json: bool) -> None:
        service, by = self._desk.sit()
        if decision is not None:
            found = service.decision_without(DecisionId(decision), without, by=by)
        elif model is not None:
            found = service.release_without(service.find(model, by=by), without, by=by)
        else:
            raise typer.BadParameter("name a decision, or a model with --model")
        for what_if in found:
            if as_json:
                print_json(what_if.json())
            else:
                print_what_if(what_if)


def _print_explanation(explanation: Explanation) -> None:
    typer.echo(decision_line(explanation.record.decision))
    for then, again in explanation.gates:
        typer.echo(f"  gate {then.gate_id}: {then.verdict.value}, {then.sentence}")
        for figure, value in then.numbers.items():
            came = "cannot be computed" if again is None else again.numbers.get(figure)
            typer.echo(f"    {figure} = {value}   again: {came}")
    for then, again in explanation.wires:
        named = f"{then.wire_id} of {then.stage}" if then.stage else then.wire_id
        came = "cannot be computed" if again is None else _tripped(again.reading.tripped)
        typer.echo(f"  tripwire {named}: {_tripped(then.reading.tripped)}, {then.reading.sentence}   again: {came}")
    for difference in explanation.differences:
        typer.echo(f"  DIFFERS  {difference}")
    typer.echo("replays: the stored evidence gives the same decision" if explanation.replays else "does not replay")


def _tripped(tripped: bool | None) -> str:  # noqa: FBT001 - the reading's own three values
    return "cannot tell" if tripped is None else "tripped" if tripped else "quiet"


def _loses(stopped: Stopped) -> str:
    if not stopped.closes:
        return f"{stopped.release.model}: nobody has access now, so nobody loses any."
    who = ", ".join(f"{cohort} ({_seats(seats)})" for cohort, seats in stopped.cohorts) or "no whole cohort"
    used = "it cannot be counted how many accounts have used it"
    if stopped.accounts is not None:
        used = f"{stopped.accounts:,} account{' has' if stopped.accounts == 1 else 's have'} used it"
    return f"{stopped.release.model} closes {', '.join(stopped.closes)}: {who} lose access; {used}. Open streams end."


def _signs(model: str, material: Material) -> str:
    gates = ", ".join(f"{gate} {verdict.value}" for gate, verdict in material.verdicts) or "no gate"
    harms = sum(count for _, count in material.harms)
    words = material.purpose.value.replace("_", " ")
    return (
        f"You sign for {words} of {model}: {gates}; {harms} confirmed harms; {material.incidents} open incidents.\n"
        f"evidence {material.digest}"
    )


def _blocking(status: Status) -> str:
    return ", ".join(f"{line.gate_id} says {line.shown}" for line in status.gates if line.shown != "PASS") or "nothing blocks"


def _resuming(model: str) -> str:
    return f'headgate release resume {model} --reason "…"'


def _resume(model: str) -> str:
    return f'headgate release approve {model}, then headgate release resume {model} --reason "…"'


def _seats(seats: int | None) -> str:
    return "any number" if seats is None else f"{seats:,} seats"


def _at(stage: object) -> str:
    return getattr(stage, "name", "no stage")
