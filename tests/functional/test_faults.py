"""What happens when processes are killed, the disk is full and the database is locked, on a Headgate that runs."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import httpx
import openai
import pytest

from functional.kit import MODEL, Running, alive, eventually, plan, problem, processes, rows
from headgate.testing.installation import Api, run_command

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from headgate.testing.cast import Member

TOLD = ("plan.moved", "release.moved", "release.model_taken", "plan.widens_open_stage")
"""What the slower of two people may be told; the last when they were not at it at once after all."""

QUICK: dict[str, Any] = {"max_tokens": 2}


def well(headgate: Running) -> None:
    """Wait until two workers and a steward run and the workers may be sent requests."""
    eventually(lambda: len(headgate.workers()) == 2)
    eventually(headgate.steward)
    for worker in headgate.workers():
        with contextlib.closing(headgate.connection_to(worker)) as http:
            eventually(lambda http=http: http.get(f"{headgate.where.url}/readyz").status_code == 200)


@pytest.fixture
def headgate(sturdy: Running) -> Generator[Running]:
    well(sturdy)
    yield sturdy
    well(sturdy)


class Crowd:
    """Members who ask without a pause, until told to stop, and count what they are told."""

    def __init__(self, headgate: Running, *members: Member) -> None:
        self._headgate = headgate
        self._members = members
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(len(members))
        self.told: list[int] = []

    def __enter__(self) -> Self:
        self._asking = [self._pool.submit(self._ask, who) for who in self._members]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for asking in self._asking:
            asking.result(60)
        self._pool.shutdown()

    def _ask(self, who: Member) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(httpx.TransportError):  # whoever served it was killed
                self.told.append(self._headgate.ask(who, **QUICK).status_code)

    def until(self, served: int) -> None:
        """Wait until so many more were served."""
        goal = self.told.count(200) + served
        eventually(lambda: self.told.count(200) >= goal)


def settled_and_drawn_once(headgate: Running) -> None:
    """Every exchange has ended, is counted once, and was drawn once."""
    eventually(lambda: headgate.endings()["open"] == 0)
    everything = headgate.admitted()
    eventually(lambda: len(headgate.draws()) >= len(everything))
    drawn = headgate.draws()
    assert len(drawn) == len(set(drawn)) == len(everything)
    assert set(drawn) == set(everything)
    seen = sum(row["status"] in {"completed", "client_gone", "cut", "unknown"} for row in everything.values())
    eventually(lambda: headgate.counted() >= seen)


def test_a_worker_killed_in_mid_stream_is_replaced_and_charged_in_full_while_the_other_serves(headgate: Running) -> None:
    # given: a stream on one worker, and a connection to the other
    who, another = headgate.member("streaming"), headgate.member("beside")
    victim, other = sorted(headgate.workers())
    doomed, safe = headgate.connection_to(victim), headgate.connection_to(other)
    with contextlib.closing(doomed), contextlib.closing(safe):
        asked = [{"role": "user", "content": "Go on."}]
        stream = headgate.client(who, doomed).chat.completions.create(model=MODEL, messages=asked, stream=True, max_tokens=300)  # pyright: ignore[reportArgumentType, reportCallIssue] - a plain dictionary
        words = iter(stream)
        next(words)
        # when
        os.kill(victim, signal.SIGKILL)
        # then: the stream breaks, and never looks as if it had come to its end
        with pytest.raises((httpx.HTTPError, openai.APIError)):
            list(words)
        # and: the other goes on
        again = headgate.client(another, safe).chat.completions.create(model=MODEL, messages=asked, max_tokens=2)  # pyright: ignore[reportArgumentType, reportCallIssue] - a plain dictionary
        assert again.choices[0].message.content
    # and: the dead one is replaced, and what it left is settled at full charge
    eventually(lambda: len(headgate.workers()) == 2 and victim not in headgate.workers())
    (left,) = [row for row in headgate.admitted().values() if row["account_id"] == who.account_id]
    ended = eventually(lambda: (row := headgate.admitted()[left["id"]]) and row["status"] and row)
    assert (ended["status"], ended["charged_tokens"]) == ("unknown", ended["reserved_tokens"])
    assert ended["reserved_tokens"] > 300
    settled_and_drawn_once(headgate)


def test_a_steward_killed_in_the_middle_of_traffic_counts_and_draws_everything_once(headgate: Running) -> None:
    # given: two members who ask without a pause
    with Crowd(headgate, headgate.member("busy one"), headgate.member("busy two")) as crowd:
        crowd.until(5)
        for _ in range(2):
            victim = headgate.steward()
            # when
            os.kill(victim, signal.SIGKILL)
            # then: traffic goes on, and another steward takes over
            crowd.until(5)
            eventually(lambda victim=victim: not alive(victim) and headgate.steward() != victim)
    assert set(crowd.told) == {200}
    settled_and_drawn_once(headgate)


def test_of_two_stewards_one_acts_and_nothing_is_drawn_twice(headgate: Running) -> None:
    # given: a second steward over the same installation
    command = [sys.executable, "-m", "headgate", "serve", "--only", "steward"]
    directory = str(headgate.where.directory)

    def stewards() -> list[int]:
        return [pid for pid, words in processes("HEADGATE_DATA", directory).items() if "processes.steward" in words]

    second = subprocess.Popen(command, env=dict(headgate.where.environment))
    try:
        eventually(lambda: len(stewards()) == 2)
        # a steward that an earlier test killed holds the lease until it runs out
        eventually(lambda: int(holder(headgate).rpartition(":")[2]) in stewards())
        first_holder = holder(headgate)
        # when
        with Crowd(headgate, headgate.member("watched one"), headgate.member("watched two")) as crowd:
            crowd.until(25)
            assert holder(headgate) == first_holder, "the lease does not wander"
        # then
        settled_and_drawn_once(headgate)
        assert holder(headgate) == first_holder
    finally:
        second.terminate()
        second.wait(30)
    eventually(lambda: len(stewards()) == 1)


def holder(headgate: Running) -> str:
    (row,) = rows(headgate.database, "SELECT holder FROM releases_controller")
    return row["holder"]


@contextlib.contextmanager
def locked(database: Path) -> Generator[None]:
    """Hold the database's write lock, as a backup that went wrong would."""
    with contextlib.closing(sqlite3.connect(database, timeout=10, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def test_a_locked_database_never_lets_anything_through_unrecorded_and_passes(headgate: Running) -> None:
    # given: a member that both workers know
    who = headgate.member("patient")
    wires = [headgate.connection_to(worker) for worker in headgate.workers()]
    clients = [headgate.client(who, http) for http in wires]
    for client in clients:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}], max_tokens=2)
    before = len([row for row in headgate.admitted().values() if row["account_id"] == who.account_id])
    # when: the system of record is locked for some seconds
    served, told = 0, set[str]()
    with locked(headgate.database):
        until = time.monotonic() + 4
        while time.monotonic() < until:
            answer = headgate.ask(who, **QUICK)
            assert answer.status_code in (200, 503)
            if answer.status_code == 200:
                served += 1
            else:
                told.add(problem(answer)["code"])
        assert httpx.get(f"{headgate.where.url}/healthz", trust_env=False).status_code == 200
    # then: what was served was recorded, what was not says why
    assert told <= {"quota.unavailable", "record.unavailable", "principals.unavailable", "policy.stale"}
    assert served + len(told) > 0
    after = len([row for row in headgate.admitted().values() if row["account_id"] == who.account_id])
    assert after - before == served
    # and: it passes
    eventually(lambda: headgate.ask(who, **QUICK).status_code == 200)
    for http in wires:
        http.close()
    settled_and_drawn_once(headgate)


