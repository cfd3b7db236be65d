from __future__ import annotations

import asyncio
import json
import resource
import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest

from headgate.gateway.model import Limits
from headgate.kernel.units import Rate
from headgate.traffic.model import Screened
from wire.kit import KEY, MODEL, ScriptedUpstream, a_policy, a_principal, running, taken
from wire.shelf_kit import STRANGER, SURFACES, Shelf, a_shelf, a_shelf_rule, chat_row, finished, jsonl, narrowed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from wire.kit import LoopThread

AUTH = {"authorization": f"Bearer {KEY}"}
MB = 1024 * 1024


@pytest.fixture
def shelf(upstream: ScriptedUpstream, tmp_path: Path) -> Iterator[Shelf]:
    with a_shelf(upstream, tmp_path) as shelf:
        yield shelf


def test_a_file_comes_back_as_it_was_sent_and_goes_when_its_owner_says_so(shelf: Shelf) -> None:
    with shelf.client() as client:
        file = client.files.create(file=("notes é.txt", b"some \x00 words"), purpose="user_data")
        assert (file.filename, file.purpose, file.bytes) == ("notes é.txt", "user_data", 12)
        assert client.files.retrieve(file.id) == file
        assert client.files.content(file.id).content == b"some \x00 words"
        assert client.files.delete(file.id).deleted
        assert client.files.list().data == []

    outcome = shelf.served.recorder.outcomes[0]
    admission = shelf.served.recorder.admissions[0]
    assert (admission.surface, admission.capabilities, outcome.charged_tokens) == ("api.files", ("file_input",), 0)
    assert b"words" not in admission.request_body.replace(b"notes", b"")


def test_a_stage_without_the_right_takes_no_other_files(shelf: Shelf) -> None:
    narrowed(shelf, capabilities=frozenset())
    with shelf.client() as client, pytest.raises(openai.PermissionDeniedError) as caught:
        client.files.create(file=b"words", purpose="user_data")

    assert caught.value.code == "capability.not_allowed"
    assert shelf.uploads == []


def test_what_is_no_upload_is_refused(shelf: Shelf) -> None:
    def post(**what: Any) -> tuple[int, str]:
        answer = httpx.post(f"{shelf.served.url}/files", headers=AUTH, timeout=20, trust_env=False, **what)
        return answer.status_code, answer.json()["error"]["code"]

    file = {"file": ("a.jsonl", b"{}")}
    assert post(files=file, data={"purpose": "gossip"}) == (400, "file.purpose_unknown")
    assert post(files=file) == (400, "file.purpose_unknown")
    assert post(files={"purpose": (None, "batch"), "other": (None, "x")}) == (400, "request.wrong_type")
    assert post(json={"purpose": "batch"}) == (415, "request.wrong_content_type")
    assert httpx.put(f"{shelf.served.url}/files", headers=AUTH, trust_env=False).status_code == 405
    assert httpx.get(f"{shelf.served.url}/files/a/b/c", headers=AUTH, trust_env=False).status_code in (403, 404)
    assert httpx.get(f"{shelf.served.url}/files/..%2Fmodels", headers=AUTH, trust_env=False).status_code == 403
    assert shelf.uploads == []


