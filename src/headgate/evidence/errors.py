"""What can go wrong with evidence, by what the caller should do about it."""

from __future__ import annotations

from headgate.kernel.errors import Invalid, NotFound, Refused, Stale, Unavailable


class EvidenceUnavailable(Unavailable):
    """The database that holds the evidence does not answer, is locked, or is full; nothing was changed."""

    code = "evidence.store_unavailable"


class LabelsUnavailable(Unavailable):
    """The labels cannot be read just now, so nothing can be said; nothing was changed."""

    code = "evidence.labels_unavailable"


class ReadingNotFound(NotFound):
    """No reading is kept under this digest."""

    code = "evidence.reading_not_found"


class NotEvidence(Invalid):
    """What was given as evidence contradicts itself or cannot be read, so nothing is concluded from it."""

    code = "evidence.malformed"


class RuleChanged(Invalid):
    """The alarm's rule differs from the one that its epoch began with; a changed rule needs a new epoch."""

    code = "evidence.rule_changed"


class AlarmMoved(Stale):
    """Another controller began this watch, or raised this alarm, in the meantime."""

    code = "evidence.alarm_moved"


class EvidenceNotFound(NotFound):
    """There is no such record."""

    code = "evidence.record_not_found"


class EvidenceDuplicate(Refused):
    """The file has been filed already; evidence counts once, and for one version."""

    code = "evidence.duplicate"


class EvidenceMoved(Stale):
    """Somebody did something to the record since you looked."""

    code = "evidence.moved"


class EvidenceDone(Refused):
    """What was asked for has been done already, or cannot be done to a record of this kind or in this state."""

    code = "evidence.done"


class SamePerson(Refused):
    """It takes a second person: whoever asked, or filed, cannot also agree."""

    code = "evidence.same_person"


class FilingInvalid(Invalid):
    """What was declared of a piece of evidence cannot be."""

    code = "evidence.filing_invalid"


class NoSuccessor(Refused):
    """Only a later record of the same thing on the same version can take a record's place."""

    code = "evidence.no_successor"
