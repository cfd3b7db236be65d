"""Every error a caller may meet, by what the caller should do about it.

::

    HeadgateError
    ├── Refused      ask for something else, or ask somebody: trying again changes nothing
    │   ├── Invalid  the request itself is wrong: mend it
    │   ├── Unauthenticated  say who you are
    │   └── Limited  wait: the same request may be admitted later
    ├── NotFound     there is no such thing, or you may not know of it
    ├── Stale        the thing has moved since you looked: look again, then decide again
    └── Unavailable  something that Headgate needs does not answer: nothing was changed, try later

Each concrete error is a subclass in its subject's ``errors.py`` with a ``code`` that never changes and is used once.
Messages are written for the person who meets them; they never carry a secret, a prompt or a stranger's text.
"""

from __future__ import annotations

from typing import ClassVar


class HeadgateError(Exception):
    """Something that a caller is told about.

    Args:
        message: One sentence: what happened.
        rule: The rule that decided, if one did (a plan's stage and field, a limit, a term).
        help: What would help.
        link: Where to go: an appeal, a request for access, a page of the documentation.
    """

    code: ClassVar[str] = "headgate.error"

    def __init__(self, message: str, *, rule: str | None = None, help: str | None = None, link: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.rule = rule
        self.help = help
        self.link = link


class Refused(HeadgateError):
    """A rule says no; trying again changes nothing."""

    code = "refused"


class Invalid(Refused):
    """The request itself is wrong."""

    code = "invalid"


class Unauthenticated(Refused):
    """Nobody is known by this credential."""

    code = "unauthenticated"


class Forbidden(Refused):
    """The actor is known and may not do this."""

    code = "forbidden"


class Limited(Refused):
    """A limit is reached; time may cure it.

    Args:
        retry_after_s: Seconds until trying again makes sense; ``None`` when time will not cure it.
    """

    code = "limited"

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None,
        rule: str | None = None,
        help: str | None = None,
        link: str | None = None,
    ) -> None:
        super().__init__(message, rule=rule, help=help, link=link)
        self.retry_after_s = retry_after_s


class NotFound(HeadgateError):
    """There is no such thing, or the caller may not know of it."""

    code = "not_found"


class Stale(HeadgateError):
    """The thing moved since the caller looked."""

    code = "stale"


class Unavailable(HeadgateError):
    """Something that Headgate needs does not answer; nothing was changed."""

    code = "unavailable"
