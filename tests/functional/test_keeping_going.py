"""What serves is replaced under load, carries too much, or loses its database: who is answered then, and how."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import resource
import select
import signal
import socket
import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
import pytest

from functional.kit import Running, eventually, problem, processes, running
from wire.kit import DONE, USAGE_CHUNK, Connection, LoopThread, Received, ScriptedUpstream, chunk_of, say_whole

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from headgate.testing.cast import Member

pytestmark = pytest.mark.slow

STREAMS = 20
CARRIED = 4


@dataclass(frozen=True, slots=True)
class Model:
    """A model server whose streams last until a test says so.

    Attributes:
        url: Its base.
        may_end: Set when they may.
    """

    url: str
    may_end: threading.Event


@pytest.fixture(scope="module")
def patient() -> Iterator[Model]:
    may_end = threading.Event()

    async def say_until_told(connection: Connection, _received: Received) -> None:
        await connection.start_stream()
        while not may_end.is_set():
            await connection.chunk(chunk_of("word "))
            await asyncio.sleep(0.05)
        await connection.chunk(chunk_of(finish="stop"))
        await connection.chunk(USAGE_CHUNK)
        await connection.chunk(DONE)
        await connection.end_stream()

    thread = LoopThread()
    server = ScriptedUpstream(thread, {"whole": say_whole, "stream": say_until_told})
    thread.run(server.start())
    yield Model(server.url, may_end)
    thread.run(server.stop())
    thread.close()


@pytest.fixture
def model(patient: Model) -> Iterator[Model]:
    patient.may_end.clear()
    yield patient
    patient.may_end.set()


@pytest.fixture(scope="module")
def leisurely(patient: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A Headgate that lets streams run out."""
    with running(tmp_path_factory.mktemp("leisurely") / "data", patient.url, drain_s=90, linger_s=0.5) as headgate:
        yield headgate


