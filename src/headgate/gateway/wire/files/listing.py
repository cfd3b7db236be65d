"""Pages of what an account has: which of its objects a page shows, and the page itself in the upstream's own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from headgate.gateway.errors import WrongType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.gateway.model import StoredObject

MOST = 100
"""Most objects on one page, whatever is asked for; the rest are on the next."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a page is asked for with.

    Attributes:
        after: The last object of the page before.
        limit: How many objects it may show.
        oldest_first: Whether they come in the order in which they were made.
        purpose: Only files of this purpose, where one is named.
    """

    after: str | None
    limit: int
    oldest_first: bool
    purpose: str | None


def read_query(query_string: bytes, *, usual: int) -> Query:
    """Read a page's query.

    Args:
        query_string: What stands behind the path's question mark.
        usual: How many objects are shown where nobody says.

    Raises:
        WrongType: A parameter is not what it should be.
    """
    given = {key: values[-1] for key, values in parse_qs(query_string.decode("latin-1")).items()}
    limit = given.get("limit", str(usual))
    if not (limit.isascii() and limit.isdecimal()) or len(limit) > 9 or int(limit) < 1:  # noqa: PLR2004 - a sane number
        raise WrongType("limit must be a whole number, at least 1.", param="limit")
    if given.get("order", "desc") not in ("asc", "desc"):
        raise WrongType("order must be asc or desc.", param="order")
    return Query(given.get("after"), min(MOST, int(limit)), given.get("order") == "asc", given.get("purpose"))


def page_of(owned: Sequence[StoredObject], query: Query) -> tuple[list[StoredObject], bool]:
    """Return the objects of a page, and whether there are more after it.

    Args:
        owned: What the account has, newest first.
        query: Which page.

    Raises:
        WrongType: The page before ended with something that the account does not have.
    """
    found = [stored for stored in owned if query.purpose is None or stored.detail.get("purpose") == query.purpose]
    if query.oldest_first:
        found.reverse()
    start = 0
    if query.after is not None:
        start = next((index for index, stored in enumerate(found, 1) if stored.id == query.after), -1)
        if start < 0:
            raise WrongType("after names nothing that you have.", param="after")
    return found[start : start + query.limit], len(found) > start + query.limit


def listed(shown: Sequence[tuple[str, bytes]], *, more: bool) -> bytes:
    """Return a page: each object as its upstream wrote it.

    Args:
        shown: Identifiers and objects, in order.
        more: Whether another page follows.
    """
    data = b",".join(body.strip() for _, body in shown)
    first, last = (b'"%b"' % shown[0][0].encode(), b'"%b"' % shown[-1][0].encode()) if shown else (b"null", b"null")
    head = b'{"object":"list","data":[%b],"first_id":%b,"last_id":%b,"has_more":%b}'
    return head % (data, first, last, b"true" if more else b"false")
