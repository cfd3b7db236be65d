"""The pages of access: finding, stopping, letting in, and a key whose text is shown once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from headgate.access.errors import KeyRevoked
from headgate.access.model import AccountState, GrantState, KeyState
from headgate.kernel.actor import Role
from headgate.kernel.ids import GrantId

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.access.model import Account, Grant, Key
    from headgate.bootstrap.wiring import House
    from headgate.kernel.actor import Actor

PAYLOAD = '<script>alert(1)</script><img src=x onerror="alert(2)">'
ENDS = "2099-01-01T00:00"


@pytest.fixture(scope="module")
def cohort(house: House, first: Actor) -> str:
    return house.access.cohorts.add("inner", seats=None, by=first).name


@pytest.fixture
def account(house: House, first: Actor) -> Account:
    return house.access.accounts.add("Ada", by=first)


@pytest.fixture
async def grant(root: Any, house: House, first: Actor, account: Account, cohort: str) -> Grant:
    await root.do(f"/access/accounts/{account.id}/grant", cohort=cohort, ends_at=ENDS)
    [found] = house.access.grants.page(account_id=account.id, by=first)
    return found


async def issue(desk: Any, grant: Grant) -> str:
    """Issue a key and return its text, as the page shows it."""
    answer = await desk.do(f"/access/grants/{grant.id}/issue", expect=200, label="mine", scopes="api.chat", life="30d")
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    found = re.search(r'id="secret"[^>]* value="([^"]+)"', answer.text)
    assert found is not None
    return found[1]


async def test_an_account_is_entered_found_and_given_a_seat(root: Any, house: House, first: Actor, cohort: str) -> None:
    organisation = house.access.organisations.add("Acme Research", by=first)
    await root.do("/access/new/account", name="Grace", email="grace@example.org", organisation=organisation.id, tier="known")
    assert "Grace" in await root.see("/access?name=gRAc")
    assert "Grace" in await root.see("/access?organisation=acme&state=active")
    assert "Grace" in await root.see(f"/access?organisation={organisation.id}")
    for query in ("name=nobody", "name=gRAc&state=closed", "organisation=org_none", "name=%25"):
        assert "No account matches" in await root.see(f"/access?{query}")
    found = await root.do("/access/find", wanted="Grace@Example.org")
    page = await root.see(found.headers["location"].removeprefix("/console"))
    assert "Acme Research" in page
    assert "grace@example.org" not in page
    missing = await root.do("/access/find", expect=400, wanted="nobody@example.org")
    assert "No account was entered with this address" in missing.text
    assert cohort in await root.see("/access/cohorts")


async def test_lists_are_paged_newest_first(root: Any, house: House, first: Actor) -> None:
    for number in range(60):
        house.access.accounts.add(f"listed {number:02}", by=first)
    page = await root.see("/access?name=listed")
    assert page.index("listed 59") < page.index("listed 10")
    assert "listed 09" not in page
    after = re.search(r'href="/console/access\?([^"]+after=[^"]+)"', page)
    assert after is not None
    older = await root.see(f"/access?{after[1].replace('&amp;', '&')}")
    assert "listed 09" in older
    assert "listed 10" not in older


async def test_a_key_is_issued_once_used_and_revoked(root: Any, house: House, first: Actor, grant: Grant) -> None:
    secret = await issue(root, grant)
    holder = house.access.authenticate(secret, "127.0.0.1", house.clock.now())
    assert holder.grant.id == grant.id
    for path in (
        f"/access/grants/{grant.id}",
        f"/access/keys/{holder.key.id}",
        f"/access/accounts/{grant.account_id}",
        "/ledger",
    ):
        assert secret not in await root.see(path)
    await root.do(f"/access/keys/{holder.key.id}/revoke", reason="No longer needed")
    with pytest.raises(KeyRevoked):
        house.access.authenticate(secret, "127.0.0.1", house.clock.now())
    assert "No longer needed" in await root.see(f"/access/keys/{holder.key.id}")


async def test_a_key_is_replaced_with_an_overlap(root: Any, house: House, first: Actor, grant: Grant) -> None:
    old = house.access.identify(await issue(root, grant)).key
    answer = await root.do(f"/access/keys/{old.id}/rotate", expect=200, overlap="1h", life="30d")
    found = re.search(r'id="secret"[^>]* value="([^"]+)"', answer.text)
    assert found is not None
    assert house.access.identify(found[1]).key.id != old.id
    seen: Key = house.access.keys.get(old.id, by=first)
    assert seen.state is KeyState.ROTATING
    again = await root.do(f"/access/keys/{old.id}/rotate", expect=400, overlap="1h", life="30d")
    assert 'role="alert"' in again.text


async def test_a_grant_is_limited_paused_resumed_and_ended(root: Any, house: House, first: Actor, grant: Grant) -> None:
    at = f"/access/grants/{grant.id}"

    def stands() -> Grant:
        return house.access.grants.get(GrantId(grant.id), by=first)

    await root.do(f"{at}/limit", percent="25", reason="Too fast")
    assert (stands().state, stands().limited_to_percent) == (GrantState.LIMITED, 25)
    refused = await root.do(f"{at}/limit", expect=400, percent="many", reason="Too fast")
    assert "whole number of per cent" in refused.text
    await root.do(f"{at}/pause", reason="Looking into it")
    assert stands().state is GrantState.PAUSED
    assert "Give the whole quota back" in await root.see(f"{at}/more")
    await root.do(f"{at}/resume", reason="Looked into it")
    await root.do(f"{at}/unlimit", reason="Looked into it")
    assert (stands().state, stands().limited_to_percent) == (GrantState.ACTIVE, 100)
    await root.do(f"{at}/end", reason="Done")
    assert stands().state is GrantState.ENDED
    assert "Stop it" not in await root.see(at)


async def test_an_account_is_suspended_from_its_page_and_let_back_in_from_another(
    root: Any, house: House, first: Actor, account: Account
) -> None:
    at = f"/access/accounts/{account.id}"
    own = await root.see(at)
    assert "/suspend" in own
    assert "/reinstate" not in own
    unsaid = await root.do(f"{at}/suspend", expect=400, reason="")
    assert 'role="alert"' in unsaid.text
    await root.do(f"{at}/suspend", reason="A report")
    assert house.access.accounts.get(account.id, by=first).state is AccountState.SUSPENDED
    assert "/suspend" not in await root.see(f"{at}/more")
    await root.do(f"{at}/reinstate", reason="It was another")
    await root.do(f"{at}/close", reason="They left")
    assert house.access.accounts.get(account.id, by=first).state is AccountState.CLOSED
    history = await root.see(at)
    assert [reason in history for reason in ("A report", "It was another", "They left")] == [True] * 3


async def test_what_an_account_says_of_itself_is_written_down(root: Any, house: House, first: Actor, account: Account) -> None:
    await root.do(f"/access/accounts/{account.id}/declare", language="fr", use_case="support")
    described = house.access.accounts.describe([account.id], by=first)[account.id].declared
    assert (described.language, described.use_case, described.country) == ("fr", "support", None)


async def test_a_cohort_is_frozen_changed_and_given_terms(root: Any, house: House, first: Actor) -> None:
    await root.do("/access/new/cohort", name="second", seats="3")
    await root.do("/access/cohorts/second/freeze")
    await root.do("/access/cohorts/second/change", seats="", state="open")
    await root.do("/access/cohorts/second/terms", version="v1", url="https://example.org/terms", grace="7d")
    cohort = house.access.cohorts.get("second", by=first).cohort
    assert (cohort.seats, cohort.state.value, cohort.terms_version) == (None, "open", "v1")
    wrong = await root.do("/access/cohorts/second/terms", expect=400, version="v2", grace="soon")
    assert "not a span of time" in wrong.text


async def test_an_organisation_is_suspended_and_let_back_in(root: Any, house: House, first: Actor) -> None:
    organisation = house.access.organisations.add("Initech", by=first)
    at = f"/access/organisations/{organisation.id}"
    await root.do(f"{at}/suspend", reason="A court order")
    assert "A court order" in await root.see(at)
    await root.do(f"{at}/reinstate", reason="It was lifted")
    assert "active" in await root.see(at)


async def test_names_are_text(root: Any, house: House, first: Actor, cohort: str) -> None:
    organisation = house.access.organisations.add(PAYLOAD, by=first)
    account = house.access.accounts.add(PAYLOAD, organisation_id=organisation.id, by=first)
    ends = house.clock.now().replace(year=2099)
    grant = house.access.grants.add(account.id, cohort, ends_at=ends, by=first)
    key = house.access.keys.add(grant.id, scopes=["api.chat"], label=PAYLOAD, by=first).of
    for path in (
        "/access",
        "/access/organisations",
        f"/access/accounts/{account.id}",
        f"/access/organisations/{organisation.id}",
        f"/access/grants/{grant.id}",
        f"/access/keys/{key.id}",
    ):
        page = await root.see(path)
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;" in page


async def test_who_may_only_look_is_offered_nothing_and_refused_everything(
    seat: Callable[..., Any], account: Account, grant: Grant
) -> None:
    auditor = seat(Role.AUDITOR)
    page = await auditor.see(f"/access/accounts/{account.id}")
    assert "You may not" in page
    assert '<button class="danger">' not in page
    await auditor.do(f"/access/accounts/{account.id}/suspend", expect=403, reason="x")
    await auditor.do(f"/access/grants/{grant.id}/issue", expect=403, label="x", scopes="api.chat")
    await auditor.see(f"/access/accounts/{account.id}/more", expect=403)
    security = seat(Role.SECURITY)
    await security.do(f"/access/grants/{grant.id}/pause", reason="Who may stop may stop")
    await security.do(f"/access/grants/{grant.id}/resume", expect=403, reason="and not let back in")


@pytest.mark.parametrize("kind", ["accounts", "organisations", "cohorts", "grants", "keys"])
async def test_what_is_not_there_is_not_found(root: Any, kind: str) -> None:
    await root.see(f"/access/{kind}/nothing", expect=404)
