"""A coroutine begun outside of any task, and ended in one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.kernel.eager import Begun

if TYPE_CHECKING:
    from collections.abc import Sequence


async def steps(waits: Sequence[bool], seen: list[int]) -> str:
    """Return after so many steps, each of which waits or does not."""
    for number, waiting in enumerate(waits):
        if waiting:
            await asyncio.sleep(0.0001)
        seen.append(number)
    return "the end"


@given(st.lists(st.booleans(), max_size=6))
def test_it_runs_at_once_as_far_as_it_can_and_no_step_is_lost_or_taken_twice(waits: list[bool]) -> None:
    async def main() -> None:
        seen: list[int] = []
        begun = Begun(steps(waits, seen))
        assert seen == list(range(waits.index(True) if True in waits else len(waits)))
        assert begun.returned == (True not in waits)
        assert await begun == "the end"
        assert seen == list(range(len(waits)))

    asyncio.run(main())


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after a wait"])
def test_an_error_is_told_to_whoever_awaits_it(waits: bool) -> None:
    async def fails() -> None:
        if waits:
            await asyncio.sleep(0)
        raise LookupError

    async def main() -> None:
        begun = Begun(fails())
        assert not begun.returned
        with pytest.raises(LookupError):
            await begun

    asyncio.run(main())


def test_what_cancels_the_task_cancels_what_it_waits_for() -> None:
    heard: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            heard.append("cancelled")
            await asyncio.sleep(0)
            heard.append("and tidied up")
            raise

    async def main() -> None:
        begun = Begun(waits())

        async def go_on() -> None:
            await begun

        task = asyncio.create_task(go_on())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert heard == ["cancelled", "and tidied up"]


def test_what_is_given_up_stands_still_and_tidies_up() -> None:
    heard: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            heard.append("tidied up")

    async def main() -> None:
        Begun(waits()).close()

    asyncio.run(main())
    assert heard == ["tidied up"]
