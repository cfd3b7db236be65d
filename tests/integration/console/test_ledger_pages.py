"""The ledger's pages: found, paged, shown as text, proved and taken away."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from headgate.kernel.actor import Role
from headgate.ledger.decide import merkle
from headgate.ledger.model import Entry, Sought
from headgate.ledger.store import SqlLedger
from headgate.ledger.wire import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from headgate.bootstrap.wiring import House

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAYLOAD = '<script>alert(1)</script><img src=x onerror="alert(2)">'
MANY = 120


@pytest.fixture(scope="module", autouse=True)
def entries(house: House) -> None:
    """Enough entries for three pages, one of them with markup in everything that people write."""
    with SqlLedger(house.engine).writing() as view:
        for number in range(MANY):
            view.append(Entry("grant.revoked", f"gr_{number}", "stf_1", NOON, {"reason": f"reason {number}"}))
        view.append(Entry("grant.paused", PAYLOAD, PAYLOAD, NOON, {"reason": PAYLOAD, "more": {"deep": PAYLOAD}}))


async def test_entries_are_shown_newest_first_and_paged(root: Any) -> None:
    page = await root.see("/ledger?kind=grant.revoked")
    assert "reason 119" in page
    assert "reason 70" in page
    assert "reason 69<" not in page
    before = page.split("before=")[1].split('"')[0]
    second = await root.see(f"/ledger?kind=grant.revoked&before={before}")
    assert "reason 69<" in second
    assert "reason 70<" not in second
    assert "Newest" in second


@pytest.mark.parametrize("query", ["since=never", "until=31-02-2026", "before=-1", "before=x", f"before={10**30}"])
async def test_what_cannot_be_read_is_said_in_the_page(root: Any, query: str) -> None:
    assert 'data-kind="bad"' in await root.see(f"/ledger?{query}", expect=400)


async def test_a_time_finds_what_was_written_within_it(root: Any) -> None:
    assert "reason 3<" in await root.see("/ledger?kind=grant&since=2026-03-01T12:00&until=2026-03-01T12:01&before=20")
    assert "No entry matches" in await root.see("/ledger?kind=grant&until=2026-03-01T12:00")


async def test_markup_in_an_entry_is_text(root: Any, house: House) -> None:
    seq = house.ledger.newest(Sought(kind="grant.paused"))[0].seq
    for path in ("/ledger", f"/ledger/{seq}"):
        page = await root.see(path)
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


async def test_a_proof_is_handed_out_with_a_checkpoint_of_its_very_tree(root: Any, house: House) -> None:
    await root.do("/ledger/checkpoint")
    told = (await root.http.get("/console/ledger/5/proof", headers={"accept": "application/json"})).json()
    head, _ = checkpoint.opened(told["checkpoint"], [house.ledger.key])
    assert (head.size, base64.b64encode(head.root).decode()) == (told["tree"]["size"], told["tree"]["root"])
    path = [base64.b64decode(value) for value in told["path"]]
    assert merkle.verify_inclusion(merkle.leaf_hash(told["leaf"].encode()), 4, head.size, path, head.root)


@pytest.mark.parametrize("path", ["/ledger/0", "/ledger/999999", f"/ledger/{10**30}", "/ledger/0/proof"])
async def test_an_entry_that_is_not_there_is_not_found(root: Any, path: str) -> None:
    await root.see(path, expect=404)


@pytest.mark.parametrize("query", ["", "?from=1", "?from=5&to=2", "?from=x&to=y", f"?from=1&to={10**40}"])
async def test_a_consistency_proof_needs_two_sizes_in_order(root: Any, query: str) -> None:
    await root.see(f"/ledger/consistency{query}", expect=400)


async def test_the_export_can_be_checked_by_anybody(root: Any, house: House) -> None:
    lines = (await root.do("/ledger/export", expect=200)).text.splitlines()
    manifest, *rest = map(json.loads, lines)
    head, _ = checkpoint.opened(manifest["checkpoint"], [house.ledger.key])
    assert len(rest) == head.size
    for each in rest:
        path = [base64.b64decode(value) for value in each["path"]]
        leaf = merkle.leaf_hash(each["leaf"].encode())
        assert merkle.verify_inclusion(leaf, each["seq"] - 1, head.size, path, head.root)


async def test_who_may_look_may_read_the_ledger(seat: Callable[..., Any]) -> None:
    assert "Ledger" in await seat(Role.AUDITOR).see("/ledger")