def test_files_have_bounds(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with a_shelf(upstream, tmp_path, max_file_bytes=2000, max_batch_file_bytes=1000) as shelf, shelf.client() as client:
        for content, purpose in ((b"x" * 2001, "user_data"), (jsonl(chat_row("a", "x" * 1500)), "batch")):
            with pytest.raises(openai.APIStatusError) as caught:
                client.files.create(file=content, purpose=purpose)  # type: ignore[arg-type]
            assert (caught.value.status_code, caught.value.code) == (413, "request.too_large")
        assert shelf.uploads == []


def test_a_key_that_was_taken_away_reaches_nothing(shelf: Shelf) -> None:
    with shelf.client() as client:
        file = client.files.create(file=b"words", purpose="user_data")
        shelf.served.world.principals = {KEY: a_principal(scopes=SURFACES, refusal=taken)}
        shelf.served.world.change_principal(KEY, refusal=taken)
        for attempt in (lambda: client.files.content(file.id), client.files.list, lambda: client.files.delete(file.id)):
            with pytest.raises(openai.PermissionDeniedError):
                attempt()


def test_an_upload_counts_as_a_request(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    rule = a_shelf_rule(limits=Limits(requests=Rate(1, 86_400), tokens=Rate(100, 86_400)))
    with a_shelf(upstream, tmp_path, rule) as shelf, shelf.client() as client:
        client.files.create(file=b"words", purpose="user_data")
        with pytest.raises(openai.RateLimitError):
            client.files.create(file=b"words", purpose="user_data")
    assert len(shelf.uploads) == 1


def test_what_cannot_be_bound_is_told_to_nobody_and_taken_back(shelf: Shelf) -> None:
    with shelf.client() as client:
        _break_objects(shelf)
        with pytest.raises(openai.InternalServerError) as caught:
            client.files.create(file=b"words", purpose="user_data")
        assert caught.value.code == "objects.unavailable"
        assert "file-" not in caught.value.response.text
        assert shelf.uploads == []
        for attempt in (client.files.list, lambda: client.files.retrieve("file-1"), client.batches.list):
            with pytest.raises(openai.InternalServerError) as caught:
                attempt()
            assert caught.value.code == "objects.unavailable"
        assert [model.id for model in client.models.list()] == [MODEL]


def _break_objects(shelf: Shelf) -> None:
    with sqlite3.connect(shelf.served.database) as connection:
        connection.execute("DROP TABLE gateway_object")
    connection.close()


def test_a_file_of_fifty_megabytes_is_not_held_in_memory(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    row = jsonl(chat_row("%06d", "word " * 20_000))
    head = b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    head += b'--b\r\nContent-Disposition: form-data; name="file"; filename="r.jsonl"\r\n\r\n'

    def form() -> Iterator[bytes]:
        yield head
        for index in range(500):
            yield row % index
        yield b"\r\n--b--\r\n"

    with (
        draining(upstream.thread) as (port, drained),
        running(upstream, tmp_path / "limits.db", policy=a_policy(f"http://127.0.0.1:{port}/v1", a_shelf_rule())) as served,
    ):
        served.world.principals = {KEY: a_principal(scopes=SURFACES)}
        headers = AUTH | {"content-type": "multipart/form-data; boundary=b"}
        start_mb = resident_mb()
        with watched() as most_mb:
            answer = httpx.post(f"{served.url}/files", headers=headers, content=form(), timeout=60, trust_env=False)

    assert answer.json()["id"] == "file-drained"
    assert drained[0] > 50_000_000
    assert most_mb[0] - start_mb < 25


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / MB


@contextmanager
def watched() -> Generator[list[float]]:
    """Yield the most memory that this process has held meanwhile, in megabytes."""
    most, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(0.005):
            most[0] = max(most[0], resident_mb())

    watching = threading.Thread(target=look)
    watching.start()
    try:
        yield most
    finally:
        over.set()
        watching.join()


@contextmanager
def draining(thread: LoopThread) -> Generator[tuple[int, list[int]]]:
    """Serve a model server that counts the bytes of an upload and keeps none."""
    drained: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        left = length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while left:
            left -= len(await reader.read(min(left, 65_536)))
        drained.append(length)
        body = b'{"id":"file-drained"}'
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    server = thread.run(asyncio.start_server(serve, "127.0.0.1", 0))
    try:
        yield int(server.sockets[0].getsockname()[1]), drained
    finally:
        server.close()


def test_a_question_may_name_only_the_callers_own_files(shelf: Shelf) -> None:
    with shelf.client() as client, shelf.client(STRANGER) as stranger:
        file = client.files.create(file=b"words", purpose="user_data")
        ask: Any = [{"role": "user", "content": [{"type": "file", "file": {"file_id": file.id}}]}]
        with pytest.raises(openai.NotFoundError) as caught:
            stranger.chat.completions.create(model=MODEL, messages=ask)
        assert caught.value.code == "object_not_found"
        assert client.chat.completions.create(model=MODEL, messages=ask).choices


def test_a_batchs_answers_cannot_be_had_by_asking_about_their_file(shelf: Shelf) -> None:
    with shelf.client() as client:
        file = client.files.create(file=jsonl(chat_row("a")), purpose="batch")
        made = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        output = finished(client, made.id).output_file_id
        ask: Any = [{"role": "user", "content": [{"type": "file", "file": {"file_id": output}}]}]
        with pytest.raises(openai.NotFoundError) as caught:
            client.chat.completions.create(model=MODEL, messages=ask)
        assert caught.value.code == "object_not_found"


def test_what_a_file_holds_is_on_record_when_it_is_handed_out_and_what_only_tells_of_it_is_not(shelf: Shelf) -> None:
    recorder = shelf.served.recorder
    with shelf.client() as client:
        file = client.files.create(file=b"some words", purpose="user_data")
        before = len(recorder.admissions)
        client.files.retrieve(file.id)
        client.files.list()
        client.models.list()
        assert len(recorder.admissions) == before
        content = client.files.content(file.id)

    (admission,) = recorder.admissions[before:]
    assert (admission.surface, admission.key_id) == ("api.files", shelf.served.world.principals[KEY].key_id)
    assert json.loads(admission.request_body) == {"id": file.id, "purpose": "user_data"}
    outcome = recorder.outcome(before + 1)
    assert (outcome.exchange_id, outcome.response_body) == (admission.exchange_id, b"some words")
    assert content.response.headers["x-request-id"] == admission.exchange_id
    assert (outcome.charged_tokens, outcome.usage_exact, outcome.screened) == (0, True, Screened.NOT_ASKED)


def test_a_file_that_cannot_be_put_on_record_is_not_handed_out(shelf: Shelf) -> None:
    with shelf.client() as client:
        file = client.files.create(file=b"some words", purpose="user_data")
        shelf.served.recorder.full = True
        with pytest.raises(openai.InternalServerError) as refused:
            client.files.content(file.id)

    assert refused.value.code == "record.unavailable"
