"""Fetching exchanges twice from a server that replays them, directly and through a gateway, and telling the two apart.

What may differ is written here and nowhere else. Half of the exchanges pass an output screen that holds everything back until it
has seen it.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from headgate.adapters.database import open_sqlite
from headgate.gateway.model import Api, OutputScreen, StoredObject
from headgate.gateway.store import SqlObjects
from headgate.gateway.wire.surface import referring
from headgate.kernel.ids import ExchangeId, KeyId
from headgate.releases.model.words import Capability
from headgate.releases.model.words import Surface as Way
from headgate.traffic.model import OutcomeStatus, Screened
from wire.kit import KEY, LoopThread, Running, a_policy, a_principal, a_rule, eventually, running
from wire.recorded_requests import ADDED_USAGE, SYNTHETIC, Exchange
from wire.replaying_upstream import ASKED_FOR, Answer, Got, ReplayingUpstream, fetch

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from headgate.gateway.model import ScreenResult
    from headgate.traffic.model import Admission, Outcome
    from wire.oracles import Said

HELD = "hg_test_held"
"""A key whose stage holds answers back."""
UNFORWARDED = frozenset(
    {
        *(b"set-cookie", b"server", b"date", b"alt-svc", b"strict-transport-security"),
        *(b"connection", b"content-length", b"transfer-encoding", b"keep-alive", b"trailer", b"upgrade", b"te"),
    }
)
"""Response headers that belong to a connection, or to whoever is asked."""
OURS = (b"x-headgate-", b"x-ratelimit-", b"anthropic-ratelimit-")
REQUEST_IDS = {Api.OPENAI: (b"x-request-id",), Api.ANTHROPIC: (b"request-id", b"x-request-id")}
AT_ONCE = 48
_SLICE = 100
"""Characters of a text that are looked for at once in what the screen was given; less than the overlap of its windows."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One exchange as it was received both ways, and as it was settled."""

    exchange: Exchange
    held: bool
    direct: Got
    through: Got
    sent: bytes
    """What the upstream was sent through Headgate; empty when it was not asked."""
    outcome: Outcome | None
    shown: tuple[str, ...]
    """What the output screen was given."""

    @property
    def name(self) -> str:
        return self.exchange.recorded.name

    @property
    def said(self) -> Said:
        """What the answer says."""
        assert self.exchange.said is not None
        return self.exchange.said

    @property
    def passes(self) -> bool:
        """Whether the answer is one that is passed on as it is."""
        if self.direct.status in (401, 403, 407) or 300 <= self.direct.status < 400:
            return False
        return self.direct.status != 200 or self.exchange.said is not None

    @property
    def answers(self) -> bool:
        """Whether it is an answer of a model, and no error in its place."""
        return self.passes and self.direct.status == 200

    @property
    def expected(self) -> bytes:
        """What the client must receive: the recorded body, without the chunk that it did not ask for."""
        asked = self.exchange.asked.get("stream_options") or {}
        if not self.exchange.streamed or self.exchange.path not in ADDED_USAGE or asked.get("include_usage"):
            return self.exchange.recorded.body
        return self.said.without_usage


@contextmanager
def replaying(database: Path, played: Sequence[Exchange], *, coded: bool = False) -> Generator[Running]:
    """Serve a gateway before a server that replays, for every model that was ever asked for, by two keys of one account.

    Args:
        database: Where limits and objects are kept.
        played: What is replayed.
        coded: Whether the server sends bodies in gzip, as they were recorded, although nobody asks for it.
    """
    thread = LoopThread()
    upstream = ReplayingUpstream(thread)
    upstream.answers = [_answer(exchange, seed, coded=coded) for seed, exchange in enumerate(played)]
    thread.run(upstream.start())
    everything = frozenset(capability.value for capability in Capability)
    asked_for = everything.union(*(exchange.request().call.capabilities for exchange in played))
    rule = a_rule(surfaces=frozenset(way.value for way in Way), capabilities=asked_for)
    rules = {"vetted": rule, "held": replace(rule, stage="held", output_screen=OutputScreen.HOLD_BACK)}
    policy = a_policy(upstream.url, model=SYNTHETIC, rules=rules)
    server = replace(policy.upstream, apis=frozenset(Api), first_byte_s=20.0, idle_s=20.0)
    names = {exchange.asked["model"] for exchange in played}
    with running(upstream, database, policy=replace(policy, upstream=server), max_recorded_bytes=1 << 22) as served:
        scopes = frozenset(way.value for way in Way)
        served.world.principals = {
            KEY: a_principal(scopes=scopes),
            HELD: a_principal(key_id=KeyId("key_held"), scopes=scopes, cohort="held"),
        }
        served.world.models = {
            name: replace(policy, model=name, upstream=replace(server, model=f"the server's {name}")) for name in names
        }
        served.world.change_policy(served.world.models[min(names)])
        eventually(lambda: served.gateway.stats().policy_seq == 1)
        _own(served, played)
        yield served
    thread.run(upstream.stop())
    thread.close()


