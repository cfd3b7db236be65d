"""Handing in the text of a plan, to look at it, compare it, play it and carry it out.

A draft changes nothing, so it stands on no ledger; carrying it out does. It is named by its content: what somebody has looked
at is what they carry out, to the byte.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from headgate.kernel.actor import Permission
from headgate.releases.errors import PlanInvalid
from headgate.releases.model.draft import KEPT, Draft
from headgate.releases.wire.checking import check_plan
from headgate.releases.wire.document import MOST_BYTES

if TYPE_CHECKING:
    from headgate.kernel.actor import Actor
    from headgate.kernel.clock import Clock
    from headgate.releases.ports import Drafts
    from headgate.releases.wire.reading import ReadPlan

_NAME_CHARS = 120


class Drafting:
    """What people do with drafts.

    Args:
        drafts: Where they are kept.
        clock: Tells the time.
    """

    def __init__(self, drafts: Drafts, clock: Clock) -> None:
        self._drafts = drafts
        self._clock = clock

    def keep(self, source: bytes, *, name: str, by: Actor) -> Draft:
        """Keep a text and return it; the same text is one draft, whoever hands it in.

        Raises:
            Forbidden: ``by`` may not look at plans.
            PlanInvalid: It is empty, or longer than any plan.
            ReleasesUnavailable: It is not kept.
        """
        by.must(Permission.VIEW)
        if not source.strip():
            raise PlanInvalid("There is no text.", help="Paste a plan, or choose its file.")
        if len(source) > MOST_BYTES:
            raise PlanInvalid(f"A plan has {MOST_BYTES:,} bytes at most.")
        now = self._clock.now()
        shown = "".join(letter for letter in name if letter.isprintable()).strip()[:_NAME_CHARS] or "plan.yaml"
        draft = Draft(hashlib.sha256(source).hexdigest(), source, shown, by.id, now)
        self._drafts.keep(draft, forget_before=now - KEPT)
        return draft

    def get(self, digest: str, *, by: Actor) -> Draft:
        """Return a draft.

        Raises:
            Forbidden: ``by`` may not look at plans.
            DraftNotFound: There is none.
        """
        by.must(Permission.VIEW)
        return self._drafts.get(digest)

    def latest(self, *, by: Actor, limit: int = 10) -> list[Draft]:
        """Return the drafts that ``by`` handed in last, the newest first.

        Raises:
            Forbidden: ``by`` may not look at plans.
        """
        by.must(Permission.VIEW)
        return self._drafts.latest(by.id, limit)

    def read(self, draft: Draft) -> ReadPlan:
        """Return what a draft says, with every remark on it."""
        return check_plan(draft.source, draft.name)
