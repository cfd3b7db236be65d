"""What the exchange log says when it cannot do what was asked."""

from __future__ import annotations

from headgate.kernel.errors import Invalid, NotFound, Refused, Stale, Unavailable


class CannotRecord(Unavailable):
    """The disk is full, read-only or locked: what cannot be recorded is not admitted."""

    code = "traffic.cannot_record"


class LogUnavailable(Unavailable):
    """The exchange log's directory, or the database that holds its keys and counts, does not answer."""

    code = "traffic.log_unavailable"


class SpoolUnreadable(LogUnavailable):
    """A spool's file is damaged or locked; it is never taken for an empty one."""

    code = "traffic.spool_unreadable"


class NotUnderway(NotFound):
    """This spool has no open admission of that exchange: it was never admitted here, or is settled already."""

    code = "traffic.not_underway"


class ExchangeNotFound(NotFound):
    """No exchange of that name is kept."""

    code = "traffic.exchange_not_found"


class ContentDestroyed(NotFound):
    """The key of the exchange's day was destroyed; nobody can read its bodies again."""

    code = "traffic.content_destroyed"


class ContentTampered(Refused):
    """The stored bytes are not those that were written; they are withheld."""

    code = "traffic.content_tampered"


class ReasonMissing(Invalid):
    """Content is read for a stated reason or not at all."""

    code = "traffic.reason_missing"


class ProcessesOnly(Refused):
    """Content is handed out wholesale to Headgate's own processes only; people read one exchange at a time."""

    code = "traffic.processes_only"


class TooSoon(Refused):
    """A day's key outlives the day: exchanges of today and later cannot be destroyed yet."""

    code = "traffic.too_soon"


class MasterKeyUnusable(Unavailable):
    """The master key's file is missing, malformed, or readable by others."""

    code = "traffic.master_key_unusable"


class CursorMoved(Stale):
    """Another reader of the same name took these exchanges in the meantime; read again from the cursor."""

    code = "traffic.cursor_moved"
