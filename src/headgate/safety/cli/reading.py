"""A sitting of a reviewer: one item at a time, one key for each decision.

Content comes from strangers and is printed with every control character made visible. Long passages are folded until the space
bar is pressed; a flagged item shows why it was flagged before it shows what was said, and with ``blur`` says nothing else until
the space bar is pressed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from headgate.kernel.units import span_text
from headgate.safety.decide import check_kind
from headgate.safety.decide.care import Due
from headgate.safety.errors import ClaimLost, EnoughForToday, LabelInvalid, NothingToUndo
from headgate.safety.model import LEFT_COUNTED, OTHER, Severity
from headgate.safety.service.review import Answer
from headgate.safety.wire.plain import collapsed, plain

if TYPE_CHECKING:
    from rich.console import Console

    from headgate.safety.cli.keys import Keys
    from headgate.safety.cli.session import Session
    from headgate.safety.model import Passage, ReviewItem
    from headgate.safety.ports import Wish

_FOLD_LINES = 12
_COLUMNS = 100
_HELP = (
    "h harm · n no harm · o other or new · k other, and name its kind · s skip · u undo · x cannot be reviewed · "
    "space show all · q quit"
)
_DIGITS = "123456789"
_SEVERITIES = {"l": Severity.LOW, "m": Severity.MEDIUM, "h": Severity.HIGH, "c": Severity.CRITICAL}


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of a sitting: labels given and not taken back, and items skipped."""

    labels: int
    skips: int


