"""What an edit of a holdback does: who is held back has less, so to hold back fewer, or for less long, is wider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.releases.decide.diff_wires import reacts
from headgate.releases.decide.difference import NARROWER, WIDER, Axis, bound, said_of, span

if TYPE_CHECKING:
    from headgate.releases.decide.difference import Found
    from headgate.releases.model.holdback import Holdback

_HERE = ("holdback",)


def held_back(old: Holdback | None, new: Holdback | None) -> Found:
    """Yield every difference between two forms of a stage's holdback; none at all compares nothing and holds nobody back."""
    if old is None or new is None:
        if old is not new:
            effect, said = (
                (NARROWER, "some are held back, and compared") if old is None else (WIDER, "nobody is held back any more")
            )
            yield _HERE, effect, Axis.AUDIENCE, said
        return
    yield from bound((*_HERE, "share"), Axis.AUDIENCE, "the share held back", old.share, new.share, more=NARROWER)
    yield from span((*_HERE, "window"), "how long each account is held back", old.window, new.window, longer=NARROWER)
    what = "the chance of calling a rise over the held back that is none"
    yield from bound((*_HERE, "alpha"), Axis.OVERSIGHT, what, old.alpha, new.alpha, more=NARROWER)
    if old.then is not new.then:
        said = f"a rise over the held back does {said_of(new.then)} instead of {said_of(old.then)}"
        yield (*_HERE, "then"), reacts(old.then, new.then), Axis.OVERSIGHT, said