def _answer(exchange: Exchange, seed: int, *, coded: bool) -> Answer:
    recorded = exchange.recorded
    if coded:
        return Answer(recorded.status, (*recorded.headers, (b"content-encoding", b"gzip")), recorded.coded, seed=seed)
    return Answer(recorded.status, recorded.headers, recorded.body, seed=seed)


def _own(served: Running, played: Sequence[Exchange]) -> None:
    """Make everything that a request names the caller's own."""
    engine = open_sqlite(served.database)
    objects = SqlObjects(engine)
    owner = served.world.principals[KEY]
    for exchange in played:
        naming = referring(exchange.request())
        for reference in naming.references if naming is not None else ():
            if reference.kind is not None:
                objects.keep(
                    StoredObject(
                        kind=reference.kind,
                        id=reference.id,
                        release_id=served.world.models[SYNTHETIC].release_id,
                        model=exchange.asked["model"],
                        account_id=owner.account_id,
                        grant_id=owner.grant_id,
                        organisation_id=owner.organisation_id,
                        created=served.clock.now(),
                    )
                )
    engine.dispose()


async def fetch_all(served: Running, played: Sequence[Exchange]) -> list[Fetched]:
    """Fetch everything, both ways, many at a time."""
    room = asyncio.Semaphore(AT_ONCE)
    shown = _watched(served)
    # What no screen can read is not shown where everything must be read, by design.
    held = [bool(number % 2) and exchange.request().call.scannable for number, exchange in enumerate(played)]

    async def both(number: int, exchange: Exchange) -> tuple[Got, Got]:
        key = (HELD if held[number] else KEY).encode()
        common = ((b"content-type", b"application/json"), (ASKED_FOR.encode(), str(number).encode()))
        async with room:
            target = f"/v1{exchange.path}"
            direct = await fetch(served.upstream.port, target, common, exchange.body)
            return direct, await fetch(served.port, target, (*common, (b"authorization", b"Bearer " + key)), exchange.body)

    got = await asyncio.gather(*(both(number, exchange) for number, exchange in enumerate(played)))
    await asyncio.to_thread(eventually, lambda: not served.gateway.stats().open)
    outcomes = {outcome.exchange_id: outcome for outcome in served.recorder.outcomes}
    sent = {
        int(dict(received.headers)[ASKED_FOR]): received.body
        for received in served.upstream.received
        if "x-headgate-request-id" in dict(received.headers)
    }
    return [
        Fetched(
            exchange=exchange,
            held=held[number],
            direct=direct,
            through=through,
            sent=sent.get(number, b""),
            outcome=outcomes.get(ExchangeId(through.header(b"x-request-id").decode())),
            shown=tuple(shown.get(through.header(b"x-request-id").decode(), ())),
        )
        for number, (exchange, (direct, through)) in enumerate(zip(played, got, strict=True))
    ]


def _watched(served: Running) -> dict[str, list[str]]:
    """Note what the output screen is given, by the exchange whose task asks."""
    shown: dict[str, list[str]] = {}
    current: ContextVar[str] = ContextVar("exchange")
    admit, answer = served.recorder.admit, served.screen.answer

    async def admitting(admission: Admission) -> None:
        current.set(admission.exchange_id)
        await admit(admission)

    async def answering(texts: Sequence[str]) -> ScreenResult:
        shown.setdefault(current.get(), []).extend(texts)
        return await answer(texts)

    served.recorder.admit = admitting  # type: ignore[method-assign]
    served.screen.answer = answering  # type: ignore[method-assign]
    return shown


# What is wrong with one, in words; empty when nothing is.


def body_wrong(one: Fetched) -> str:
    """Compare what the client received with what it would have received directly."""
    if one.direct.body != one.exchange.recorded.body or one.direct.status != one.exchange.recorded.status:
        return f"not even directly: {difference(one.direct.body, one.exchange.recorded.body)}"
    if not one.passes:
        answered_for = one.through.status == 502 or (one.exchange.streamed and b"upstream.garbage" in one.through.body)
        return "" if answered_for else f"passed on: {one.through.status} {one.through.body[:200]!r}"
    if one.through.status != one.direct.status:
        return f"{one.through.status} for {one.direct.status}: {one.through.body[:300]!r}"
    if one.answers and not one.said.finished:
        return "" if _sealed(one) else f"not sealed: {one.through.body[-300:]!r}"
    return "" if one.through.body == one.expected else difference(one.through.body, one.expected)


