"""Signing in, confirming and managing staff, with a real browser: its own passkeys, and a real OpenID provider beside it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from browser.kit import Reader, looked_at, origin, reader, sign_in
from functional.kit import Running, running
from identity.kit import SECRET, provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

TEN_MINUTES_US = 600_000_000


def with_authenticator(somebody: Reader) -> Reader:
    """Give somebody's browser an authenticator that verifies them, as a laptop's reader of fingers does."""
    devtools = somebody.context.new_cdp_session(somebody.page)
    devtools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return somebody


def ten_minutes_pass(where: Running) -> None:
    """Let everybody's last proof that it is they be ten minutes old."""
    with closing(sqlite3.connect(where.database, timeout=20)) as connection, connection:
        connection.execute("UPDATE access_session SET verified_at_us = verified_at_us - ?", (TEN_MINUTES_US,))


def first_of(where: Running) -> str:
    return next(member["id"] for member in where.admin("GET", "/api/staff")["items"] if member["name"] == "Root")


def press(somebody: Reader, name: str) -> None:
    somebody.page.get_by_role("button", name=name).click()


def sign_out(somebody: Reader) -> None:
    somebody.page.get_by_role("button", name="Sign out", exact=True).click()


def arrives(somebody: Reader, path: str) -> None:
    somebody.page.wait_for_url(f"{somebody.at}{path}")


def test_a_passkey_is_added_signs_in_confirms_and_is_removed(root: Reader, headgate: Running) -> None:
    headgate.where.command("staff", "add", "Second", "--role", "admin")  # the only one would have to keep a last passkey
    with_authenticator(root)
    root.open("/console/me")
    assert root.page.get_by_text("You have no passkey.").is_visible()
    root.page.get_by_role("link", name="Add a passkey").click()
    looked_at(root, "passkey-new")
    root.page.get_by_label("What to call it").fill("Laptop <img src=x onerror=alert(1)>")
    press(root, "Make it")
    arrives(root, "/console/me")
    assert root.page.get_by_role("rowheader", name="Laptop <img").is_visible()
    looked_at(root, "me")

    sign_out(root)
    arrives(root, "/console/sign-in")
    assert root.page.get_by_text("You are signed out.").is_visible()
    looked_at(root, "sign-in")
    root.open("/console/me")
    press(root, "Use a passkey")
    arrives(root, "/console/me")
    assert root.page.get_by_text("by a passkey").first.is_visible()

    ten_minutes_pass(headgate)
    root.page.get_by_role("link", name="Remove Laptop").click()
    assert root.page.get_by_role("heading", name="Confirm that it is you").is_visible()
    looked_at(root, "confirm")
    press(root, "Use a passkey")
    root.page.wait_for_url("**/remove")
    looked_at(root, "passkey-remove")
    root.page.get_by_role("link", name="Keep it").click()
    root.page.get_by_role("link", name="Rename Laptop").click()
    root.page.get_by_label("What to call it").fill("Desk")
    looked_at(root, "passkey-rename")
    press(root, "Rename it")
    arrives(root, "/console/me")
    root.page.get_by_role("link", name="Remove Desk").click()
    press(root, "Remove it")
    arrives(root, "/console/me")
    assert root.page.get_by_text("You have no passkey.").is_visible()
    assert root.complaints == []


def test_a_passkey_that_nobody_added_signs_nobody_in(anybody: Reader) -> None:
    with_authenticator(anybody).open("/console/sign-in")
    press(anybody, "Use a passkey")
    anybody.page.get_by_text("No passkey was chosen").wait_for()
    assert anybody.page.get_by_role("button", name="Use a passkey").is_enabled()


