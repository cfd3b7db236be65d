"""What may be done to a record: each with a page of its own, what it would do, and a reason.

Who may do it, and whether it takes somebody else, is the service's to say; the page says what the service will say, where it can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headgate.console.pages.evidence import chosen
from headgate.console.visit import Deed, Screen, Shown, Visit, Went
from headgate.evidence.errors import EvidenceDone, EvidenceMoved, FilingInvalid, NoSuccessor, SamePerson
from headgate.evidence.model.filing import Disposition
from headgate.kernel.actor import Permission
from headgate.kernel.errors import HeadgateError, NotFound
from headgate.kernel.ids import ReleaseId
from headgate.releases.errors import EvidenceNotUsed

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.console.desks import Desks
    from headgate.console.visit import Screen as AScreen
    from headgate.console.visit import Table
    from headgate.evidence.model.filing import Filed

_REFUSED = 409


@dataclass(frozen=True, slots=True)
class _Verb:
    """One thing that may be done to a record.

    Attributes:
        name: As it stands in the address.
        needs: The permission.
        said: What is said once it is done.
        do: Does it.
    """

    name: str
    needs: Permission
    said: str
    do: Callable[[Visit, str, str, int | None], Filed]


class Judging:
    """Somebody who judges evidence.

    Args:
        desks: The services.
        at: Where the console is.
    """

    def __init__(self, desks: Desks, at: str) -> None:
        self._desks = desks
        self._home = f"{at}/evidence"

    def table(self) -> Table:
        """Return the addresses of every verb."""
        judge, ask = Permission.JUDGE_EVIDENCE, Permission.FILE_EVIDENCE
        verbs = (
            _Verb("finalise", judge, "It is final: its evaluator stands by it.", self._finalise),
            _Verb("supersede", judge, "Its place was taken. It stays on file and no longer counts.", self._supersede),
            _Verb("dispose", judge, "Answered.", self._dispose),
            _Verb(
                "carry",
                ask,
                "Written down. It counts for the other version once a second person has asked for the same.",
                self._carry,
            ),
        )
        return tuple(row for verb in verbs for row in self._rows(verb))

    def _rows(self, verb: _Verb) -> tuple[AScreen, Deed]:
        path = f"/evidence/{{id}}/{verb.name}"

        def show(visit: Visit) -> Shown:
            return self._shown(visit, verb)

        def do(visit: Visit) -> Shown | Went:
            record = visit.path["id"]
            try:
                verb.do(visit, record, visit.said("because"), _revision(visit))
            except (FilingInvalid, EvidenceDone, EvidenceMoved, NoSuccessor, SamePerson) as why:
                return self._shown(visit, verb, why)
            return Went(f"{self._home}/{record}", verb.said)

        return Screen(path, show, verb.needs), Deed(path, do, verb.needs, confirmed=True)

    def _shown(self, visit: Visit, verb: _Verb, trouble: HeadgateError | None = None) -> Shown:
        filed = self._desks.filing.get(visit.path["id"], by=visit.actor)
        given: dict[str, Any] = {
            "filed": filed,
            "verb": verb.name,
            "trouble": trouble,
            "because": visit.said("because"),
            "picked": visit.said("successor") or visit.said("release") or visit.said("how"),
            "successors": (),
            "releases": (),
            "dispositions": tuple(Disposition),
            "flips": (),
        }
        if verb.name == "supersede":
            given |= {"successors": self._desks.filing.successors(filed, by=visit.actor), "flips": self._flips(visit, filed)}
        if verb.name == "carry":
            given["releases"] = [each for each in self._desks.releases.list(by=visit.actor) if each.id != filed.release_id]
        return Shown("console/evidence_judge.html", given, 200 if trouble is None else _REFUSED)

    def _flips(self, visit: Visit, filed: Filed) -> tuple[Any, ...]:
        """Return what would be said of its release without it."""
        try:
            release = self._desks.releases.get(ReleaseId(filed.release_id), by=visit.actor)
            return self._desks.releases.release_without(release, filed.id, by=visit.actor)
        except (EvidenceNotUsed, NotFound):
            return ()

    def _finalise(self, visit: Visit, record: str, because: str, seen: int | None) -> Filed:
        return self._desks.filing.finalise(record, because=because, by=visit.actor, seen=seen)

    def _supersede(self, visit: Visit, record: str, because: str, seen: int | None) -> Filed:
        if not (successor := visit.said("successor")):
            raise FilingInvalid("Say which record takes its place.")
        return self._desks.filing.supersede(record, successor=successor, because=because, by=visit.actor, seen=seen)

    def _carry(self, visit: Visit, record: str, because: str, seen: int | None) -> Filed:
        if not (release := visit.said("release")):
            raise FilingInvalid("Say for whose version it is to count.")
        return self._desks.filing.carry(record, release=release, because=because, by=visit.actor, seen=seen)

    def _dispose(self, visit: Visit, record: str, because: str, seen: int | None) -> Filed:
        how = chosen(Disposition, visit.said("how"))
        if how is None:
            raise FilingInvalid("Say what was done about it.")
        return self._desks.filing.dispose(record, how, because=because, by=visit.actor, seen=seen)


def _revision(visit: Visit) -> int | None:
    text = visit.said("revision")
    if not (text.isascii() and text.isdigit() and len(text) < 19):  # noqa: PLR2004 - the digits of 64 bits
        raise FilingInvalid("The form does not say which state of the record was looked at.")
    return int(text)
