"""The pages of plans: every remark at its line, what would widen, carrying out exactly what was looked at, and playing it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from headgate.kernel.actor import Role
from headgate.releases.model.release import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.bootstrap.wiring import House
    from headgate.kernel.actor import Actor

EXAMPLES = Path(__file__).parents[3] / "examples"
STARTER = (EXAMPLES / "starter.yaml").read_text()
PAYLOAD = '<script>alert(1)</script><img src=x onerror="alert(2)">'


async def handed_in(desk: Any, text: str) -> str:
    """Hand a text in and return where it is looked at."""
    response = await desk.do("/plans/drafts", text=text)
    return response.headers["location"].removeprefix("/console")


async def ended(desk: Any, *, within_s: float) -> None:
    """Wait until nothing is being played for somebody."""
    for _ in range(round(within_s / 0.1)):
        if (await desk.http.get("/console/plans/progress")).json()["state"] != "under_way":
            return
        await anyio.sleep(0.1)
    raise AssertionError("it goes on and on")


async def test_every_remark_stands_at_its_line(root: Any) -> None:
    broken = STARTER.replace("end_state:", "endstate:")
    line = next(number for number, text in enumerate(broken.splitlines(), 1) if text.startswith("endstate:"))
    page = await root.see(await handed_in(root, broken))
    assert "It cannot be carried out yet" in page
    marked = re.search(rf'id="line-{line}" data-level="error".*?<mark>endstate</mark>', page)
    assert marked is not None
    assert "carry it out" not in page.lower().split("it cannot be carried out yet")[1]


@pytest.mark.parametrize("text", ["\x00\x01", "a: [", "- 1\n- 2", PAYLOAD, "kind: ReleasePlan\nname: " + PAYLOAD, "é" * 5000])
async def test_any_text_is_answered_with_remarks_and_as_text(root: Any, text: str) -> None:
    page = await root.see(await handed_in(root, text))
    assert "error" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page


async def test_an_empty_or_endless_text_is_refused_in_the_page(root: Any) -> None:
    for text in ("", "   ", "# " + "x" * 1_000_000):
        answer = await root.do("/plans/drafts", expect=400, text=text)
        assert 'role="alert"' in answer.text


async def test_a_file_is_read_byte_by_byte(root: Any) -> None:
    answer = await root.do("/plans/drafts", files={"file": ("<b>mine</b>.yaml", b"\xff\xfe broken")})
    page = await root.see(answer.headers["location"].removeprefix("/console"))
    assert "&lt;b&gt;mine&lt;/b&gt;.yaml" in page
    assert "It cannot be carried out yet" in page


async def test_a_long_text_is_shown_around_its_remarks(root: Any) -> None:
    text = STARTER + "\n" * 3000 + "nonsense: 1\n"
    page = await root.see(await handed_in(root, text))
    assert "lines without a remark" in page
    assert page.count('class="line"') < 200
    assert "nonsense" in page


async def test_what_was_looked_at_is_carried_out_and_compared_afterwards(root: Any, house: House, first: Actor) -> None:
    at = await handed_in(root, STARTER)
    preview = await root.see(f"{at}/apply")
    token = re.search(r'name="token" value="([^"]+)"', preview)
    assert token is not None
    gone = await root.do(f"{at}/apply", token=token[1], when="now")
    [release] = house.releases.list(by=first)
    assert gone.headers["location"] == f"/console/releases/{release.id}"
    assert release.state is State.LIVE
    assert release.author == root.actor.id

    seats = re.search(r"seats: (\d+)", STARTER)
    assert seats is not None
    wider = STARTER.replace(seats[0], f"seats: {int(seats[1]) + 5}", 1)
    page = await root.see(await handed_in(root, wider))
    assert 'data-effect="widening"' in page
    assert "1 widening" in page
    listed = await root.see("/plans")
    assert f"/console/plans/under-way/{release.id}" in listed
    assert "revision 1" in await root.see(f"/plans/under-way/{release.id}")

    stale = await root.do(f"{at}/apply", expect=409, token="sha256:0", when="now")
    assert "moved since the difference was shown" in stale.text


async def test_who_may_not_apply_may_look_and_play_only(seat: Callable[..., Any]) -> None:
    reviewer = seat(Role.SAFETY_REVIEWER)
    at = await handed_in(reviewer, STARTER)
    assert "Play it" in await reviewer.see(at)
    await reviewer.see(f"{at}/apply", expect=403)
    await reviewer.do(f"{at}/apply", expect=403, token="", when="now")


async def test_a_draft_that_nobody_handed_in_is_not_found(root: Any) -> None:
    for path in ("/plans/drafts/0000", "/plans/drafts/0000/simulate", "/plans/drafts/0000/apply", "/plans/under-way/rel_1"):
        await root.see(path, expect=404)


async def test_the_schema_can_be_taken_away(root: Any) -> None:
    answer = await root.http.get("/console/plans/schema.json")
    assert answer.json()["$schema"].startswith("https://json-schema.org/")


async def test_a_plan_is_played_beside_the_house(root: Any, seat: Callable[..., Any]) -> None:
    demo = (EXAMPLES / "demo.yaml").read_text()
    at = await handed_in(root, demo)
    refused = await root.do(f"{at}/simulate", expect=400, runs="1000000")
    assert "from 1 to 2000" in refused.text
    await root.do(f"{at}/simulate", runs="8", seed="3")
    assert "Being played" in await root.see(f"{at}/simulate")
    other = await seat(Role.AUDITOR).do(f"{at}/simulate", expect=400, runs="8")
    assert "A plan is being played already" in other.text
    await ended(root, within_s=60)
    page = await root.see(f"{at}/simulate")
    assert "What became of it" in page
    assert "8 plays, seed 3" in page
    assert "Taken for granted" in page


async def test_playing_can_be_ended_by_who_began_it(root: Any, seat: Callable[..., Any]) -> None:
    at = await handed_in(root, (EXAMPLES / "demo.yaml").read_text())
    await root.do(f"{at}/simulate", runs="2000")
    await seat(Role.AUDITOR).do(f"{at}/simulate/end")
    assert (await root.http.get("/console/plans/progress")).json()["state"] == "under_way"
    await root.do(f"{at}/simulate/end")
    await ended(root, within_s=10)
    assert "There is no result" in await root.see(f"{at}/simulate")
