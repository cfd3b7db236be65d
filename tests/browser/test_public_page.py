"""The public release page: what anybody sees, what is left out with its reason, and the feeds behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import httpx

from browser.kit import looked_at

if TYPE_CHECKING:
    from browser.kit import Reader
    from functional.kit import Running


def test_anybody_reads_where_a_release_stands(anybody: Reader, headgate: Running) -> None:
    page = anybody.open("/release")
    page.get_by_role("link", name=headgate.model).click()
    assert page.get_by_text("LIVE", exact=True).is_visible()
    assert page.get_by_text("Left out: small numbers could be told apart").is_visible()
    assert page.get_by_role("heading", name="Not shown", exact=True).is_visible()
    assert not page.get_by_text("of 2 accounts").is_visible()
    looked_at(anybody, "public-release")
    assert anybody.context.cookies() == []


def test_the_feeds_say_what_the_page_says_and_may_be_cached(headgate: Running) -> None:
    url = headgate.where.url
    told = httpx.get(f"{url}/release/json/{headgate.model}")
    feed = told.json()
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert (feed["_headgate"]["state"], feed["_headgate"]["exposure"]) == ("live", None)
    assert feed["_headgate"]["left_out"] == {"exposure": "small numbers could be told apart"}
    assert "public" in told.headers["cache-control"]
    assert "set-cookie" not in told.headers
    again = httpx.get(f"{url}/release/json/{headgate.model}", headers={"if-none-match": told.headers["etag"]})
    assert again.status_code == 304
    atom = ET.fromstring(httpx.get(f"{url}/release/atom/{headgate.model}").text)
    titles = [entry.findtext("{http://www.w3.org/2005/Atom}title") for entry in atom.iter("{http://www.w3.org/2005/Atom}entry")]
    assert titles == [item["title"] for item in feed["items"]]
    assert titles[-1] == f"{headgate.model} opened"


def test_what_is_not_published_is_not_found_whatever_it_is_called(headgate: Running) -> None:
    for path in ("nothing", "json/nothing", "atom/nothing", "%2e%2e/%2e%2e/etc/passwd", "<script>", "small-model%00"):
        assert httpx.get(f"{headgate.where.url}/release/{path}").status_code == 404, path
