"""A running Headgate as the functional tests drive it: a plan of two stages, members, staff, and what lies on the disk.

Everything goes over sockets, the command line or files that an operator could open; nothing reaches into a process.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import httpx
import openai

from headgate.testing.cast import Reviewer, member
from headgate.testing.installation import installation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from headgate.testing.cast import Member
    from headgate.testing.installation import Api, Installation

T = TypeVar("T")

MODEL = "small-model"
HARM = "[harm]"
"""What stands in a prompt that the tests' reviewers take for harm."""

PLAN = """
kind: ReleasePlan
name: functional
model:
  name: {name}
  upstream: {{url: "{upstream}", model: small-model, timeout_s: {timeout_s}}}
end_state: api_general
staging_is_for: [misuse]
alpha: 0.05
public: {{left_out: {{exposure: "small numbers could be told apart"}}}}
hazards:
  harm: {{severity: high, limit: {{traffic: 0.5}}, expected: 0.01}}
stages:
  - name: first
    who: {{cohort: {cohorts[0]}, seats: 40}}
    what: {{surfaces: [api.chat, chat_page], capabilities: [streaming, system_prompt], max_output_tokens: 512, max_turns: 8}}
    how_much: {{{inner}, expected_use: 500}}
    watch: {{flagged: review_all, sample: all, reviewers: 20, minutes_per_item: 1}}
    asks: ["does the loop close?"]
    leave:
      - exposure: {{accounts: 2, exchanges: 12}}
      - rate: {{hazard: harm, of: traffic, below: 0.5, alpha: 0.02}}
      - incidents: {{open_at_most: {{critical: 0, high: 0}}}}
      - approval: {{roles: [safety_lead, release_manager], distinct: true, not_author: true}}
    stop:
      - incident: {{severity: critical, then: cut}}
  - name: second
    who: {{cohort: {cohorts[1]}, seats: 60}}
    what: {{surfaces: [api.chat, chat_page], capabilities: [streaming, system_prompt], max_output_tokens: 512, max_turns: 8}}
    how_much: {{requests: 6000/hour, tokens: 10M/hour, expected_use: 20}}
    watch: {{flagged: review_all, sample: all, reviewers: 20, minutes_per_item: 1}}
    asks: ["does it hold outside?"]
    leave: []
    stop:
      - incident: {{severity: critical, then: cut}}
"""

PLENTY = "requests: 6000/hour, tokens: 10M/hour"


COHORTS = ("inner", "outer")


def plan(
    upstream: str, *, inner: str = PLENTY, timeout_s: int = 30, name: str = MODEL, cohorts: tuple[str, str] = COHORTS
) -> str:
    """Return the plan in front of a model server.

    Args:
        upstream: The model server's base address.
        inner: What each member of the first stage may use.
        timeout_s: How long the model server may be silent.
        name: What the model is called by whoever asks.
        cohorts: The stages' cohorts.
    """
    return PLAN.format(upstream=upstream, inner=inner, timeout_s=timeout_s, name=name, cohorts=cohorts)


def eventually(look: Callable[[], T], within_s: float = 60.0) -> T:
    """Return what ``look`` finds as soon as it is true; what it still answers with errors is not there yet.

    Raises:
        AssertionError: It never came to be.
    """
    deadline = time.monotonic() + within_s
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = look()
        except (httpx.HTTPError, AssertionError, sqlite3.Error) as not_yet:
            last = not_yet
        else:
            if last:
                return last
        time.sleep(0.05)
    raise AssertionError(f"it never came to be within {within_s:.0f} s; the last look gave {last!r}")


def away_from_the_hour(seconds: float = 30.0) -> None:
    """Return at an instant after which the clock hour lasts that long: a test counts within one window."""
    eventually(lambda: 3600 - time.time() % 3600 > seconds, seconds + 5)