class Sitting:
    """A reviewer at work.

    Args:
        session: Who reviews.
        keys: Where their decisions come from.
        screen: Where items are shown.
        wish: Which items they want.
        blur: Whether flagged content stays hidden until it is asked for.
    """

    def __init__(self, session: Session, keys: Keys, screen: Console, *, wish: Wish, blur: bool) -> None:
        self._session = session
        self._keys = keys
        self._screen = screen
        self._wish = wish
        self._blur = blur
        self._labels = 0
        self._skips = 0
        self._began = session.desk.clock.monotonic()

    def run(self) -> Tally:
        """Go on until the queue is empty, ``q`` is pressed or the keys end; an item in hand goes back by itself."""
        review, clock = self._session.desk.review, self._session.desk.clock
        try:
            while (item := review.next(by=self._session.by, now=clock.now(), wish=self._wish)) is not None:
                self._propose_a_pause()
                self._show(item, whole=False)
                if not self._decide(item):
                    return Tally(self._labels, self._skips)
        except EnoughForToday as enough:
            self._say(f"{enough.message} {enough.help or ''}".rstrip())
            return Tally(self._labels, self._skips)
        self._say("Nothing is left for you to review.")
        return Tally(self._labels, self._skips)

    def _propose_a_pause(self) -> None:
        day = self._session.desk.review.day(by=self._session.by, now=self._session.desk.clock.now())
        if day.due is Due.PAUSE:
            self._say(
                f"{span_text(day.unbroken)} of hard content without a break: a pause of {span_text(day.pause)} would do you good."
            )

    def _decide(self, item: ReviewItem) -> bool:
        """Take keys until the item is dealt with; return whether to go on with another."""
        while (key := self._keys.next()) not in {None, "q"}:
            if key in {"n", "x", "h", "o", "k"}:
                answer = self._chosen(item, key)
                if answer is not None:
                    self._answer(item, answer)
                    return True
            elif key == "s":
                self._skip(item)
                return True
            elif key == "u":
                if self._undo():
                    return True
            elif key == " ":
                self._show(item, whole=True)
            else:
                self._say(_HELP)
        return False

    def _chosen(self, item: ReviewItem, key: str | None) -> Answer | None:
        """Return the answer that a key begins; ``None`` when the reviewer thought better of it."""
        if key == "n":
            return Answer(dict.fromkeys(item.hazards, False))
        if key == "x":
            return Answer(None)
        kind = self._kind(item) if key == "k" else None
        return None if kind == "" else self._harm(item, other=key in {"o", "k"}, kind=kind)

    def _kind(self, item: ReviewItem) -> str:
        """Ask what kind of harm it is; an empty text when the reviewer thought better of it."""
        known = self._session.desk.review.kinds(item.release_id, by=self._session.by)
        so_far = f" So far: {', '.join(known)}." if known else ""
        self._say(f"What kind of harm is it? One word, such as hoax_calls, and return.{so_far}")
        kind = self._keys.word()
        try:
            check_kind({OTHER: True}, kind)
        except LabelInvalid as wrong:
            self._say(f"{wrong.message} {_HELP}")
            return ""
        return kind

    def _harm(self, item: ReviewItem, *, other: bool, kind: str | None) -> Answer | None:
        """Ask which hazards and how bad; ``None`` when the reviewer thought better of it."""
        found = {OTHER} if other else self._hazards(item)
        if not found:
            self._say("No hazard chosen. " + _HELP)
            return None
        self._say("How bad? l low · m medium · h high · c critical")
        severity = _SEVERITIES.get(self._keys.next() or "")
        if severity is None:
            self._say("No severity chosen. " + _HELP)
            return None
        return Answer({hazard: hazard in found for hazard in item.hazards}, severity, kind=kind)

    def _hazards(self, item: ReviewItem) -> set[str]:
        choices = dict(zip(_DIGITS, item.hazards, strict=False))
        said = " · ".join(f"{digit} {plain(hazard)}" for digit, hazard in choices.items())
        self._say(f"Which? {said} · then . to go on")
        found: set[str] = set()
        while (key := self._keys.next()) in choices:
            found ^= {choices[key]}
        return found if key is not None and key in ".\r\n " else set()

    def _answer(self, item: ReviewItem, answer: Answer) -> None:
        review, clock = self._session.desk.review, self._session.desk.clock
        try:
            review.label(item.item, answer, revision=item.revision, by=self._session.by, now=clock.now())
            self._labels += 1
        except ClaimLost as lost:
            self._say(lost.message)

    def _skip(self, item: ReviewItem) -> None:
        review, clock = self._session.desk.review, self._session.desk.clock
        try:
            review.skip(item.item, revision=item.revision, by=self._session.by, now=clock.now())
            self._skips += 1
        except ClaimLost as lost:
            self._say(lost.message)

    def _undo(self) -> bool:
        review, clock = self._session.desk.review, self._session.desk.clock
        try:
            review.undo(by=self._session.by, now=clock.now())
        except NothingToUndo as nothing:
            self._say(f"{nothing.message} {nothing.help or ''}".rstrip())
            return False
        self._labels -= 1
        self._say("Taken back.")
        return True

    def _show(self, item: ReviewItem, *, whole: bool) -> None:
        minutes = (self._session.desk.clock.monotonic() - self._began) / 60
        rate = f" · {self._labels / minutes:.1f} a minute" if self._labels and minutes > 0 else ""
        age = span_text(self._session.desk.clock.now() - item.at)
        left = f"{item.left} left" if item.left < LEFT_COUNTED else f"{LEFT_COUNTED} or more left"
        self._screen.rule(Text(f"{plain(item.release_id)} · {left}{rate} · {age} old"))
        for signal in item.signals:
            self._screen.print(Text(f"⚑ {plain(signal.hazard)} {signal.score:.2f}  {plain(signal.why)}", style="yellow"))
        if self._blur and item.flagged and not whole:
            self._say("Hidden because it is flagged; press space to read it.")
            return
        texts = item.texts
        if texts is None:
            self._say("The content of this exchange cannot be read any more: x says so.")
            return
        self._print("asked", texts.prompt, whole=whole)
        self._print("answered", texts.completion, whole=whole)

    def _print(self, verb: str, passages: tuple[Passage, ...] | None, *, whole: bool) -> None:
        if passages is None:
            self._say(f"What was {verb} was not kept.")
            return
        for passage in passages:
            shown = plain(passage.text)
            rest = 0
            if not whole:
                shown, rest = collapsed(shown, lines=_FOLD_LINES, columns=_COLUMNS)
            self._screen.print(Text(f"{verb} · {plain(passage.source)}", style="bold"))
            self._screen.print(Text(shown))
            if rest:
                self._screen.print(Text(f"… {rest:,} more characters: press space", style="dim"))

    def _say(self, sentence: str) -> None:
        self._screen.print(Text(sentence, style="dim"))
