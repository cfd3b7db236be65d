"""What may be written down: names, reasons, seats, terms, scopes, networks and spans, checked where they come in."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import TYPE_CHECKING

from headgate.access import errors
from headgate.access.model import SURFACES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from headgate.access.model import Network
    from headgate.kernel.errors import HeadgateError

NAME_CHARS = 200
REASON_CHARS = 500
SUBJECT_CHARS = 255
NETWORKS_AT_MOST = 64
SEATS_AT_MOST = 10**9
FULL_PERCENT = 100

_COHORT_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_DECLARED_WORD = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
_TERMS_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_ISSUER = re.compile(r"(https://|http://(?=(localhost|127\.0\.0\.1)[:/]))[^\s?#@]{3,300}")
"""Without TLS only on this very machine, where nobody listens in between."""
_PRIVATE = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+|\bhg[abls]?_\w{20,}")


def name_for(text: str, invalid: type[HeadgateError]) -> str:
    """Return a name fit to be shown: trimmed, one line, printable, at most 200 characters.

    Raises:
        HeadgateError: Of the type ``invalid``: it is not.
    """
    name = text.strip()
    if not 1 <= len(name) <= NAME_CHARS or not name.isprintable():
        raise invalid(f"A name is one printable line of 1 to {NAME_CHARS} characters.")
    return name


def identity_for(issuer: str, subject: str) -> tuple[str, str]:
    """Return a provider and what it calls somebody, as they may be written down.

    Raises:
        IdentityInvalid: The issuer is no address without a query, or the subject is none (OpenID Connect Core 1.0, section 2).
    """
    where, who = issuer.strip(), subject.strip()
    if not _ISSUER.fullmatch(where):
        raise errors.IdentityInvalid("An issuer is an https address without a question mark, as the provider spells it.")
    if not 1 <= len(who) <= SUBJECT_CHARS or not who.isascii() or not who.isprintable():
        raise errors.IdentityInvalid(f"A subject is 1 to {SUBJECT_CHARS} printable ASCII characters.")
    return where, who


def declared_word(text: str) -> str:
    """Return a word that an account may declare: lower case, one word, so that plans can name it.

    Raises:
        AccountInvalid: It is none.
    """
    if not _DECLARED_WORD.fullmatch(text):
        raise errors.AccountInvalid("A declared word is lower case without spaces, like `en`, `pt-br` or `customer_support`.")
    return text


def reason_for(text: str) -> str:
    """Return a reason fit for the ledger, where it stays for ever.

    Raises:
        ReasonInvalid: It is empty, too long, not one printable line, or holds an e-mail address or a credential.
    """
    reason = text.strip()
    if not 1 <= len(reason) <= REASON_CHARS or not reason.isprintable():
        raise errors.ReasonInvalid(f"A reason is one printable line of 1 to {REASON_CHARS} characters.")
    if _PRIVATE.search(reason):
        raise errors.ReasonInvalid(
            "A reason stands on the ledger for ever and must not hold an e-mail address or a credential.",
            help="Name the account or the key by its identifier.",
        )
    return reason


def cohort_name(text: str) -> str:
    """Return a cohort's name as plans spell it.

    Raises:
        CohortInvalid: It is not one.
    """
    if _COHORT_NAME.fullmatch(text) is None:
        raise errors.CohortInvalid(
            "A cohort's name is 1 to 63 characters of a-z, 0-9, _ and -, a letter first.", help="Write it as the plan does."
        )
    return text


def seats_for(seats: int | None) -> int | None:
    """Return a number of seats; ``None`` is no bound.

    Raises:
        CohortInvalid: It is negative or absurd.
    """
    if seats is not None and not 0 <= seats <= SEATS_AT_MOST:
        raise errors.CohortInvalid(f"Seats are a count from 0 to {SEATS_AT_MOST}.")
    return seats


def terms_for(version: str | None, url: str | None) -> tuple[str | None, str | None]:
    """Return the version of some terms and where to read them.

    Raises:
        CohortInvalid: The version is not a short word, or the address is no web address, or stands without a version.
    """
    if version is not None and _TERMS_VERSION.fullmatch(version) is None:
        raise errors.CohortInvalid("A version of terms is 1 to 63 characters of A-Z, a-z, 0-9, '.', _ and -.")
    if url is not None and (version is None or not url.startswith(("https://", "http://")) or not _is_link(url)):
        raise errors.CohortInvalid("The address of the terms is an http or https address, and needs a version beside it.")
    return version, url


def scopes_for(scopes: Iterable[str]) -> frozenset[str]:
    """Return the surfaces that a key is issued for.

    Raises:
        KeyInvalid: There are none, or one is not a surface.
    """
    wanted = frozenset(scopes)
    unknown = wanted.difference(SURFACES)
    if not wanted or unknown:
        raise errors.KeyInvalid(
            "A key needs at least one scope, and every scope is a surface.", help=f"The surfaces are {listed(SURFACES)}."
        )
    return wanted


def networks_for(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks that a key may be used from, sorted and without repeats.

    Raises:
        KeyInvalid: One is not a network, has bits set behind its mask, or there are too many.
    """
    found: set[Network] = set()
    for text in texts:
        try:
            found.add(ip_network(text.strip()))
        except ValueError:
            raise errors.KeyInvalid(
                "A network is written as an address and a mask.", help="Write 192.0.2.0/24, 2001:db8::/32 or one address."
            ) from None
    if len(found) > NETWORKS_AT_MOST:
        raise errors.KeyInvalid(f"A key may name {NETWORKS_AT_MOST} networks at most.")
    return tuple(sorted(found, key=lambda network: (network.version, network.network_address.packed, network.prefixlen)))


def term_for(starts_at: datetime, ends_at: datetime, *, now: datetime) -> tuple[datetime, datetime]:
    """Return a seat's first and last instant.

    Raises:
        GrantInvalid: It ends before it starts, or has ended already, or a date has no time zone.
    """
    if starts_at.tzinfo is None or ends_at.tzinfo is None:
        raise errors.GrantInvalid("A date needs a time zone.", help="Write 2027-03-01T00:00:00Z.")
    if ends_at <= max(starts_at, now):
        raise errors.GrantInvalid("A grant must end after it starts, and in the future.")
    return starts_at, ends_at


def expiry_for(life: timedelta, *, at_most: timedelta, now: datetime, invalid: type[HeadgateError]) -> datetime:
    """Return when a credential issued now stops working.

    Raises:
        HeadgateError: Of the type ``invalid``: the span is not above zero, or longer than allowed.
    """
    if not 0 < life.total_seconds() <= at_most.total_seconds():
        raise invalid(
            f"A credential works for more than nothing and at most {at_most.days} days.", help="Write a span such as 90d."
        )
    return now + life


def _is_link(url: str) -> bool:
    return url.isascii() and url.isprintable() and not set(url) & set(" <>\"'\\")


def listed(words: Iterable[str]) -> str:
    """Return words for a sentence, sorted; ``none`` when there are none."""
    return ", ".join(sorted(words)) or "none"