def no_room(pids: set[int], most_bytes: int) -> list[tuple[int, tuple[int, int]]]:
    """Let processes write no file beyond a size, as on a disk that is full; return what they might before."""
    return [(pid, resource.prlimit(pid, resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))) for pid in pids]


def test_where_nothing_can_be_written_nothing_is_served_until_there_is_room(headgate: Running) -> None:
    # given: workers that serve
    who = headgate.member("first come")
    assert headgate.ask(who, **QUICK).status_code == 200
    eventually(lambda: headgate.endings()["open"] == 0)
    recorded = len(headgate.admitted())
    # when: their files cannot grow
    before = no_room(headgate.workers(), 0)
    try:
        answers = [headgate.ask(who, **QUICK) for _ in range(6)]
        upstream_before = httpx.get(headgate.upstream.removesuffix("/v1") + "/state", trust_env=False).json()["requests"]
        answers += [headgate.ask(who, **QUICK) for _ in range(4)]
        upstream_after = httpx.get(headgate.upstream.removesuffix("/v1") + "/state", trust_env=False).json()["requests"]
    finally:
        for pid, limits in before:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
    # then: each is refused with a code, and the model is never asked
    assert {answer.status_code for answer in answers} == {503}
    assert {problem(answer)["code"] for answer in answers} <= {"record.unavailable", "quota.unavailable"}
    assert upstream_before == upstream_after
    assert len(headgate.admitted()) == recorded
    # and: with room again, it serves and records again
    eventually(lambda: headgate.ask(who, **QUICK).status_code == 200)
    settled_and_drawn_once(headgate)
    assert len(headgate.admitted()) > recorded


def test_of_two_plans_applied_at_once_one_is_carried_out_and_the_other_told(headgate: Running, tmp_path: Path) -> None:
    # given: two plans for the same model
    for number in (1, 2):
        seats = 30 + number
        text = plan(headgate.upstream, name="raced", cohorts=("raced-inner", "raced-outer")).replace(
            "seats: 40", f"seats: {seats}"
        )
        (tmp_path / f"{number}.yaml").write_text(text)

    def apply(number: int) -> subprocess.CompletedProcess[str]:
        words = ("plan", "apply", str(tmp_path / f"{number}.yaml"), "--yes", "--json")
        return run_command(*words, environment=headgate.where.environment, token=headgate.where.token)

    # when
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(apply, (1, 2)))
    # then: there is one release, and its plan is one of the two, whole
    releases = [release for release in headgate.admin("GET", "/api/releases") if release["model"] == "raced"]
    assert len(releases) == 1
    assert 0 in {done.returncode for done in ended}
    for done in ended:
        assert "Traceback" not in done.stderr
        assert done.returncode == 0 or any(code in done.stderr for code in TOLD)
    seats = Api(headgate.where.url, headgate.where.token)("GET", f"/api/releases/{releases[0]['id']}")["stages"][0]["seats"]
    assert seats in (31, 32)
