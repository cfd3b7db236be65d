"""The releases side by side, as a member of staff meets them after signing in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from browser.kit import looked_at

if TYPE_CHECKING:
    from browser.kit import Reader


def test_a_link_signs_in_and_shows_what_is_under_way(root: Reader) -> None:
    root.open("/console/")
    assert root.page.get_by_role("heading", name="small-model").is_visible()
    assert "#" not in root.page.url
    looked_at(root, "releases")


def test_who_is_not_signed_in_is_asked_to(anybody: Reader) -> None:
    anybody.open("/console/")
    assert anybody.page.get_by_role("heading", name="Sign in").is_visible()
    looked_at(anybody, "sign-in")
