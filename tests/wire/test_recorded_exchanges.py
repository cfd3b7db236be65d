"""Exchanges of real model servers, replayed: what a client receives through Headgate is what it would receive directly."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from headgate.gateway.http.app import _SURFACES
from wire.recorded_requests import exchanges, surfaces
from wire.replaying_kit import body_wrong, coded_wrong, fetch_all, headers_wrong, replaying, sent_wrongly, settled_wrongly, unseen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wire.replaying_kit import Fetched

SPLICED = "vercel-ai/anthropic__src____fixtures____anthropic-tool-search-deferred-bm25.chunks.txt#0"
"""Three answers that somebody put into one."""


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> list[Fetched]:
    played = [exchange for exchange in exchanges() if exchange.recorded.name != SPLICED]
    with replaying(tmp_path_factory.mktemp("recorded") / "limits.db", played) as served:
        return asyncio.run(fetch_all(served, played))


def assert_right(fetched: list[Fetched], wrong: Callable[[Fetched], str]) -> None:
    found = [f"{one.name}: {why}" for one in fetched if (why := wrong(one))]
    assert not found, f"{len(found)} of {len(fetched)}:\n" + "\n".join(found[:12])


def test_every_surface_that_is_described_is_served() -> None:
    assert {surface.path for surface in _SURFACES.values()} == surfaces().keys()


def test_every_answer_arrives_byte_for_byte(fetched: list[Fetched]) -> None:
    assert_right(fetched, body_wrong)


def test_every_header_arrives_but_those_of_the_connection(fetched: list[Fetched]) -> None:
    assert_right(fetched, headers_wrong)


def test_every_exchange_is_settled_to_what_the_answer_says(fetched: list[Fetched]) -> None:
    assert_right(fetched, settled_wrongly)


def test_the_output_screen_sees_every_text(fetched: list[Fetched]) -> None:
    assert_right(fetched, unseen)


def test_every_request_goes_up_with_nothing_changed_but_the_models_name(fetched: list[Fetched]) -> None:
    assert_right(fetched, sent_wrongly)


def test_only_a_few_answers_are_not_passed_on(fetched: list[Fetched]) -> None:
    """Refusals of Headgate's own credential, and what is not JSON."""
    assert [one.direct.status for one in fetched if not one.passes].count(401) == 16
    assert len([one for one in fetched if not one.passes]) == 19


def test_what_a_server_compresses_unasked_is_read_all_the_same(tmp_path: Path) -> None:
    """Whole answers pass as they came, still compressed; of a stream the compression is taken off."""
    played = [exchange for exchange in exchanges() if exchange.recorded.coded and exchange.recorded.status == 200]
    with replaying(tmp_path / "limits.db", played, coded=True) as served:
        fetched = asyncio.run(fetch_all(served, played))

    assert len(fetched) > 100
    assert_right(fetched, coded_wrong)
    assert_right(fetched, unseen)
