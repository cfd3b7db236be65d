"""Every published path has a name, and what has none is not a way in."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import anthropic
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.wire.audio import SPEECH, TRANSCRIPTIONS, TRANSLATIONS
from headgate.gateway.wire.chat import CHAT
from headgate.gateway.wire.completions import COMPLETIONS
from headgate.gateway.wire.embeddings import EMBEDDINGS
from headgate.gateway.wire.images import IMAGE_EDITS, IMAGE_GENERATIONS, IMAGE_VARIATIONS
from headgate.gateway.wire.messages import COUNT_TOKENS, MESSAGES
from headgate.gateway.wire.moderations import MODERATIONS
from headgate.gateway.wire.paths import Way, find, onward_query, turned_away
from headgate.gateway.wire.responses import RESPONSES
from headgate.releases.model.words import SERVED_SURFACES, Surface

if TYPE_CHECKING:
    from types import ModuleType

SURFACES = [
    *[CHAT, COMPLETIONS, EMBEDDINGS, MODERATIONS, IMAGE_GENERATIONS, IMAGE_EDITS, IMAGE_VARIATIONS],
    *[SPEECH, TRANSCRIPTIONS, TRANSLATIONS, RESPONSES, MESSAGES, COUNT_TOKENS],
]


CALL = re.compile(r'(?:_post|_get|_put|_delete|_get_api_list|path_template)\(\s*f?"(/[^"]+)"')


def paths_of(library: ModuleType) -> set[str]:
    """Return every path that a client library calls, with an example in the place of each name."""
    sources = (Path(inspect.getfile(library)).parent / "resources").rglob("*.py")
    called = {path for source in sources for path in CALL.findall(source.read_text())}
    return {"/v1/" + re.sub(r"\{[^}]*\}", "xyz_1", path).lstrip("/").removeprefix("v1/").partition("?")[0] for path in called}


def test_every_path_that_the_official_clients_call_is_known() -> None:
    called = paths_of(openai) | paths_of(anthropic)
    assert len(called) > 150

    assert sorted(path for path in called if find(path) is None) == []


def test_every_surface_is_served_under_its_own_name() -> None:
    for surface in SURFACES:
        assert find(f"/v1{surface.path}") == Way(surface.name, frozenset({"POST"}))


def test_every_surface_that_a_plan_may_open_has_a_path_and_no_other_has() -> None:
    words = {surface.value for surface in Surface}
    served = {surface.value for surface in SERVED_SURFACES}

    for path in (
        "chat/completions",
        "responses",
        "messages",
        "embeddings",
        "completions",
        "files",
        "batches",
        "fine_tuning/jobs",
    ):
        way = find(f"/v1/{path}")
        assert way is not None
        assert way.served
        assert way.surface in served
    for path in ("realtime", "realtime/calls", "assistants", "threads/t_1/runs", "messages/batches", "vector_stores", "uploads"):
        way = find(f"/v1/{path}")
        assert way is not None
        assert not way.served
        assert way.surface not in served
        assert way.surface == "api.realtime" or way.surface not in words


@pytest.mark.parametrize(
    ("path", "surface"),
    [
        ("/v1/responses/resp_1", "api.responses"),
        ("/v1/models/org/name", "models"),
        ("/v1/files/file_1/content", "api.files"),
        ("/v1/fine_tuning/jobs/ftjob_1/events", "api.fine_tuning"),
    ],
)
def test_a_path_with_a_name_in_it_is_served(path: str, surface: str) -> None:
    way = find(path)

    assert way is not None
    assert (way.surface, way.served) == (surface, True)


@pytest.mark.parametrize(
    ("path", "method", "code", "word"),
    [
        ("/v1/realtime", "GET", "surface.not_admitted", "api.realtime"),
        ("/v1/realtime/calls/c_1/accept", "POST", "surface.not_admitted", "api.realtime"),
        ("/v1/assistants", "POST", "surface.not_admitted", "assistants"),
        ("/v1/messages/batches", "POST", "surface.not_admitted", "message batches"),
        ("/v1/responses/input_tokens", "POST", "surface.not_admitted", "counts of response tokens"),
        ("/v1/chat/completions/c_1", "GET", "surface.not_admitted", "api.chat"),
        ("/v1/chat/completions", "GET", "request.method_not_allowed", "another method"),
        ("/v1/responses/resp_1", "PUT", "request.method_not_allowed", "another method"),
        ("/v1/nothing", "POST", "surface.unknown", "no such path"),
        ("/v2/chat/completions", "POST", "surface.unknown", "no such path"),
        ("/v1/", "GET", "surface.unknown", "no such path"),
        ("/v1/models/", "GET", "surface.unknown", "no such path"),
        ("/v1/chat//completions", "POST", "surface.not_admitted", "api.chat"),
    ],
)
def test_what_is_not_served_is_refused_by_name(path: str, method: str, code: str, word: str) -> None:
    refusal = turned_away(path, method)

    assert refusal.error.code == code
    assert word in refusal.error.message


@given(st.lists(st.text(max_size=8), max_size=6))
def test_no_path_is_a_fault(parts: list[str]) -> None:
    assert turned_away("/v1/" + "/".join(parts), "POST").error.code


@pytest.mark.parametrize(
    ("asked", "goes_on"),
    [
        (b"", ""),
        (b"beta=true", "?beta=true"),
        (b"api-version=2025-04-01&beta=true", "?api-version=2025-04-01&beta=true"),
        (b"model=another&beta=true&key=secret", "?beta=true"),
        (b"beta=a%20b%0d%0aX:%20y%26z", "?beta=a+b%0D%0AX%3A+y%26z"),
        (b"model=another", ""),
        (b"beta", ""),
        (b"\xff\x00 =&&", ""),
    ],
)
def test_of_a_query_only_what_is_known_goes_upstream(asked: bytes, goes_on: str) -> None:
    assert onward_query(asked) == goes_on
