"""What may be done to a release: each command on a page of its own, which says what it will do before anybody presses.

What stops is asked for with a reason and at once. What widens needs its caller to have confirmed lately that it is they, and
shows on which evidence, who has signed and who is missing. A page tries the command out by the rules that decide it; whatever
they refuse is said, and pressing it would be refused as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from headgate.console.rail import seats
from headgate.console.visit import Deed, Screen, Shown, Visit, Went
from headgate.kernel.errors import Forbidden, HeadgateError, Invalid, Unavailable
from headgate.kernel.ids import ReleaseId
from headgate.releases.decide.states import PERMISSION
from headgate.releases.model import command as ask
from headgate.releases.model.release import Kind, SignedFor, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from headgate.console.desks import Desks
    from headgate.console.visit import Table
    from headgate.releases.model.command import Command
    from headgate.releases.model.release import Decision, Release
    from headgate.releases.service import Rehearsal, Stopped


@dataclass(frozen=True, slots=True)
class Verb:
    """A command as it is offered.

    Attributes:
        path: What its page is called, under the release.
        kind: The kind of decision that it asks for.
        says: What its link and its button say.
        title: What its page is headed.
        stops: Whether it stops something; the others let something go on.
        confirmed: Whether its caller must have proved lately that it is they. Never for what stops: a cut waits for nothing.
        reason: What the field for a reason asks; ``None`` where there is none.
    """

    path: str
    kind: Kind
    says: str
    title: str
    stops: bool
    confirmed: bool
    reason: str | None = "Why? It stands on the ledger for ever."


CUT = Verb("cut", Kind.CUT, "Cut access now", "Cut {model}", stops=True, confirmed=False)
HOLD = Verb("hold", Kind.HOLD, "Hold", "Hold {model}", stops=True, confirmed=False)
NARROW = Verb("narrow", Kind.NARROW, "Narrow", "Narrow {model}", stops=True, confirmed=False)
WITHDRAW = Verb("withdraw", Kind.WITHDRAW, "Withdraw for good", "Withdraw {model}", stops=True, confirmed=True)
OPEN = Verb("open", Kind.OPEN, "Open the first stage", "Open {model}", stops=False, confirmed=True, reason=None)
SCHEDULE = Verb("schedule", Kind.SCHEDULE, "Schedule the opening", "Schedule {model}", stops=False, confirmed=True, reason=None)
SIGN = Verb(
    "sign",
    Kind.APPROVE,
    "Sign",
    "Sign for {model}",
    stops=False,
    confirmed=True,
    reason="What do you want to have said? (optional)",
)
PROMOTE = Verb("promote", Kind.PROMOTE, "Promote", "Promote {model}", stops=False, confirmed=True, reason=None)
COMPLETE = Verb("complete", Kind.COMPLETE, "Complete", "Complete {model}", stops=False, confirmed=True, reason=None)
RESUME = Verb("resume", Kind.RESUME, "Resume", "Resume {model}", stops=False, confirmed=True)
WAIVE = Verb("waive", Kind.WAIVE, "Waive a gate", "Waive a gate of {model}", stops=False, confirmed=True)
RISK = Verb(
    "declare-risk", Kind.DECLARE_RISK, "Declare a risk", "Open {model} further at declared risk", stops=False, confirmed=True
)

COMMANDS = (CUT, HOLD, NARROW, WITHDRAW, SIGN, PROMOTE, COMPLETE, RESUME, OPEN, SCHEDULE, WAIVE, RISK)
"""Every command, in the order in which they are offered."""

_DAYS = (1, 3, 7, 14, 30)
_SOON = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Choice:
    """A field in which one of several is chosen.

    Attributes:
        name: The field's name.
        label: What it asks.
        options: Value and text of each.
        chosen: The value that is chosen at first.
    """

    name: str
    label: str
    options: tuple[tuple[str, str], ...]
    chosen: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a command's page shows before anything is done.

    Attributes:
        effect: What it will do, a sentence each.
        choices: What may be chosen.
        stopped: Who would lose access, for what narrows.
        rehearsal: What the rules say of it now, for what widens.
        instant: The field for an instant, if there is one: name, label, value.
        seen: Digest of the evidence that is shown, for a signature.
    """

    effect: tuple[str, ...]
    choices: tuple[Choice, ...] = ()
    stopped: Stopped | None = None
    rehearsal: Rehearsal | None = None
    instant: tuple[str, str, str] | None = None
    seen: str | None = None

    @property
    def refusal(self) -> HeadgateError | None:
        """Why it would be refused now."""
        return None if self.rehearsal is None else self.rehearsal.refusal