def test_somebody_is_added_comes_in_by_their_link_and_is_revoked(root: Reader, browser: Browser, headgate: Running) -> None:
    root.open("/console/staff")
    looked_at(root, "staff")
    root.page.get_by_label("Name").fill("Noor <script>alert(1)</script>")
    root.page.get_by_label("safety reviewer").check()
    press(root, "Add")
    link = root.page.get_by_label("Link").input_value()
    looked_at(root, "staff-invited")
    assert "hgs_" not in root.page.content()

    noor = reader(browser, origin(headgate))
    noor.page.goto(link)
    arrives(noor, "/console/")
    assert noor.page.get_by_role("link", name="Staff").count() == 0
    refused = noor.page.goto(f"{noor.at}/console/staff")
    assert refused is not None
    assert refused.status == 403
    assert noor.page.get_by_text("staff.manage").first.is_visible()

    press_link(root, "I have copied it")
    looked_at(root, "staff-member")
    press_link(root, "Take their rights away for good")
    looked_at(root, "staff-revoke")
    root.page.get_by_label("Why").fill("left the project")
    ten_minutes_pass(headgate)
    here = root.page.url
    press(root, "Revoke Noor")
    assert root.page.get_by_role("heading", name="Nothing was done yet").is_visible()
    root.complaints.clear()  # a browser notes every page that comes with 403
    looked_at(root, "late")
    press_link(root, "Confirm that it is you")
    fresh = headgate.where.command("staff", "invite", first_of(headgate)).strip()
    looked_at(root, "confirm-by-link")
    root.page.get_by_label("A fresh sign-in link of yours").fill(fresh)
    press(root, "Confirm")
    root.page.wait_for_url(here)
    root.page.get_by_label("Why").fill("left the project")
    press(root, "Revoke Noor")
    arrives(root, "/console/staff")
    assert root.page.get_by_text("may no longer do anything here").is_visible()
    noor.open("/console/")
    assert noor.page.get_by_role("heading", name="Sign in", exact=True).is_visible()
    noor.context.close()


def press_link(somebody: Reader, name: str) -> None:
    somebody.page.get_by_role("link", name=name).click()


def test_signing_out_everywhere_ends_every_browser(root: Reader, browser: Browser, headgate: Running) -> None:
    other = sign_in(reader(browser, origin(headgate)), headgate, first_of(headgate))
    root.open("/console/me")
    press(root, "Sign out everywhere")
    arrives(root, "/console/sign-in")
    other.open("/console/me")
    assert other.page.get_by_role("heading", name="Sign in", exact=True).is_visible()
    other.context.close()


@pytest.fixture(scope="module")
def with_provider(model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A Headgate whose staff may sign in by a real provider."""
    directory = tmp_path_factory.mktemp("provider")
    (directory / "secret").write_text(f"{SECRET}\n")
    with (
        provider() as issuer,
        running(
            directory / "data",
            model,
            workers=1,
            oidc_issuer=issuer,
            oidc_client_id="headgate",
            oidc_secret_file=directory / "secret",
        ) as whole,
    ):
        yield whole


def says_there_that_they_are(somebody: Reader, name: str) -> None:
    """Sign in at the provider, and allow what it asks."""
    page = somebody.page
    page.get_by_placeholder("Enter any login").fill(name)
    page.get_by_placeholder("and password").fill("anything")
    page.get_by_role("button", name="Sign-in").click()


def test_an_account_at_a_provider_is_linked_signs_in_and_confirms(with_provider: Running, browser: Browser) -> None:
    root = sign_in(reader(browser, origin(with_provider)), with_provider, first_of(with_provider))
    root.open("/console/me")
    press(root, "Link your account at")
    says_there_that_they_are(root, "root-there")
    root.page.get_by_role("button", name="Continue").click()
    arrives(root, "/console/me")
    assert root.page.get_by_text("root-there").is_visible()
    root.complaints.clear()  # what the provider's pages ask for is theirs
    looked_at(root, "me-with-provider")

    sign_out(root)
    root.open("/console/me")
    looked_at(root, "sign-in-with-provider")
    press(root, "Go to localhost")
    arrives(root, "/console/me")

    ten_minutes_pass(with_provider)
    press_link(root, "Undo the link with")
    looked_at(root, "confirm-by-provider")
    press(root, "Go to localhost")
    says_there_that_they_are(root, "root-there")
    root.page.wait_for_url("**/unlink")
    root.complaints.clear()
    looked_at(root, "provider-unlink")
    press(root, "Undo the link")
    root.page.get_by_text("last way in of the only one who may manage staff").first.wait_for()
    root.complaints.clear()  # a browser notes every page that comes with a refusal
    with_provider.where.command("staff", "add", "Second", "--role", "admin")
    root.open("/console/me")
    press_link(root, "Undo the link with")
    press(root, "Undo the link")
    arrives(root, "/console/me")

    sign_out(root)
    press(root, "Go to localhost")
    root.page.get_by_role("alert").wait_for()
    assert "not linked with you here" in root.page.get_by_role("alert").inner_text()
    root.context.close()
