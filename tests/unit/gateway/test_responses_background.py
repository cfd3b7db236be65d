"""Responses that run with nobody waiting: called off when their owners lose access, and not before."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from headgate.access.errors import KeyRevoked
from headgate.gateway.errors import ObjectsUnavailable
from headgate.gateway.model import (
    Change,
    ModelPolicy,
    ObjectKind,
    PolicySnapshot,
    Principal,
    ReleaseState,
    Replica,
    Settings,
    StageRule,
    StoredObject,
    Upstream,
)
from headgate.gateway.service.background import Background
from headgate.gateway.service.instants import ForwardClock
from headgate.gateway.upstream import NotReached
from headgate.kernel.errors import Refused, Unavailable
from headgate.kernel.ids import AccountId, EpochId, GrantId, KeyId, ReleaseId

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Mapping, Sequence

    from headgate.gateway.service.knowledge import Knowledge

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RULE = StageRule("s", EpochId("rel_1/s/1"), frozenset({"api.responses"}), frozenset({"background", "stored"}))
POLICY = ModelPolicy(
    release_id=ReleaseId("rel_1"),
    model="atlas",
    version_digest="sha256:0",
    state=ReleaseState.LIVE,
    gated=True,
    upstream=Upstream("http://u/v1", "atlas", api_key="ours", replicas=(Replica("http://other/v1"),)),
    rules={"c": RULE},
    created=NOON,
)
EVERYTHING = Change(1, everything=True)


def _fine(client_ip: str | None, now: datetime) -> Refused | None:
    del client_ip, now


def _taken(client_ip: str | None, now: datetime) -> Refused | None:
    del client_ip, now
    return KeyRevoked("This key was taken away.", rule="key state")


def a_principal(name: str) -> Principal:
    return Principal(KeyId(f"key_{name}"), AccountId(f"acc_{name}"), None, GrantId(f"grt_{name}"), "c", RULE.surfaces, 100, _fine)


def running(name: str = "ada", **detail: Any) -> StoredObject:
    return StoredObject(
        ObjectKind.RUNNING_RESPONSE,
        f"resp_{name}",
        POLICY.release_id,
        POLICY.model,
        AccountId(f"acc_{name}"),
        GrantId(f"grt_{name}"),
        None,
        NOON,
        {"key_id": f"key_{name}", "capabilities": ["background", "stored"], "client_ip": None, **detail},
    )


@dataclass
class Shelf:
    """Running responses, in memory."""

    kept: dict[str, StoredObject]
    down: bool = False

    def of_release(self, kind: ObjectKind, release_id: ReleaseId) -> list[StoredObject]:
        if self.down:
            raise ObjectsUnavailable("the disk is gone")
        return [stored for stored in self.kept.values() if (stored.kind, stored.release_id) == (kind, release_id)]

    def forget(self, kind: ObjectKind, object_id: str) -> bool:
        del kind
        return self.kept.pop(object_id, None) is not None


@dataclass
class Known:
    """What a worker knows."""

    policies: dict[str, ModelPolicy]
    principals: dict[str, Principal]
    down: bool = False

    @property
    def snapshot(self) -> PolicySnapshot:
        return PolicySnapshot(1, self.policies)

    def policy(self, model: str) -> ModelPolicy | None:
        return self.policies.get(model)

    async def refreshed(self, key_ids: Collection[KeyId]) -> Mapping[KeyId, Principal]:
        if self.down:
            raise Unavailable("the system of record is down")
        return {principal.key_id: principal for principal in self.principals.values() if principal.key_id in key_ids}


@dataclass
class Answer:
    status: int


@dataclass
class Servers:
    """Model servers that answer as they are told to."""

    status: int = 200
    reachable: bool = True
    asked: list[tuple[Sequence[str], str, str, list[tuple[str, str]]]] = field(default_factory=list[Any])

    @asynccontextmanager
    async def send(
        self, upstream: Upstream, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes | None
    ) -> AsyncGenerator[Answer]:
        del body
        servers = [upstream.url, *(replica.url for replica in upstream.replicas)]
        self.asked.append((servers, method, path, list(headers)))
        if not self.reachable:
            raise NotReached("nobody is there")
        yield Answer(self.status)


@dataclass
class World:
    shelf: Shelf = field(default_factory=lambda: Shelf({each.id: each for each in (running(), running("eve"))}))
    known: Known = field(default_factory=lambda: Known({"atlas": POLICY}, {name: a_principal(name) for name in ("ada", "eve")}))
    servers: Servers = field(default_factory=Servers)

    def background(self) -> Background:
        return Background(
            objects=cast("Any", self.shelf),
            knowledge=cast("Knowledge", self.known),
            upstreams=self.servers,
            settings=Settings(worker="w1", end_user_key=b"k"),
            clock=ForwardClock(),
        )

    def revoke(self, name: str) -> None:
        self.known.principals[name] = replace(self.known.principals[name], refusal=_taken)

    @property
    def called_off(self) -> list[str]:
        return [path for _, _, path, _ in self.servers.asked]


@pytest.mark.parametrize(
    "change",
    [
        Change(1, keys=frozenset({KeyId("key_ada")})),
        Change(1, grants=frozenset({GrantId("grt_ada")})),
        Change(1, accounts=frozenset({AccountId("acc_ada")})),
        Change(1, releases=frozenset({ReleaseId("rel_1")})),
        EVERYTHING,
    ],
)
async def test_whoever_loses_access_loses_what_runs_for_them(change: Change) -> None:
    world = World()
    world.revoke("ada")

    assert await world.background().look(change) == 1
    assert world.servers.asked == [
        (["http://u/v1", "http://other/v1"], "POST", "/responses/resp_ada/cancel", [("authorization", "Bearer ours")])
    ]
    assert set(world.shelf.kept) == {"resp_eve"}


@pytest.mark.parametrize(
    "policies",
    [
        {"atlas": replace(POLICY, state=ReleaseState.CUT)},
        {"atlas": replace(POLICY, rules={"others": RULE})},
        {"atlas": replace(POLICY, rules={"c": replace(RULE, capabilities=frozenset({"stored"}))})},
        {"atlas": replace(POLICY, rules={"c": replace(RULE, surfaces=frozenset({"api.chat"}))})},
        {"atlas": replace(POLICY, release_id=ReleaseId("rel_2"))},
        {},
    ],
)
async def test_a_release_that_closes_calls_off_all_that_runs_under_it(policies: dict[str, ModelPolicy]) -> None:
    world = World()
    background = world.background()
    assert await background.look(EVERYTHING) == 0  # so it has seen where they run
    world.known.policies = policies

    assert await background.look(Change(2, releases=frozenset({ReleaseId("rel_1")}))) == 2
    assert not world.shelf.kept


@pytest.mark.parametrize("change", [Change(1), Change(1, keys=frozenset({KeyId("key_eve")})), EVERYTHING])
async def test_whoever_keeps_access_keeps_what_runs_for_them(change: Change) -> None:
    world = World()

    assert await world.background().look(change) == 0
    assert not world.servers.asked


async def test_a_key_that_is_gone_takes_along_what_it_started() -> None:
    world = World()
    del world.known.principals["ada"]

    assert await world.background().look(EVERYTHING) == 1
    assert world.called_off == ["/responses/resp_ada/cancel"]


async def test_what_one_server_keeps_is_called_off_there() -> None:
    world = World()
    world.shelf.kept = {"resp_ada": running(server="http://other/v1")}
    world.revoke("ada")

    await world.background().look(EVERYTHING)
    assert {server for servers, *_ in world.servers.asked for server in servers} == {"http://other/v1"}


async def test_what_could_not_be_called_off_is_called_off_at_the_next_look() -> None:
    world = World()
    world.revoke("ada")
    background = world.background()
    world.servers.reachable = False
    assert await background.look(EVERYTHING) == 0
    world.servers.reachable, world.servers.status = True, 503
    assert await background.look(EVERYTHING) == 0
    world.servers.status = 404  # it is over, or was never there

    assert await background.look(EVERYTHING) == 1
    assert set(world.shelf.kept) == {"resp_eve"}


async def test_what_cannot_be_looked_up_is_left_as_it_is() -> None:
    world = World()
    world.revoke("ada")
    world.known.down = True
    assert await world.background().look(EVERYTHING) == 0
    world.known.down, world.shelf.down = False, True

    with pytest.raises(ObjectsUnavailable):
        await world.background().look(EVERYTHING)
    assert not world.servers.asked


@pytest.mark.parametrize("steps", range(5))
async def test_to_stop_ends_it_whatever_news_come_at_that_moment(steps: int) -> None:
    background = World().background()
    background.start()
    await asyncio.sleep(0.01)  # it waits for news by now
    background.changed(EVERYTHING)
    for _ in range(steps):
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await background.stop()

    assert background._working is not None
    assert background._working.done()