@dataclass(frozen=True, slots=True)
class Running:
    """A Headgate with the plan applied.

    Attributes:
        where: The installation.
        release: The release's identifier.
        upstream: The model server's base address.
        model: The name that is asked for.
    """

    where: Installation
    release: str
    upstream: str
    model: str = MODEL

    @property
    def admin(self) -> Api:
        """The control API as the first member of staff sees it."""
        return self.where.api()

    def second(self, name: str, *, inner: str) -> Running:
        """Release the model under a second name beside the first, to cohorts of its own.

        Args:
            name: What it is called.
            inner: What each member of its first stage, ``{name}-inner``, may use.
        """
        cohorts = (f"{name}-inner", f"{name}-outer")
        release = apply(self.where, plan(self.upstream, inner=inner, name=name, cohorts=cohorts), cohorts)
        return Running(self.where, release, self.upstream, name)

    def member(self, name: str, cohort: str = "inner") -> Member:
        """Enter somebody with a seat and a key."""
        return member(self.admin, name, cohort)

    def client(self, who: Member, http: httpx.Client | None = None) -> openai.OpenAI:
        """Return the official client with somebody's key."""
        http = http or httpx.Client(timeout=30, trust_env=False)
        return openai.OpenAI(base_url=f"{self.where.url}/v1", api_key=who.key, http_client=cast("Any", http), max_retries=0)

    def ask(self, who: Member, text: str = "Hello", **more: Any) -> httpx.Response:
        """Send one request and return whatever comes back."""
        body = {"model": self.model, "max_tokens": 8, "messages": [{"role": "user", "content": text}], **more}
        return self.post(who, json=body)

    def post(self, who: Member, **sent: Any) -> httpx.Response:
        """Send a request of any form to the chat surface."""
        headers = {"authorization": f"Bearer {who.key}", **sent.pop("headers", {})}
        return httpx.post(
            f"{self.where.url}/v1/chat/completions", headers=headers, timeout=sent.pop("timeout", 30), trust_env=False, **sent
        )

    def status(self) -> dict[str, Any]:
        """Return where the release stands."""
        return self.admin("GET", f"/api/releases/{self.release}")

    def gate(self, kind: str) -> dict[str, Any]:
        """Return the present stage's gate of this kind."""
        return next(gate for gate in self.status()["gates"] if gate["kind"] == kind)

    # What runs.

    def workers(self) -> set[int]:
        """Return the processes that serve: each holds a spool of its own, named for it."""
        named = {int(path.name.removeprefix("worker-").partition("_")[0]) for path in self.spools()}
        return {pid for pid in named if alive(pid)}

    def steward(self) -> int:
        """Return the steward's process."""
        found = [pid for pid, words in processes("HEADGATE_DATA", str(self.where.directory)).items() if "steward" in words]
        assert len(found) == 1, found
        return found[0]

    def connection_to(self, worker: int) -> httpx.Client:
        """Return a client whose one connection leads to this worker."""
        tried: list[httpx.Client] = []

        def look() -> httpx.Client | None:
            http = httpx.Client(timeout=30, trust_env=False)
            tried.append(http)
            return http if http.get(f"{self.where.url}/healthz").json()["pid"] == worker else None

        found = eventually(look)
        for http in tried:
            if http is not found:
                http.close()
        assert found is not None
        return found

    # What is written down.

    def spools(self) -> list[Path]:
        """Return the spools' files."""
        return sorted((self.where.directory / "traffic" / "spools").glob("*.sqlite"))

    def admitted(self) -> dict[str, dict[str, Any]]:
        """Return every exchange that was admitted, by identifier, with its outcome's columns where it has one."""
        found: dict[str, dict[str, Any]] = {}
        query = """
            SELECT a.exchange_id AS id, a.account_id, a.reserved_tokens, o.*
            FROM admission AS a LEFT JOIN outcome AS o ON o.exchange_id = a.exchange_id
        """
        for path in self.spools():
            for row in rows(path, query) if rows(path, "SELECT 1 FROM sqlite_schema WHERE name = 'outcome'") else []:
                assert row["id"] not in found, "an exchange is recorded once"
                found[row["id"]] = row
        return found

    def endings(self, *, of: str | None = None) -> Counter[str]:
        """Count exchanges by how they ended; ``open`` while they have not.

        Args:
            of: Only those of this account.
        """
        return Counter(row["status"] or "open" for row in self.admitted().values() if of in (None, row["account_id"]))

    def draws(self) -> list[str]:
        """Return the exchanges that were drawn, in order."""
        found = rows(self.database, "SELECT exchange_id, epoch, position FROM safety_draw ORDER BY epoch, position")
        by_epoch: dict[str, list[int]] = {}
        for row in found:
            by_epoch.setdefault(row["epoch"], []).append(row["position"])
        assert all(positions == list(range(1, len(positions) + 1)) for positions in by_epoch.values()), "places have no gaps"
        return [row["exchange_id"] for row in found]

    def counted(self) -> int:
        """Return how many exchanges stand in the exposure."""
        return rows(self.database, "SELECT coalesce(sum(exchanges), 0) AS n FROM traffic_daily")[0]["n"]

    @property
    def database(self) -> Path:
        """The system of record."""
        return self.where.directory / "headgate.sqlite"


def rows(path: Path, query: str, *parameters: object) -> list[dict[str, Any]]:
    """Return what a query gives, from a database that others are writing."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query, parameters)]


def alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and was not yet buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def processes(variable: str, value: str) -> dict[int, str]:
    """Return the living processes whose environment was given this variable, with their command lines."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended while we looked
        if f"{variable}={value}".encode() in environment and int(entry.name) != os.getpid() and alive(int(entry.name)):
            found[int(entry.name)] = words
    return found


@contextlib.contextmanager
def running(
    directory: Path, upstream: str, *, inner: str = PLENTY, timeout_s: int = 30, **settings: object
) -> Generator[Running]:
    """Run Headgate with the plan applied and its cohorts made."""
    settings = {"tick_s": 0.3, "log_level": "error", **settings}
    with installation(directory, **settings) as where:  # pyright: ignore[reportArgumentType] - settings by name
        yield Running(where, apply(where, plan(upstream, inner=inner, timeout_s=timeout_s), COHORTS), upstream)


def apply(where: Installation, text: str, cohorts: tuple[str, str]) -> str:
    """Apply a plan, wait until its cohorts are there, and return the release's identifier."""
    release = where.api()("POST", "/api/releases", {"plan": text})["release"]["id"]
    eventually(lambda: set(cohorts) <= {each["name"] for each in where.api()("GET", "/api/cohorts")["items"]})
    return release


def harmful(text: str) -> dict[str, bool]:
    """Judge a prompt as the tests' reviewers do."""
    return {"harm": HARM in text}


def review_until(looks: Callable[[], T], *apis: Api, within_s: float = 90.0) -> T:
    """Let reviewers label in turn until something has come to be."""
    reviewers = [Reviewer(api, harmful) for api in apis]

    def look() -> T:
        for reviewer in reviewers:
            while reviewer.once():
                pass
        return looks()

    return eventually(look, within_s)


def problem(response: httpx.Response) -> dict[str, Any]:
    """Return an error of the chat surface: the object that the official client reads."""
    return response.json()["error"]


def now() -> datetime:
    """Return the present instant."""
    return datetime.now(UTC)