def table(desks: Desks) -> Table:
    """Return the addresses of the commands: a page and a deed for each."""
    works = _Works(desks)
    rows: list[Screen | Deed] = []
    for verb, preview, act in works.all():
        path = f"/releases/{{release}}/{verb.path}"
        needs = PERMISSION[verb.kind]
        rows += (
            Screen(path, _asking(desks, verb, preview), needs, confirmed=verb.confirmed),
            Deed(path, _acting(desks, verb, preview, act), needs, confirmed=verb.confirmed),
        )
    return tuple(rows)


def _asking(desks: Desks, verb: Verb, preview: Callable[[Visit, Release], Preview]) -> Callable[[Visit], Shown]:
    def show(visit: Visit) -> Shown:
        return _shown(desks, verb, preview, visit, None)

    return show


def _acting(
    desks: Desks, verb: Verb, preview: Callable[[Visit, Release], Preview], act: Callable[[Visit, Release], Decision]
) -> Callable[[Visit], Shown | Went]:
    def do(visit: Visit) -> Shown | Went:
        try:
            release = desks.releases.get(_release_id(visit), by=visit.actor)
            decision = act(visit, release)
        except (Forbidden, Unavailable):
            raise
        except HeadgateError as trouble:
            return _shown(desks, verb, preview, visit, trouble)
        return Went(f"/console/releases/{release.id}", _done(release, decision))

    return do


def _shown(
    desks: Desks, verb: Verb, preview: Callable[[Visit, Release], Preview], visit: Visit, trouble: HeadgateError | None
) -> Shown:
    release = desks.releases.get(_release_id(visit), by=visit.actor)
    shown = preview(visit, release)
    signed = [each.by for group in (shown.rehearsal.signatures if shown.rehearsal else ()) for each in group.signed]
    given = {
        "verb": verb,
        "title": verb.title.format(model=release.model),
        "release": release,
        "preview": shown,
        "trouble": trouble,
        "typed": visit.said("reason"),
        "seats": seats,
        "names": desks.access.staff.names(signed, by=visit.actor),
    }
    return Shown("console/release_command.html", given, HTTPStatus.OK if trouble is None else HTTPStatus.CONFLICT)


def _done(release: Release, decision: Decision) -> str:
    moved = decision.after.value
    if decision.stage_after != decision.stage_before:
        moved += f", {decision.stage_after} of {len(release.plan.stages)} stages open"
    return f"{release.model}: {decision.kind.value.replace('_', ' ')} recorded. It is now {moved}."


def _release_id(visit: Visit) -> ReleaseId:
    return ReleaseId(visit.path["release"])


