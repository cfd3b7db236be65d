"""The ledger: what was decided, by whom and when; each entry with a proof that the reader's own browser checks.

The page hands out what a proof is made of and says nothing about whether it holds: that is computed where it is read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from headgate.console.visit import Deed, Handed, Screen, Shown, Streamed, Told, Visit, Went
from headgate.kernel.actor import Permission
from headgate.ledger.errors import EntryNotFound, NoCheckpoint, NoSuchTree
from headgate.ledger.model import Sought
from headgate.ledger.wire import spelled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headgate.console.desks import Desks
    from headgate.console.visit import Table
    from headgate.ledger.model import Recorded, Witnessed

_PAGE = 50
_LARGEST = 2**63 - 1
"""No ledger comes to have more entries: a database counts them in 64 bits."""
_PLACES = {
    "acc": "access/accounts/{}",
    "gr": "access/grants/{}",
    "key": "access/keys/{}",
    "org": "access/organisations/{}",
    "rel": "releases/{}",
}
"""Where the console shows what an entry happened to, by the prefix of its identifier."""


def table(desks: Desks, at: str) -> Table:
    """Return the addresses of the ledger.

    Args:
        desks: The services.
        at: Where the console is mounted.
    """

    def found(visit: Visit) -> Shown:
        asked = Asked.of(visit.query)
        entries = [] if asked.trouble else desks.ledger.newest(asked.sought(), before=asked.before, limit=_PAGE + 1)
        more = len(entries) > _PAGE
        older = asked.page(before=entries[_PAGE - 1].seq) if more else None
        given = {
            "asked": asked,
            "entries": [_row(each) for each in entries[:_PAGE]],
            "names": _names(desks, visit, entries[:_PAGE]),
            "older": older,
            "newest": asked.page(before=None) if asked.before is not None else None,
            "kinds": desks.ledger.kinds(),
            "head": desks.ledger.head(),
            "note": desks.ledger.latest_checkpoint(),
            "key": str(desks.ledger.key),
        }
        return Shown("console/ledger/index.html", given, 400 if asked.trouble else 200)

    def one(visit: Visit) -> Shown:
        witnessed = desks.ledger.witnessed(_place(visit))
        body = json.dumps(dict(witnessed.recorded.entry.body), indent=2, ensure_ascii=False, sort_keys=True)
        given = {
            **_row(witnessed.recorded),
            "names": _names(desks, visit, [witnessed.recorded]),
            "body": body,
            "inclusion": _proof(witnessed),
            "size": desks.ledger.head().size,
        }
        return Shown("console/ledger/entry.html", {**given, "note": witnessed.note, "key": str(desks.ledger.key)})

    def proof(visit: Visit) -> Told:
        witnessed = desks.ledger.witnessed(_place(visit))
        hashed = spelled.recorded(witnessed.recorded)["leaf_hash"]
        return Told({**_proof(witnessed), "leaf_hash": hashed, "checkpoint": witnessed.note, "key": str(desks.ledger.key)})

    def consistency(visit: Visit) -> Told:
        first, second = (_size(visit.query.get(name)) for name in ("from", "to"))
        return Told(spelled.consistency(desks.ledger.consistency(first, second)))

    def checkpoint(visit: Visit) -> Handed:
        del visit
        note = desks.ledger.latest_checkpoint()
        if note is None:
            raise NoCheckpoint("No checkpoint was signed yet.", help="Sign one on the page of the ledger.")
        size = note.split("\n")[1]
        return Handed(note.encode(), "text/plain; charset=utf-8", f"headgate-checkpoint-{size}.txt")

    def sign(visit: Visit) -> Went:
        del visit
        size = desks.ledger.checkpoint().split("\n")[1]
        return Went(f"{at}/ledger", f"The checkpoint of {int(size):,} entries is signed.")

    def export(visit: Visit) -> Streamed:
        lines = (f"{line}\n".encode() for line in desks.ledger.export())
        return Streamed(lines, "application/jsonl", f"headgate-ledger-{visit.at:%Y%m%dT%H%M%SZ}.jsonl")

    return (
        Screen("/ledger", found, Permission.VIEW),
        Screen("/ledger/checkpoint", checkpoint, Permission.VIEW),
        Screen("/ledger/consistency", consistency, Permission.VIEW),
        Screen("/ledger/{seq:int}", one, Permission.VIEW),
        Screen("/ledger/{seq:int}/proof", proof, Permission.VIEW),
        Deed("/ledger/checkpoint", sign, Permission.VIEW),
        Deed("/ledger/export", export, Permission.VIEW, confirmed=True),
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands in the search form, as it was filled in.

    Attributes:
        kind: A kind, or its noun alone.
        subject: What it happened to.
        actor: Who did it.
        since: An instant in UTC, as a browser writes it.
        until: The same.
        before: The place before which the page begins.
        trouble: What cannot be read, in one sentence.
    """

    kind: str = ""
    subject: str = ""
    actor: str = ""
    since: str = ""
    until: str = ""
    before: int | None = None
    trouble: str | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Asked:
        """Read the form from an address."""
        fields = {name: query.get(name, "").strip() for name in ("kind", "subject", "actor", "since", "until")}
        before = query.get("before", "")
        trouble = next(
            (f"“{fields[name]}” is no time: write 2026-03-01T12:00." for name in ("since", "until") if _is_no_time(fields[name])),
            None,
        )
        if before and not (before.isascii() and before.isdecimal() and int(before) <= _LARGEST):
            trouble = f"“{before}” is no place in the ledger."
        return cls(**fields, before=int(before) if before and trouble is None else None, trouble=trouble)

    def sought(self) -> Sought:
        """Return what is looked for."""
        return Sought(
            kind=self.kind or None,
            subjects=(self.subject,) if self.subject else (),
            actor=self.actor or None,
            since=_instant(self.since),
            until=_instant(self.until),
        )

    def page(self, *, before: int | None) -> str:
        """Return the query of another page of the same answer."""
        said = {"kind": self.kind, "subject": self.subject, "actor": self.actor, "since": self.since, "until": self.until}
        asked = {name: value for name, value in said.items() if value}
        return urlencode(asked if before is None else {**asked, "before": before})

    @property
    def anything(self) -> bool:
        """Whether something in particular is looked for."""
        return any((self.kind, self.subject, self.actor, self.since, self.until))


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _is_no_time(text: str) -> bool:
    try:
        _instant(text)
    except (ValueError, OverflowError):
        return True
    return False


