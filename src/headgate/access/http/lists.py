"""Lists over HTTP: in the order of their identifiers, a page at a time."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from fastapi import Query

from headgate.access.model import Page

Listed: TypeAlias = dict[str, Any]

NO_STORE = {"cache-control": "no-store"}
"""What an answer carries that holds a credential."""


def page_of(
    after: Annotated[str, Query(description="The last identifier of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=1000, description="How many at most.")] = 100,
) -> Page:
    """Return the page that a query asks for."""
    return Page(after, limit)


def pages(items: list[dict[str, Any]], page: Page) -> Listed:
    """Return a page and where the next one starts; ``next_after`` is null on the last."""
    last = items[-1] if len(items) == page.limit else {}
    return {"items": items, "next_after": last.get("id", last.get("name"))}
