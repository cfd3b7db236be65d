"""Somebody is let in, uses a key that was shown once, and is stopped, all from pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from browser.kit import looked_at

if TYPE_CHECKING:
    from browser.kit import Reader
    from functional.kit import Running

NAME = '<img src=x onerror="document.title = 1"> Ada'


def asked(headgate: Running, key: str) -> int:
    """Ask the model with a key and return the status."""
    body = {"model": headgate.model, "max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"authorization": f"Bearer {key}"}
    answer = httpx.post(f"{headgate.where.url}/v1/chat/completions", json=body, headers=headers, timeout=30, trust_env=False)
    return answer.status_code


def test_a_key_is_issued_used_and_revoked(root: Reader, headgate: Running) -> None:
    page = root.open("/console/access/new")
    looked_at(root, "access-new")
    page.locator("#account-name").fill(NAME)
    page.locator("#account-email").fill("ada@example.org")
    page.get_by_role("button", name="Enter this account").click()
    looked_at(root, "access")
    page.get_by_role("link", name=NAME).first.click()
    page.get_by_role("link", name="Let it in further").click()
    page.get_by_label("Cohort").select_option("inner")
    page.get_by_role("button", name="Give it this seat").click()
    looked_at(root, "access-account")
    page.locator("table a[href*='/access/grants/']").first.click()
    page.get_by_role("link", name="Issue a key").click()
    page.get_by_label("api.chat").check()
    page.get_by_role("button", name="Issue this key").click()
    key = page.locator("#secret").input_value()
    assert key not in page.url
    looked_at(root, "access-key-issued")
    assert asked(headgate, key) == 200

    page.get_by_role("link", name="Done").click()
    assert key not in page.content()
    looked_at(root, "access-grant")
    page.locator("table a[href*='/access/keys/']").first.click()
    page.get_by_label("Reason").fill("It was only a try")
    page.get_by_role("button", name="Revoke this key").click()
    assert page.get_by_text("The key is revoked.").is_visible()
    assert asked(headgate, key) == 403
    looked_at(root, "access-key")
    assert page.title() != "1"