def _sealed(one: Fetched) -> bool:
    """Whether the client received what there was and then an error of Headgate's."""
    assert one.outcome is not None
    begun = one.expected.rstrip()
    sealed = b"upstream.failed" in one.through.body[len(begun) :]
    return one.through.body.startswith(begun) and sealed and one.outcome.status is OutcomeStatus.UPSTREAM_FAILED


def coded_wrong(one: Fetched) -> str:
    """Compare what came of an answer that the server compressed although it was asked not to."""
    assert one.outcome is not None
    expected, coding = (one.expected, b"") if one.exchange.streamed else (one.exchange.recorded.coded, b"gzip")
    if one.through.body != expected:
        return difference(one.through.body, expected)
    if one.through.header(b"content-encoding") != coding:
        return f"content-encoding {one.through.header(b'content-encoding')!r}"
    counts = (one.outcome.prompt_tokens, one.outcome.completion_tokens)
    return "" if counts == (one.said.usage or (None, None)) else f"{counts}, {one.said.usage} said"


def headers_wrong(one: Fetched) -> str:
    """Compare the headers, repeated ones and their values included."""
    if not one.passes:
        return ""
    ids = REQUEST_IDS[one.exchange.surface.api]
    theirs, given = (
        sorted((name, value) for name, value in got.headers if name not in UNFORWARDED | {*ids} and not name.startswith(OURS))
        for got in (one.direct, one.through)
    )
    own = next((value for name, value in one.direct.headers if name in ids), b"")
    if one.through.header(b"x-headgate-upstream-request-id") != own:
        return "the server's own request id is lost"
    return "" if theirs == given else f"{set(theirs) ^ set(given)}"


def settled_wrongly(one: Fetched) -> str:
    """Compare what was settled and recorded with what the answer says."""
    if one.outcome is None:
        return f"not settled: {one.through.status} {one.through.body[:300]!r}"
    if not one.answers:
        return ""
    said = one.said.usage
    counts = (one.outcome.prompt_tokens, one.outcome.completion_tokens)
    if counts != (said or (None, None)) or (said is not None and one.outcome.charged_tokens != sum(said)):
        return f"{counts}, {one.outcome.charged_tokens} charged, {said} said"
    failed = one.exchange.streamed and (one.said.failed or not one.said.finished)
    if one.outcome.status is not (OutcomeStatus.UPSTREAM_FAILED if failed else OutcomeStatus.COMPLETED):
        return f"{one.outcome.status}: {one.outcome.detail}"
    recorded, received = bytes(one.outcome.response_body), one.through.body
    return "" if recorded == received else f"the record: {difference(recorded, received)}"


def unseen(one: Fetched) -> str:
    """Look for text that the client received and the output screen did not."""
    if not (one.held and one.answers):
        return ""
    assert one.outcome is not None
    for text in one.said.texts:
        for part in (text[start : start + _SLICE] for start in range(0, len(text), _SLICE // 2)):
            if not any(part in seen for seen in one.shown):
                return f"{part!r} of {len(text)} characters"
    # A stream in which there is nothing to read is not looked at.
    return "" if one.outcome.output_screened is Screened.PASSED or not one.shown else f"{one.outcome.output_screened}"


def sent_wrongly(one: Fetched) -> str:
    """Compare what went up with what was asked: in order, and with its numbers as they are spelled."""
    asked, sent = spelled(one.exchange.body), spelled(one.sent or b"{}")
    expected = [(key, f"the server's {value}" if key == "model" else value) for key, value in asked]
    if one.exchange.path in ADDED_USAGE and one.exchange.asked.get("stream"):
        sent = [pair for pair in sent if pair[0] != "stream_options"]
        expected = [pair for pair in expected if pair[0] != "stream_options"]
    return "" if sent == expected else difference(one.sent, one.exchange.body)


def spelled(body: bytes) -> list[tuple[str, Any]]:
    """Return a JSON object as pairs, in order, with its numbers as they are spelled."""
    return json.loads(body, object_pairs_hook=lambda pairs: pairs, parse_int=str, parse_float=str)


def difference(got: bytes, expected: bytes) -> str:
    """Say where two bodies part."""
    at = next((at for at, (one, other) in enumerate(zip(got, expected, strict=False)) if one != other), -1)
    at = min(len(got), len(expected)) if at < 0 else at
    return f"{len(got)} bytes, {len(expected)} expected; at {at}: {got[at : at + 80]!r} for {expected[at : at + 80]!r}"