class _Works:
    """What each page previews, and which service carries its command out.

    Args:
        desks: The services.
    """

    def __init__(self, desks: Desks) -> None:
        self._desks = desks

    def all(self) -> Sequence[tuple[Verb, Callable[[Visit, Release], Preview], Callable[[Visit, Release], Decision]]]:
        """Return every command with its preview and its deed."""
        does = self._desks.releases
        return (
            (CUT, self._stop_all("Open streams end at once."), lambda v, r: does.cut(r.id, reason=v.said("reason"), by=v.actor)),
            (HOLD, self._hold, lambda v, r: does.hold(r.id, reason=v.said("reason"), by=v.actor)),
            (NARROW, self._narrow, lambda v, r: does.narrow(r.id, to=v.said("to"), reason=v.said("reason"), by=v.actor)),
            (
                WITHDRAW,
                self._stop_all("The release ends. It cannot be resumed."),
                lambda v, r: does.withdraw(r.id, reason=v.said("reason"), by=v.actor),
            ),
            (SIGN, self._sign, self._signed),
            (PROMOTE, self._widen(ask.Promote()), lambda v, r: does.promote(r.id, by=v.actor)),
            (COMPLETE, self._widen(ask.Promote()), lambda v, r: does.promote(r.id, by=v.actor)),
            (RESUME, self._resume, lambda v, r: does.resume(r.id, reason=v.said("reason"), by=v.actor, to=v.said("to") or None)),
            (OPEN, self._widen(ask.Open()), lambda v, r: does.open(r.id, by=v.actor)),
            (SCHEDULE, self._schedule, lambda v, r: does.schedule(r.id, at=_instant(v.said("at")), by=v.actor)),
            (WAIVE, self._waive, self._waived),
            (RISK, self._risk, lambda v, r: does.declare_risk(r.id, because=v.said("reason"), by=v.actor)),
        )

    # What stops.

    def _stop_all(self, also: str) -> Callable[[Visit, Release], Preview]:
        def preview(visit: Visit, release: Release) -> Preview:
            stopped = self._desks.releases.stopped_by(release.id, to=None, by=visit.actor)
            return Preview((*_loses(stopped), also), stopped=stopped)

        return preview

    def _hold(self, visit: Visit, release: Release) -> Preview:
        del visit
        where = release.current.name if release.current else "no stage"
        return Preview((f"Nobody loses access: {release.model} stays at {where}.", "Nothing widens until somebody resumes it."))

    def _narrow(self, visit: Visit, release: Release) -> Preview:
        names = [stage.name for stage in release.opened[:-1]]
        if not names:
            return Preview(("Only one stage is open: there is nothing narrower but a cut.",))
        asked = visit.said("to") or visit.query.get("to") or names[-1]
        to = asked if asked in names else names[-1]
        stopped = self._desks.releases.stopped_by(release.id, to=to, by=visit.actor)
        options = tuple((name, f"{name}, stage {place}") for place, name in enumerate(names, start=1))
        kept = Choice("to", "Last stage that stays open", options, to)
        return Preview((*_loses(stopped), "Open streams of those who lose access end at once."), (kept,), stopped)

    # What widens.

    def _widen(self, command: Command) -> Callable[[Visit, Release], Preview]:
        def preview(visit: Visit, release: Release) -> Preview:
            return Preview(_gains(release), rehearsal=self._desks.picturing.rehearse(release.id, command, by=visit.actor))

        return preview

    def _sign(self, visit: Visit, release: Release) -> Preview:
        risk = visit.said("purpose") == SignedFor.DECLARED_RISK.value or visit.query.get("purpose") == "declared_risk"
        to = visit.said("to") or visit.query.get("to")
        _, material = self._desks.releases.to_sign(release.id, by=visit.actor, declared_risk=risk, to=to or None)
        command = ask.Approve(material.purpose, material.digest, material.to, "")
        rehearsal = self._desks.picturing.rehearse(release.id, command, by=visit.actor, to=material.to, purpose=material.purpose)
        words = {
            SignedFor.PROMOTE: "You sign for promotion, under the evidence below and no other.",
            SignedFor.RESUME: "You sign for going on, under the evidence below and no other.",
            SignedFor.DECLARED_RISK: "You sign for widening although the gates do not pass, under the evidence below.",
        }
        effect = (words[material.purpose], "Your signature lapses when that evidence changes for the worse.", *_gains(release))
        options = tuple((purpose.value, purpose.value.replace("_", " ")) for purpose in SignedFor if purpose is material.purpose)
        choices = (Choice("purpose", "What it is for", options, material.purpose.value),)
        if release.state is State.CUT:
            choices = (*choices, _reopened(release, release.plan.stages[material.to - 1].name))
        return Preview(effect, choices, rehearsal=rehearsal, seen=material.digest)

    def _signed(self, visit: Visit, release: Release) -> Decision:
        names = [stage.name for stage in release.plan.stages]
        to = visit.said("to")
        return self._desks.releases.approve(
            release.id,
            purpose=_purpose(visit.said("purpose")),
            seen=visit.said("seen"),
            by=visit.actor,
            to=names.index(to) + 1 if to in names else 1,
            note=visit.said("reason"),
        )

    def _resume(self, visit: Visit, release: Release) -> Preview:
        names = [stage.name for stage in release.plan.stages]
        asked = visit.said("to") or visit.query.get("to") or names[0]
        position = names.index(asked) + 1 if asked in names else 1
        # A reason is asked for when the key is pressed; the rehearsal is about everything else.
        rehearsal = self._desks.picturing.rehearse(release.id, ask.Resume("rehearsed", position), by=visit.actor, to=position)
        if release.state is not State.CUT:
            effect = ("Nobody gains access now. It may widen again as soon as its gates and signatures allow.",)
            return Preview(effect, rehearsal=rehearsal)
        opened = release.plan.stages[:position]
        gained = ", ".join(f"{stage.who.cohort} ({seats(stage.who.seats)})" for stage in opened)
        effect = (f"{release.model} opens again for {gained}.", "Its evidence begins afresh.")
        return Preview(effect, (_reopened(release, names[position - 1]),), rehearsal=rehearsal)

    def _schedule(self, visit: Visit, release: Release) -> Preview:
        at = visit.said("at") or (visit.at + _SOON).astimezone(UTC).strftime("%Y-%m-%dT%H:%M")
        effect = ("It opens its first stage by itself at that time.", *_gains(release))
        return Preview(effect, instant=("at", "Opens at (UTC)", at))

    def _waive(self, visit: Visit, release: Release) -> Preview:
        status = self._desks.releases.status(release, by=visit.actor)
        gates = tuple((line.gate_id, f"{line.gate_id}: {line.shown}") for line in status.gates if line.kind != "approval")
        first = visit.said("gate") or visit.query.get("gate") or next((gate for gate, _ in gates), "")
        days = tuple((str(number), f"{number} day{'' if number == 1 else 's'}") for number in _DAYS)
        pending = [each for each in release.waivers if each.confirmed_by is None and visit.at < each.until]
        effect = (
            "The gate would not block until the waiver ends. It is shown as WAIVED, in red, wherever the release is shown.",
            "It takes two people: the first asks, the second confirms by asking for the same.",
            *(f"Waiting for a second person: {each.gate_id}, because {each.reason}" for each in pending),
        )
        choices = (
            Choice("gate", "Which gate", gates, first),
            Choice("days", "For how long", days, visit.said("days") or "7"),
        )
        return Preview(effect, choices)

    def _waived(self, visit: Visit, release: Release) -> Decision:
        said = visit.said("days")
        days = int(said) if said.isdecimal() and len(said) <= len("365") else 0
        until = self._desks.clock.now() + timedelta(days=days)
        return self._desks.releases.waive(
            release.id, gate_id=visit.said("gate"), reason=visit.said("reason"), until=until, by=visit.actor
        )

    def _risk(self, visit: Visit, release: Release) -> Preview:
        rehearsal = self._desks.picturing.rehearse(
            release.id, ask.DeclareRisk("rehearsed"), by=visit.actor, purpose=SignedFor.DECLARED_RISK
        )
        pending = release.declaration
        effect = (
            "The next stage opens although the gates do not pass. This is never called a pass, and is shown in red for ever.",
            "It takes two people, and every signature that the stage asks for, given for this risk.",
            *((f"Asked for already, waits for a second person: {pending.because}",) if pending else ()),
            *_gains(release),
        )
        return Preview(effect, rehearsal=rehearsal)


