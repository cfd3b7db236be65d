"""The ledger as a reader who trusts nobody meets it: their own browser proves each entry, and names what was changed."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from browser.kit import looked_at
from headgate.ledger.decide import merkle

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from browser.kit import Reader

SIZES = (1, 2, 3, 5, 8, 13)

_PUT = "([id, text]) => { document.getElementById(id).textContent = text; }"
_EVERY_PROOF = """
async ({ script, trees }) => {
  const { rootOf, isPrefix, bytes, same } = await import(script);
  const wrong = [];
  for (const { leaves, size, root, paths, prefixes } of trees) {
    for (const [index, path] of paths.entries()) {
      const found = await rootOf(bytes(leaves[index]), index, size, path.map(bytes));
      if (!same(found, bytes(root))) wrong.push(`entry ${index} of ${size}`);
      const forged = await rootOf(bytes(leaves[(index + 1) % size]), index, size, path.map(bytes));
      if (size > 1 && same(forged, bytes(root))) wrong.push(`another entry as ${index} of ${size}`);
    }
    for (const { first, earlier, path } of prefixes) {
      if (!await isPrefix(first, size, path.map(bytes), bytes(earlier), bytes(root))) wrong.push(`${first} of ${size}`);
      const other = await isPrefix(first, size, path.map(bytes), bytes(leaves[0]), bytes(root));
      if (first > 1 && other) wrong.push(`another ${first} of ${size}`);
    }
  }
  return wrong;
}
"""


def spelled(value: bytes) -> str:
    return base64.b64encode(value).decode()


def trees() -> list[dict[str, Any]]:
    """Return small trees with every proof that can be asked of them, as Headgate makes them."""
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(max(SIZES))]
    nodes: dict[merkle.Node, bytes] = {}
    for size, leaf in enumerate(leaves):
        nodes |= merkle.grown(size, leaf, nodes)
    return [
        {
            "leaves": [spelled(leaf) for leaf in leaves[:size]],
            "size": size,
            "root": spelled(merkle.root(size, nodes)),
            "paths": [
                [spelled(value) for value in merkle.proof(merkle.inclusion_nodes(index, size), nodes)] for index in range(size)
            ],
            "prefixes": [
                {
                    "first": first,
                    "earlier": spelled(merkle.root(first, nodes)),
                    "path": [spelled(value) for value in merkle.proof(merkle.consistency_nodes(first, size), nodes)],
                }
                for first in range(size + 1)
            ],
        }
        for size in SIZES
    ]


def verdict(page: Page) -> str:
    told = page.locator("#proof-verdict")
    expect(told).to_have_attribute("data-kind", re.compile("good|warn|bad"))
    return told.inner_text()


def test_every_proof_of_small_trees_holds_in_the_browser(root: Reader) -> None:
    page = root.open("/console/ledger")
    script = page.evaluate("document.querySelector('script[src*=\"console/ledger.js\"]').src").replace("ledger.js", "merkle.js")
    assert page.evaluate(_EVERY_PROOF, {"script": script, "trees": trees()}) == []


def test_an_entry_is_proved_and_a_changed_byte_is_named(root: Reader) -> None:
    page = root.open("/console/ledger")
    page.get_by_role("button", name="Sign the present state").click()
    page.get_by_label("Kind").fill("release")
    page.get_by_role("button", name="Find").click()
    page.locator("tbody a").first.click()
    assert verdict(page).startswith("Proved: this entry is in the ledger")
    looked_at(root, "ledger-entry")
    leaf = page.locator("#leaf").text_content() or ""
    at = leaf.index('"kind"') + 1

    changes = {
        "leaf": ("leaf", leaf[:at] + "l" + leaf[at + 1 :], f"The entry on this page differs from the ledger's at byte {at + 1}"),
        "checkpoint": ("checkpoint", None, "The signed checkpoint is of another tree"),
    }
    for what, (element, text, named) in changes.items():
        now = text or (page.locator(f"#{element}").text_content() or "").replace("\n", "\n1", 1)
        before = page.locator(f"#{element}").text_content()
        page.evaluate(_PUT, [element, now])
        page.get_by_role("button", name="Check again").click()
        said = verdict(page)
        assert said.startswith("NOT proved."), what
        assert named in said
        page.evaluate(_PUT, [element, before])
    page.evaluate("document.querySelector('#path code').textContent = document.getElementById('root').textContent")
    page.get_by_role("button", name="Check again").click()
    assert "The hash 1 of the path on this page differs from the ledger's at byte 1." in verdict(page)


def test_a_ledger_is_held_to_what_this_browser_saw_last_time(root: Reader) -> None:
    page = root.open("/console/ledger")
    told = page.locator("#since-last-time")
    page.get_by_role("button", name="Sign the present state").click()
    expect(told).to_contain_text(re.compile("has now noted|Since"))
    note = page.locator("#checkpoint").text_content() or ""
    page.reload()
    expect(told).to_have_attribute("data-kind", "good")
    looked_at(root, "ledger")

    seen = page.evaluate("localStorage.getItem('headgate.ledger')")
    forged = json.loads(seen)
    lines = note.split("\n")
    lines[2] = spelled(merkle.leaf_hash(b"another history"))
    forged["note"] = "\n".join(lines)
    page.evaluate("seen => localStorage.setItem('headgate.ledger', seen)", json.dumps(forged))
    page.reload()
    expect(told).to_have_attribute("data-kind", "bad")
    assert "somebody changed it" in told.inner_text()
    assert page.evaluate("localStorage.getItem('headgate.ledger')") == json.dumps(forged), "what failed replaces nothing"

    page.get_by_text("Compare with a checkpoint").click()
    page.get_by_label("A signed checkpoint of this ledger").fill(note)
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("#compared")).to_have_attribute("data-kind", "good")
    page.get_by_label("A signed checkpoint of this ledger").fill("not a checkpoint")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("#compared")).to_have_attribute("data-kind", "bad")


@pytest.mark.parametrize("name", ["export", "checkpoint"])
def test_the_ledger_can_be_taken_away(root: Reader, name: str) -> None:
    page = root.open("/console/ledger")
    page.get_by_role("button", name="Sign the present state").click()
    with page.expect_download() as started:
        if name == "export":
            page.get_by_role("button", name="Download all entries with proofs").click()
        else:
            page.get_by_role("link", name="Download the checkpoint").click()
    first = started.value.path().read_text().splitlines()[0]
    assert json.loads(first)["size"] > 0 if name == "export" else first == "headgate"
