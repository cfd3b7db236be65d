"""Filing evidence from outside, and what may be done to a record afterwards.

Nothing is ever changed or deleted: a record is finalised, superseded, carried over or answered, each with a reason, each on
the ledger. What silences a record, or lets it speak of more than was measured, takes a second person: to supersede a result,
somebody other than who filed its successor; to carry one over to another version, somebody other than who asked; to accept a
risk, somebody other than who filed the finding.

A file counts once. Filing it again, under another name, for another release or after it was superseded, is refused by its
digest: what speaks of one version comes to speak of another by a carry-over, and by nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from headgate.evidence.decide import cases
from headgate.evidence.decide.succession import why_not_successor
from headgate.evidence.errors import (
    EvidenceDone,
    EvidenceDuplicate,
    EvidenceMoved,
    EvidenceNotFound,
    FilingInvalid,
    NoSuccessor,
    SamePerson,
)
from headgate.evidence.importers import every_eval_ever
from headgate.evidence.model.filing import Carried, Disposed, Disposition, Filed, Finalised, Superseded
from headgate.evidence.model.record import (
    EvidenceRecord,
    Finding,
    Kind,
    contradiction,
)
from headgate.evidence.ports import Wanted
from headgate.evidence.service import shelving
from headgate.evidence.service.receiving import check, received
from headgate.evidence.wire import cases as wired
from headgate.evidence.wire import encode
from headgate.kernel.actor import Permission
from headgate.kernel.digest import digest_of
from headgate.kernel.ids import EvidenceId, mint
from headgate.ledger.model import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from headgate.evidence.importers.interface import Refusal
    from headgate.evidence.model.cases import CaseReading, Claim
    from headgate.evidence.ports import Archive, Named, ReleasesKnown
    from headgate.evidence.service.receiving import Declaration, HandedIn
    from headgate.kernel.actor import Actor
    from headgate.kernel.clock import Clock

_ID_BYTES = 10
_LONGEST_REASON_CHARS = 2000
_MOST_SUCCESSORS = 500


@dataclass(frozen=True, slots=True)
class Added:
    """What came of filing a file.

    Attributes:
        filed: The records that it gave.
        left_out: The parts of it that could not count, and why.
    """

    filed: tuple[Filed, ...]
    left_out: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Understood:
    """What filing a file would give.

    Attributes:
        sha256: The file's digest.
        release_id: The release that it would be filed for.
        findings: What would be filed.
        left_out: The parts of it that could not count, and why.
        awaited: The suites of which the release's plan says what it tolerates.
    """

    sha256: str
    release_id: str
    findings: tuple[Finding, ...]
    left_out: tuple[Refusal, ...]
    awaited: frozenset[str]


@dataclass(frozen=True, slots=True)
class Case:
    """What filed records say of a claim, with everything that it was worked out from.

    Attributes:
        reading: What they say.
        inputs: The same again, from these alone: ``wire.cases.replay``.
    """

    reading: CaseReading
    inputs: Mapping[str, Any]


class Filing:
    """Files evidence, and reads what is filed.

    Args:
        archive: Where records are kept.
        releases: What is known of releases.
        clock: The time.
        entropy: Random bytes, so many as are asked for.
    """

    def __init__(
        self,
        archive: Archive,
        releases: ReleasesKnown,
        clock: Clock,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._archive = archive
        self._releases = releases
        self._clock = clock
        self._entropy = entropy

    def add(self, handed: HandedIn, declared: Declaration, *, by: Actor) -> Added:
        """File everything that a file shows, or what is declared of a document.

        Raises:
            Forbidden: ``by`` may not file evidence.
            FilingInvalid: What was declared cannot be.
            Unfit: The file is no evidence; nothing was kept.
            EvidenceDuplicate: The file has been filed already.
            headgate.kernel.errors.NotFound: There is no such release.
        """
        now = self._clock.now()
        understood = self.understood(handed, declared, by=by)
        named = self._releases.named(declared.release)
        filed = tuple(self._filed(finding, declared, named, by, now) for finding in understood.findings)
        with self._archive.transaction() as tx:
            if there := tx.of_file(understood.sha256):
                raise _duplicate(there[0], named)
            for record in filed:
                tx.add(record)
                tx.record(_entry("filed", record, by, now, **_body(record)))
        return Added(filed, understood.left_out)

    def understood(self, handed: HandedIn, declared: Declaration, *, by: Actor) -> Understood:
        """Return what filing a file would give; nothing is kept.

        Raises:
            Forbidden: ``by`` may not file evidence.
            FilingInvalid: What was declared cannot be.
            Unfit: The file is no evidence.
            EvidenceDuplicate: The file has been filed already.
            headgate.kernel.errors.NotFound: There is no such release.
        """
        by.must(Permission.FILE_EVIDENCE)
        now = self._clock.now()
        check(declared, now)
        named = self._releases.named(declared.release)
        imported = received(handed, declared, named.subject, now)
        for finding in imported.findings:
            if wrong := contradiction(finding):
                raise FilingInvalid(f"This contradicts itself. {wrong}")
        sha256 = imported.findings[0].source.sha256
        with self._archive.transaction() as tx:
            if there := tx.of_file(sha256):
                raise _duplicate(there[0], named)
        awaited = frozenset(finding.suite for finding in imported.findings if finding.suite in named.goalposts)
        return Understood(sha256, named.release_id, imported.findings, imported.left_out, awaited)

    def get(self, id: str, *, by: Actor) -> Filed:
        """Return a record.

        Raises:
            Forbidden: ``by`` may not look.
            EvidenceNotFound: There is no such record.
        """
        by.must(Permission.VIEW)
        return _known(self._archive.get(id), id)

    def list(self, wanted: Wanted, *, by: Actor) -> tuple[Filed, ...]:
        """Return the records that are wanted, the last filed first.

        Args:
            wanted: Which; a release may be given by its id or its model's name.
            by: Who asks.

        Raises:
            Forbidden: ``by`` may not look.
            headgate.kernel.errors.NotFound: There is no such release.
        """
        by.must(Permission.VIEW)
        if wanted.release_id is not None:
            wanted = replace(wanted, release_id=self._releases.named(wanted.release_id).release_id)
        return self._archive.list(replace(wanted, at=self._clock.now()))

    def successors(self, filed: Filed, *, by: Actor) -> tuple[Filed, ...]:
        """Return the records that may take the place of one, the last filed first.

        Raises:
            Forbidden: ``by`` may not look.
        """
        by.must(Permission.VIEW)
        finding = filed.record.finding
        others = self._archive.list(Wanted(suite=finding.suite, kind=finding.kind, in_force=True, limit=_MOST_SUCCESSORS))
        return tuple(other for other in others if other.id != filed.id and why_not_successor(filed, other) is None)

    def exported(self, filed: Filed) -> bytes | None:
        """Return a record as a document of Every Eval Ever; ``None`` when it holds no number that the schema could hold."""
        finding = filed.record.finding
        if finding.counts is None and finding.reported is None:
            return None
        return every_eval_ever.export([finding], at=self._clock.now())

    def finalise(self, id: str, *, because: str, by: Actor, seen: int | None = None) -> Filed:
        """Say that the evaluator stands by a preliminary record.

        Raises:
            Forbidden: ``by`` may not judge evidence.
            EvidenceMoved: It has another revision than ``seen``.
            EvidenceNotFound: There is no such record.
            EvidenceDone: It is final already, or its place was taken.
            FilingInvalid: No reason is given.
        """
        by.must(Permission.JUDGE_EVIDENCE)
        now = self._clock.now()

        def finalised(filed: Filed) -> tuple[str, Filed]:
            if filed.final:
                raise EvidenceDone("This record is final already.")
            return "finalised", replace(filed, finalised=Finalised(by.id, _reason(because), now))

        return self._do(id, finalised, by, now, seen, because=because)

    def supersede(self, id: str, *, successor: str, because: str, by: Actor, seen: int | None = None) -> Filed:
        """Put a later record in the place of this one, which stays on file and no longer counts.

        Raises:
            Forbidden: ``by`` may not judge evidence.
            EvidenceMoved: It has another revision than ``seen``.
            EvidenceNotFound: There is no such record, or no such successor.
            NoSuccessor: The other is not a later one of the same thing on the same version.
            SamePerson: ``by`` filed the successor.
            EvidenceDone: Its place was taken already.
            FilingInvalid: No reason is given.
        """
        by.must(Permission.JUDGE_EVIDENCE)
        now = self._clock.now()
        later = _known(self._archive.get(successor), successor)

        def superseded(filed: Filed) -> tuple[str, Filed]:
            if wrong := why_not_successor(filed, later):
                raise NoSuccessor(wrong)
            if later.record.recorded_by == by.id:
                raise SamePerson(
                    "You filed the record that would take this one's place.", help="Ask somebody else who may judge evidence."
                )
            return "superseded", replace(filed, superseded=Superseded(later.id, by.id, _reason(because), now))

        return self._do(id, superseded, by, now, seen, because=because, successor=later.id)

    def carry(self, id: str, *, release: str, because: str, by: Actor, seen: int | None = None) -> Filed:
        """Let a record count for another release's version; the first person asks, the second agrees by asking for the same.

        Raises:
            Forbidden: ``by`` may not file evidence, or not judge it, to agree.
            EvidenceMoved: It has another revision than ``seen``.
            EvidenceNotFound: There is no such record.
            SamePerson: Whoever asked cannot agree.
            EvidenceDone: It counts for that version already, or its place was taken.
            FilingInvalid: No reason is given.
            headgate.kernel.errors.NotFound: There is no such release.
        """
        if not by.may(Permission.JUDGE_EVIDENCE):
            by.must(Permission.FILE_EVIDENCE)
        now = self._clock.now()
        named = self._releases.named(release)
        version = named.subject.model_version

        def carried(filed: Filed) -> tuple[str, Filed]:
            if version in filed.versions:
                raise EvidenceDone("This record counts for that version already.")
            wish = next((carry for carry in filed.carried if carry.version == version), None)
            if wish is None:
                fresh = Carried(version, named.release_id, _reason(because), by.id, now)
                return "carry_asked", replace(filed, carried=(*filed.carried, fresh))
            if by.id == wish.asked_by:
                raise SamePerson("You asked for this; somebody else agrees to it, by asking for the same.")
            by.must(Permission.JUDGE_EVIDENCE)
            agreed = replace(wish, approved_by=by.id, approved_at=now)
            return "carried", replace(filed, carried=tuple(agreed if carry is wish else carry for carry in filed.carried))

        return self._do(id, carried, by, now, seen, because=because, version=version, release=named.release_id)

    def dispose(self, id: str, how: Disposition, *, because: str, by: Actor, seen: int | None = None) -> Filed:
        """Answer a red team's finding.

        Raises:
            Forbidden: ``by`` may not judge evidence.
            EvidenceMoved: It has another revision than ``seen``.
            EvidenceNotFound: There is no such record.
            EvidenceDone: It is no red team's finding, was answered already, or its place was taken.
            SamePerson: Whoever filed a finding cannot accept its risk.
            FilingInvalid: No reason is given.
        """
        by.must(Permission.JUDGE_EVIDENCE)
        now = self._clock.now()

        def disposed(filed: Filed) -> tuple[str, Filed]:
            if filed.record.finding.kind is not Kind.REDTEAM:
                raise EvidenceDone("Only what a red team found is answered.")
            if filed.disposed is not None:
                raise EvidenceDone(f"This finding was answered already: {filed.disposed.how.value.replace('_', ' ')}.")
            if how is Disposition.ACCEPTED and filed.record.recorded_by == by.id:
                raise SamePerson("You filed this finding; somebody else accepts its risk.")
            return "disposed", replace(filed, disposed=Disposed(how, _reason(because), by.id, now))

        return self._do(id, disposed, by, now, seen, because=because, how=how.value)

    def case(self, claim: Claim, version: str, *, now: datetime) -> Case:
        """Return what the records that count for ``version`` say of ``claim``; for gates, which ask for everybody.

        Raises:
            EvidenceUnavailable: The store does not answer.
            NotEvidence: What is filed cannot be read.
        """
        shelf = shelving.shelf(self._archive.list(_wanted(claim)), version)
        return Case(cases.read(shelf, claim, now=now), wired.inputs(shelf, claim, now=now))

    def _filed(self, finding: Finding, declared: Declaration, named: Named, by: Actor, now: datetime) -> Filed:
        id = EvidenceId(mint("ev", at=now, entropy=self._entropy(_ID_BYTES)))  # noqa: A001 - the record's own word
        record = EvidenceRecord(id, finding, recorded_at=now, recorded_by=by.id)
        return Filed(record, named.release_id, declared.statement, named.goalposts.get(finding.suite))

    def _do(
        self,
        id: str,
        change: Callable[[Filed], tuple[str, Filed]],
        by: Actor,
        now: datetime,
        seen: int | None,
        **told: str,
    ) -> Filed:
        with self._archive.transaction() as tx:
            before = _known(tx.get(id), id)
            if seen is not None and seen != before.revision:
                raise EvidenceMoved(
                    "Somebody did something to this record since you looked.", help="Look again, then decide again."
                )
            if before.superseded is not None:
                raise EvidenceDone(f"The place of this record was taken by {before.superseded.successor}.")
            did, changed = change(before)
            after = replace(changed, revision=before.revision + 1)
            tx.save(after, seen=before.revision)
            tx.record(_entry(did, after, by, now, digest=digest_of(encode(after)), **told))
        return after


def _wanted(claim: Claim) -> Wanted:
    kind, suite = shelving.about(claim)
    return Wanted(kind=kind, suite=suite)


def _duplicate(there: Filed, named: Named) -> EvidenceDuplicate:
    if there.record.finding.subject.model_version == named.subject.model_version:
        return EvidenceDuplicate(f"This file has been filed already, as {there.id}.")
    return EvidenceDuplicate(
        f"This file has been filed already, as {there.id}, for another version; it cannot have measured both.",
        help=f"Carry it over: headgate evidence carry {there.id} --release {named.release_id}",
    )


def _reason(because: str) -> str:
    text = because.strip()
    if not 0 < len(text) <= _LONGEST_REASON_CHARS:
        raise FilingInvalid(f"A reason has 1 to {_LONGEST_REASON_CHARS:,} characters.")
    return text


def _known(filed: Filed | None, id: str) -> Filed:
    if filed is None:
        raise EvidenceNotFound(f"There is no record {id}.")
    return filed


def _entry(did: str, filed: Filed, by: Actor, now: datetime, **body: Any) -> Entry:
    return Entry(f"evidence.{did}", filed.id, by.id, now, body)


def _body(filed: Filed) -> dict[str, Any]:
    finding, statement = filed.record.finding, filed.statement
    return {
        "digest": digest_of(encode(filed.record)),
        "release": filed.release_id,
        "version": finding.subject.model_version,
        "kind": finding.kind.value,
        "suite": finding.suite,
        "metric": finding.metric,
        "k": None if finding.counts is None else finding.counts.k,
        "n": None if finding.counts is None else finding.counts.n,
        "status": finding.status.value,
        "file": finding.source.sha256,
        "part": finding.source.part,
        "expires_at": finding.expires_at.isoformat(),
        "goalposts": None if filed.goalposts is None else encode(filed.goalposts),
        "title": None if statement is None else digest_of(statement.title),
        "opinion": None if statement is None or statement.opinion is None else statement.opinion.value,
    }