def _loses(stopped: Stopped) -> tuple[str, ...]:
    if not stopped.closes:
        return ("Nobody has access now, so nobody loses any.",)
    who = ", ".join(f"{cohort} ({seats(number)})" for cohort, number in stopped.cohorts) or "no whole cohort"
    return (f"Closes {', '.join(stopped.closes)}.", f"{who} lose access.")


def _gains(release: Release) -> tuple[str, ...]:
    following = release.following
    if following is None:
        return ("The last stage is completed. Nobody gains access; it stays watched.",)
    rights = ", ".join(each.value.replace("_", " ") for each in (*following.what.surfaces, *following.what.capabilities))
    told = (f"Opens {following.name} to {following.who.cohort}: {seats(following.who.seats)}.", f"They may use {rights}.")
    return (*told, "It cannot be taken back.") if following.irreversible else told


def _reopened(release: Release, chosen: str) -> Choice:
    reached = release.plan.stages[: max(1, release.reached)]
    return Choice("to", "Last stage to open again", tuple((stage.name, stage.name) for stage in reached), chosen)


def _purpose(said: str) -> SignedFor:
    return next((purpose for purpose in SignedFor if purpose.value == said), SignedFor.PROMOTE)


def _instant(text: str) -> datetime:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("That is not an instant.", help="Write it as 2027-03-01T12:00; it is read as UTC.") from None
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