@pytest.fixture(scope="module")
def small(patient: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A Headgate of one worker that carries little, waits for nobody, and trusts what it knows for two seconds."""
    settings: dict[str, Any] = {"workers": 1, "max_in_flight": CARRIED, "max_stale_s": 2, "drain_s": 1, "linger_s": 0.5}
    with running(tmp_path_factory.mktemp("small") / "data", patient.url, **settings) as headgate:
        yield headgate


def supervisor(headgate: Running) -> int:
    found = [pid for pid, words in processes("HEADGATE_DATA", str(headgate.where.directory)).items() if " serve" in words]
    assert len(found) == 1, found
    return found[0]


def stream(headgate: Running, who: Member, opened: threading.Semaphore) -> bytes:
    """Read one stream to its end, and return it whole."""
    body = {"model": headgate.model, "max_tokens": 512, "stream": True, "messages": [{"role": "user", "content": "Go on."}]}
    headers = {"authorization": f"Bearer {who.key}"}
    url = f"{headgate.where.url}/v1/chat/completions"
    read = b""
    with httpx.stream("POST", url, json=body, headers=headers, timeout=60, trust_env=False, verify=False) as response:
        assert response.status_code == 200
        for piece in response.iter_raw():
            if not read:
                opened.release()
            read += piece
    return read


@contextlib.contextmanager
def streams(headgate: Running, model: Model, who: Member, count: int) -> Generator[list[Future[bytes]]]:
    """Hold so many streams open, and wait for their ends."""
    opened = threading.Semaphore(0)
    with ThreadPoolExecutor(count) as pool:
        held = [pool.submit(stream, headgate, who, opened) for _ in range(count)]
        try:
            assert all(opened.acquire(timeout=60) for _ in held)
            yield held
        except BaseException:
            model.may_end.set()
            raise


class Asking:
    """Somebody who asks without a pause and counts what they are told, errors of the connection too.

    Args:
        headgate: Whom they ask.
        who: Who asks.
        keeps: Whether they keep their connection for the next time.
    """

    def __init__(self, headgate: Running, who: Member, *, keeps: bool) -> None:
        self._url = f"{headgate.where.url}/v1/chat/completions"
        self._headers = {"authorization": f"Bearer {who.key}"} | ({} if keeps else {"connection": "close"})
        self._body = {"model": headgate.model, "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.told: Counter[int | str] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def until(self, more: int) -> None:
        """Wait until so many more were answered."""
        goal = self.told.total() + more
        eventually(lambda: self.told.total() >= goal, 60)

    def _ask(self) -> None:
        with httpx.Client(timeout=60, trust_env=False, verify=False) as http:
            while not self._over.is_set():
                try:
                    self.told[http.post(self._url, json=self._body, headers=self._headers).status_code] += 1
                except httpx.TransportError as error:
                    self.told[repr(error)] += 1


def test_a_rolling_restart_drops_no_stream_and_leaves_no_request_unanswered(leisurely: Running, model: Model) -> None:
    # given: twenty open streams, somebody who asks on a new connection each time and somebody who keeps theirs
    who = leisurely.member("streaming")
    before = leisurely.workers()
    with (
        streams(leisurely, model, who, STREAMS) as held,
        Asking(leisurely, leisurely.member("coming"), keeps=False) as coming,
        Asking(leisurely, leisurely.member("staying"), keeps=True) as staying,
    ):
        coming.until(3)
        # when: the workers are replaced, and the streams last until the new ones have served for a while
        leisurely.where.command("restart")
        eventually(lambda: len(leisurely.workers() - before) == 2, 60)
        new = leisurely.workers() - before
        coming.until(20)
        staying.until(20)
        assert leisurely.workers() >= before, "the old ones carry their streams"
        assert not any(each.done() for each in held)
        model.may_end.set()
        read = [each.result(60) for each in held]
        eventually(lambda: not leisurely.workers() & before, 60)
        coming.until(3)
    # then
    assert leisurely.workers() == new
    assert all(each.endswith(DONE) and b'"error"' not in each for each in read)
    assert set(coming.told) == set(staying.told) == {200}
    eventually(lambda: leisurely.endings()["open"] == 0)
    assert leisurely.endings(of=who.account_id) == {"completed": STREAMS}


def test_a_stream_that_outlasts_its_worker_is_cut_as_its_protocol_ends_one(small: Running, model: Model) -> None:
    # given
    who = small.member("long-winded")
    (old,) = small.workers()
    with streams(small, model, who, 1) as (streaming,), contextlib.closing(small.connection_to(old)) as http:
        # when
        os.kill(supervisor(small), signal.SIGHUP)
        # then: for a moment the old worker says that it should not be asked, on a connection that it then closes
        told = eventually(lambda: not_ok(http.get(f"{small.where.url}/readyz")), 60)[0]
        assert told.headers["connection"] == "close"
        # and: the stream ends with the reason and its proper end
        frames = [frame for frame in streaming.result(30).split(b"\n\n") if frame]
    assert frames[-1] + b"\n\n" == DONE
    assert json.loads(frames[-2].removeprefix(b"data: "))["error"]["code"] == "gateway.stopping"
    eventually(lambda: small.workers() and old not in small.workers(), 60)
    eventually(lambda: small.ask(who).status_code == 200, 60)
    eventually(lambda: small.endings(of=who.account_id)["cut"] == 1)


def not_ok(answer: httpx.Response) -> list[httpx.Response]:
    """Return the answer if it is none that was wished for."""
    return [] if answer.status_code == 200 else [answer]


def test_a_worker_that_is_full_says_when_to_come_back_and_still_answers_for_itself(small: Running, model: Model) -> None:
    who = small.member("crowd")
    with streams(small, model, who, CARRIED) as held:
        for _ in range(3):
            answer = small.ask(who)
            assert answer.status_code == 503
            assert problem(answer)["code"] == "gateway.overloaded"
            assert int(answer.headers["retry-after"]) >= 1
        for path in ("/healthz", "/readyz", "/metrics"):
            assert httpx.get(f"{small.where.url}{path}", trust_env=False).status_code == 200
        assert not any(each.done() for each in held)
        model.may_end.set()
    assert all(each.result().endswith(DONE) for each in held)
    assert small.ask(who).status_code == 200


IDLE = 10_000


def test_ten_thousand_idle_connections_keep_nobody_from_being_served(small: Running) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = IDLE + 1000
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"this takes {needed} open files, and {hard} are allowed")
    who = small.member("one of many")
    port = int(small.where.url.rpartition(":")[2])
    with contextlib.ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        # given
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(IDLE)]
        (worker,) = small.workers()
        eventually(lambda: open_files(worker) >= IDLE)
        # then
        assert [small.ask(who).status_code for _ in range(5)] == [200] * 5
        assert httpx.get(f"{small.where.url}/readyz", trust_env=False).status_code == 200
        watched = select.poll()
        for connection in idle:
            watched.register(connection, select.POLLIN)
        assert watched.poll(0) == [], "none of them was closed for it"
        # and: one of them may ask at last
        idle[0].sendall(b"GET /healthz HTTP/1.1\r\nhost: headgate\r\n\r\n")
        assert idle[0].recv(100).startswith(b"HTTP/1.1 200")
    eventually(lambda: open_files(worker) < 1000)


def open_files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


@contextlib.contextmanager
def unreadable(database: Path) -> Generator[None]:
    """Keep everybody from reading or writing a database, as a file system does that has lost its server.

    SQLite's readers in WAL mode take shared locks on some bytes beside the database; these are taken here, all of them.
    """
    with database.with_name(database.name + "-shm").open("r+b") as shared:
        fcntl.lockf(shared, fcntl.LOCK_EX, 8, 120)
        yield


def test_without_its_database_a_worker_serves_what_it_knows_for_a_while_and_then_nobody(small: Running, model: Model) -> None:
    # given: somebody whom the worker knows, and a stream of theirs
    who = small.member("known")
    assert small.ask(who).status_code == 200
    # when
    with streams(small, model, who, 1) as (streaming,), unreadable(small.database):
        # then: once nobody can tell whether they still may, neither they nor anybody is served, and open streams end
        answer = eventually(lambda: not_ok(small.ask(who)), 30)[0]
        assert answer.status_code == 503
        frames = [frame for frame in streaming.result(30).split(b"\n\n") if frame]
        refused = eventually(lambda: [told for told in not_ok(small.ask(who)) if problem(told)["code"] == "policy.stale"])[0]
        assert refused.headers["retry-after"]
        assert httpx.get(f"{small.where.url}/readyz", trust_env=False).status_code == 503
        assert httpx.get(f"{small.where.url}/healthz", trust_env=False).status_code == 200
    assert json.loads(frames[-2].removeprefix(b"data: "))["error"]["code"] == "policy.stale"
    # and: it passes
    eventually(lambda: small.ask(who).status_code == 200, 40)
    eventually(lambda: small.endings()["open"] == 0, 40)