def _size(text: str | None) -> int:
    if text is None or not (text.isascii() and text.isdecimal() and int(text) <= _LARGEST):
        raise NoSuchTree("A consistency proof is asked for with two sizes.", help="Write ?from=10&to=20.")
    return int(text)


def _place(visit: Visit) -> int:
    seq: int = visit.path["seq"]
    if seq > _LARGEST:
        raise EntryNotFound(f"The ledger has no entry {seq}.")
    return seq


def _names(desks: Desks, visit: Visit, entries: Sequence[Recorded]) -> Mapping[str, str]:
    """Return what the members of staff are called who did, or met, what was recorded."""
    ids = [each for recorded in entries for each in (recorded.entry.actor, recorded.entry.subject)]
    return desks.access.staff.names(ids, by=visit.actor)


def _row(recorded: Recorded) -> dict[str, Any]:
    return {
        "seq": recorded.seq,
        "entry": recorded.entry,
        "place": _shown_at(recorded.entry.kind, recorded.entry.subject),
        "why": recorded.entry.body.get("reason"),
        "leaf_hash": spelled.recorded(recorded)["leaf_hash"],
    }


def _shown_at(kind: str, subject: str) -> str | None:
    """Return where the console shows what an entry happened to; ``None`` where it does not."""
    if kind.startswith("cohort."):
        return f"access/cohorts/{quote(subject, safe='')}"
    thing = subject.partition("/")[0]  # an epoch is named for its release
    place = _PLACES.get(thing.partition("_")[0])
    return None if place is None else place.format(quote(thing, safe=""))


def _proof(witnessed: Witnessed) -> dict[str, Any]:
    return spelled.inclusion(witnessed.proof)
