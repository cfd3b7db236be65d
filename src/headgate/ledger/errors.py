"""What can go wrong with the ledger, by what the caller should do about it."""

from __future__ import annotations

from headgate.kernel.errors import Invalid, NotFound, Unavailable


class LedgerUnavailable(Unavailable):
    """The database that holds the ledger does not answer, is locked, or is full; nothing was changed."""

    code = "ledger.store_unavailable"


class LedgerBroken(Unavailable):
    """The ledger contradicts itself, so nothing more is written to it or read from it until somebody has looked."""

    code = "ledger.broken"


class EntryNotFound(NotFound):
    """The ledger has no entry at this place."""

    code = "ledger.entry_not_found"


class NoCheckpoint(NotFound):
    """No head of this ledger was signed yet."""

    code = "ledger.no_checkpoint"


class NoSuchTree(Invalid):
    """The ledger has never had this size, or the two sizes are the wrong way round, so there is nothing to prove."""

    code = "ledger.no_such_tree"


class NotAnEntry(Invalid):
    """What was to be recorded cannot be written as JSON or lacks a kind, a subject, an actor or a time zone."""

    code = "ledger.not_an_entry"


class NotANote(Invalid):
    """The text is not a signed note, a checkpoint or a verifier key in the published format."""

    code = "ledger.not_a_note"


class NotSigned(Invalid):
    """No key that is trusted here has signed the note."""

    code = "ledger.not_signed"
