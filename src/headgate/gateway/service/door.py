"""The one door: everything that is admitted, by whatever surface, is admitted, watched and settled here.

An exchange passes the decision, reserves its limits, passes the input screen and is recorded, in that order; only then may a
byte go upstream. While it is under way it is decided again whenever the ledger reports a change that touches it, and every
second, because instants pass too. It is settled once, however it ends.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from headgate.gateway import errors
from headgate.gateway.decide import admit, may_list, still_admits, visible
from headgate.gateway.model import Admitted, Caller, ObjectKind, Refusal, StoredObject
from headgate.gateway.service.background import Settling
from headgate.gateway.service.exhausted import with_holdback
from headgate.gateway.service.underway import Underway
from headgate.kernel.errors import HeadgateError
from headgate.kernel.ids import ExchangeId, mint
from headgate.traffic.model import Admission, Body, Outcome, OutcomeStatus, Screened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from headgate.gateway.model import Call, Change, ModelPolicy, Principal, Settings, Standing
    from headgate.gateway.ports import Objects, Recorder, Telemetry
    from headgate.gateway.service.instants import ForwardClock
    from headgate.gateway.service.knowledge import Knowledge
    from headgate.gateway.service.quota import Quota
    from headgate.gateway.service.screening import Screening
    from headgate.gateway.service.underway import Stop
    from headgate.gateway.wire.surface import Created
    from headgate.kernel.ids import KeyId

_REVIEW_S = 1.0
"""How often an open exchange is decided again."""


class Asking(Protocol):
    """What the door must know of a request; every surface's ``Request`` says it."""

    @property
    def call(self) -> Call:
        """What it asks for."""
        ...

    def texts(self) -> list[str]:
        """Return what a screen must read."""
        ...


class Ending(NamedTuple):
    """How an exchange ended.

    Attributes:
        status: How.
        http_status: The status that the caller was sent, if any.
        prompt_tokens: As the upstream counted, if it did.
        completion_tokens: As the upstream counted, if it did.
        spent_nothing: Whether it is known that no token was spent.
        answer: What was passed on, as far as it is kept.
        detail: For an operator.
    """

    status: OutcomeStatus
    http_status: int | None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    spent_nothing: bool = False
    answer: bytes | Body = b""
    detail: str | None = None


class Door:
    """Admits, watches, settles.

    Args:
        knowledge: What is known.
        quota: What may be spent.
        recorder: Where exchanges are recorded.
        screening: What requests and answers are looked at with.
        objects: Whose the objects are that upstreams keep.
        telemetry: Who watches.
        settings: The worker's settings.
        clock: Tells the time.
    """

    def __init__(
        self,
        *,
        knowledge: Knowledge,
        quota: Quota,
        recorder: Recorder,
        screening: Screening,
        objects: Objects,
        telemetry: Telemetry,
        settings: Settings,
        clock: ForwardClock,
    ) -> None:
        self._knowledge = knowledge
        self._quota = quota
        self._recorder = recorder
        self._objects = objects
        self._settling = Settling(objects, quota)
        self._telemetry = telemetry
        self.screening = screening
        self._settings = settings
        self._clock = clock
        self._open: dict[ExchangeId, Underway] = {}
        self._reviews: deque[tuple[float, Underway]] = deque()
        """When each exchange is decided again, the next one first."""
        self._kept_s = clock.monotonic()
        self.admitted = 0
        self.unrecorded_endings = 0
        self.endings: Counter[str] = Counter()

    @property
    def open(self) -> int:
        """How many exchanges are under way."""
        return len(self._open)

    @property
    def streams(self) -> int:
        """How many of them are streams."""
        return sum(underway.call.stream for underway in self._open.values())

    async def identify(self, key_text: str, client_ip: str | None, *, afresh: bool = False) -> Caller | Refusal:
        """Return who is calling, or why they are turned away before they are heard.

        Args:
            key_text: Their key.
            client_ip: Where they call from.
            afresh: Whether what they themselves changed a moment ago must show.

        Raises:
            Unauthenticated: The key is not one.
            Unavailable: It cannot be looked up.
        """
        generation = self._knowledge.generation
        principal = await self._knowledge.principal(key_text, afresh=afresh)
        refusal = may_list(principal, client_ip=client_ip, now=self._clock.now())
        return Caller(key_text, principal, generation) if refusal is None else refusal

    def models(self, principal: Principal, *, tuned: Sequence[ModelPolicy] = ()) -> list[ModelPolicy]:
        """Return the models that a principal may use by any surface. A gated one is not shown while it cannot be served.

        Args:
            principal: Who asks.
            tuned: Models of theirs that come after those of releases.
        """
        stale, now = self._knowledge.stale, self._clock.now()
        known = (*(policy for _, policy in sorted(self._knowledge.snapshot.models.items())), *tuned)
        return [
            policy
            for policy in (policy.seen_by(principal, now) for policy in known)
            if visible(principal, policy) and not (policy.gated and stale)
        ]

    async def learn(self, model: str) -> None:
        """Find out what a name is before anything is judged that names it.

        Raises:
            Unavailable: It cannot be found out.
        """
        await self._knowledge.learn(model)

    def judge(self, call: Call, principal: Principal) -> Admitted | Refusal:
        """Return what a call would be admitted under now, or why it would not be, and admit nothing."""
        decision = admit(
            call,
            principal,
            self._knowledge.policy(call.model),
            now=self._clock.now(),
            assumed_output_tokens=self._settings.assumed_output_tokens,
        )
        if isinstance(decision, Admitted) and decision.policy.gated and self._knowledge.stale:
            return _stale()
        return decision

    async def admit(self, caller: Caller, request: Asking, body: bytes, *, metered: bool = True) -> Underway | Refusal:
        """Take a request through the door.

        Args:
            caller: Who asks, as they were identified before: they are judged again, by what is known now.
            request: The request, compiled.
            body: The request as the client sent it, for the record.
            metered: Whether it is counted against limits here; what is not is counted by whoever says so.

        Returns:
            The exchange, recorded and ready to be forwarded; or why it is not.

        Raises:
            Unauthenticated: The key is not one any more.
            Unavailable: The key cannot be looked up.
        """
        generation = self._knowledge.generation
        decision = await self._decide(caller, request.call)
        if isinstance(decision, Refusal):
            return decision
        if not metered:
            decision = replace(decision, meters=(), reserved_tokens=0)
        at = self._clock.now()
        exchange_id = ExchangeId(mint("ex", at=at))
        reservation = await self._quota.reserve(decision.meters, tokens=decision.reserved_tokens, exchange_id=exchange_id)
        if isinstance(reservation, Refusal):
            return with_holdback(reservation, decision)
        try:
            screened = await self._screened(decision, request)
            while not isinstance(screened, Refusal) and generation != self._knowledge.generation:
                generation = self._knowledge.generation
                again = await self._decide(caller, request.call)
                if isinstance(again, Refusal):
                    screened = again
                else:
                    decision = again if metered else replace(again, meters=(), reserved_tokens=0)
        except BaseException:
            self._quota.settle(reservation, tokens=0, admitted=False)
            raise
        if isinstance(screened, Refusal):
            self._quota.settle(reservation, tokens=0, admitted=False)
            return screened
        underway = Underway(exchange_id, request.call, decision, reservation, screened, at, self._clock.monotonic())
        # Open from here on: a change that the feed reports while the admission is being written reaches it.
        self._open[exchange_id] = underway
        self._reviews.append((underway.started_s + _REVIEW_S, underway))
        refusal = await self._record(underway, body)
        if refusal is not None:
            return refusal
        if underway.revoked is not None:
            await self.settle(
                underway, Ending(OutcomeStatus.CUT, None, spent_nothing=True, detail="revoked before it was forwarded")
            )
            return underway.revoked
        self.admitted += 1
        return underway

    def onward(
        self, underway: Underway, client: Sequence[tuple[bytes, bytes]], upstream: list[tuple[str, str]]
    ) -> list[tuple[str, str]]:
        """Return the headers that go upstream with an exchange, which is forwarded now.

        Args:
            underway: The exchange.
            client: What the client sent, names in lower case.
            upstream: What would go without anybody watching.
        """
        underway.trace = self._telemetry.begun(underway.exchange_id, underway.call, underway.admitted, underway.at, client)
        return upstream if underway.trace is None else underway.trace.onward(upstream)

    async def settle(self, underway: Underway, ending: Ending) -> None:
        """Settle an exchange, once; settling again is harmless.

        What the upstream counted is charged; what nobody counted is charged as reserved, whatever was relayed.
        """
        if self._open.pop(underway.exchange_id, None) is None:
            return
        if underway.counted_before:
            ending = ending._replace(prompt_tokens=0, completion_tokens=0)
        counted = ending.prompt_tokens is not None and ending.completion_tokens is not None
        if counted:
            used = (ending.prompt_tokens or 0) + (ending.completion_tokens or 0)
            charged = max(0, used - underway.prepaid_tokens)
        else:
            charged = 0 if ending.spent_nothing else max(underway.admitted.reserved_tokens, underway.relayed_frames)
        self._quota.settle(underway.reservation, tokens=charged)
        self.endings[ending.status.value] += 1
        outcome = Outcome(
            exchange_id=underway.exchange_id,
            at=self._clock.now(),
            status=ending.status,
            http_status=ending.http_status,
            prompt_tokens=ending.prompt_tokens,
            completion_tokens=ending.completion_tokens,
            charged_tokens=charged,
            usage_exact=counted,
            duration_ms=(self._clock.monotonic() - underway.started_s) * 1000,
            screened=underway.screened,
            output_screened=underway.output_screened,
            response_body=ending.answer,
            detail=ending.detail,
        )
        self._telemetry.settled(
            underway.call, underway.admitted, outcome, first_byte_s=underway.first_byte_s, trace=underway.trace
        )
        try:
            await self._recorder.settle(outcome)
        except HeadgateError:
            self.unrecorded_endings += 1  # the admission stands; the steward settles it as unknown, at full charge

    async def bind(self, underway: Underway, created: Created) -> None:
        """Bind something that the upstream now keeps to the caller, before anybody is told its identifier.

        Raises:
            Unavailable: It cannot be bound, so nobody may be told.
        """
        principal = underway.admitted.principal
        stored = StoredObject(
            kind=created.kind,
            id=created.id,
            release_id=underway.admitted.policy.release_id,
            model=underway.call.model,
            account_id=principal.account_id,
            grant_id=principal.grant_id,
            organisation_id=principal.organisation_id,
            created=self._clock.now(),
            detail=dict(created.detail) if underway.server is None else {**created.detail, "server": underway.server},
        )
        if created.kind is ObjectKind.RUNNING_RESPONSE:
            now = self.judge(underway.call, principal)
            await self._settling.note(underway, stored, () if isinstance(now, Refusal) else now.meters)
        else:
            await asyncio.to_thread(self._objects.keep, stored)

    async def changed(self, change: Change) -> None:
        """Decide again about every open exchange that a change may touch."""
        touched = [
            underway for underway in self._open.values() if change.touches_policy or change.touches(underway.admitted.principal)
        ]
        if not touched:
            return
        keys = {underway.admitted.principal.key_id for underway in touched if change.touches(underway.admitted.principal)}
        try:
            refreshed = await self._knowledge.refreshed(keys)
        except HeadgateError:
            # What is known to have changed and cannot be read is not served on the strength of what it was.
            for underway in touched:
                if underway.admitted.principal.key_id in keys:
                    underway.revoke(_stale())
            return
        for underway in touched:
            key_id = underway.admitted.principal.key_id
            if key_id in keys and key_id not in refreshed:
                underway.revoke(Refusal(errors.KeyGone("This key is gone.", rule="key")))
            else:
                self._review(underway, refreshed, self._clock.now())

    def end_all(self, stop: Stop) -> None:
        """Stop every open exchange."""
        for underway in list(self._open.values()):
            underway.end(stop)

    def tick(self) -> None:
        """Enforce what passes with time: deadlines, staleness, the places that exchanges hold."""
        now_s = self._clock.monotonic()
        stale = self._knowledge.stale
        for underway in list(self._open.values()):
            underway.expire(now_s)
            if stale and underway.admitted.policy.gated:
                underway.revoke(_stale())
        keep = now_s - self._kept_s >= self._settings.slot_ttl_s / 3
        if keep:
            self._kept_s = now_s
        self._quota.tick(keep_slots=keep)

    def review_due(self) -> None:
        """Decide again about exchanges whose time has come: end dates, and whatever else passes with time.

        Each has its own instant: a thousand streams decided at once would hold up each other's next words.
        """
        now_s = self._clock.monotonic()
        reviews = self._reviews
        while reviews and reviews[0][0] <= now_s:
            _, underway = reviews.popleft()
            if underway.exchange_id in self._open:
                self._review(underway, {}, self._clock.now())
                reviews.append((now_s + _REVIEW_S, underway))

    def _review(self, underway: Underway, refreshed: Mapping[KeyId, Principal], now: datetime) -> None:
        earlier, call = underway.admitted, underway.call
        principal = refreshed.get(earlier.principal.key_id, earlier.principal)
        policy = self._knowledge.policy(call.model)
        if principal is earlier.principal and policy is earlier.policy and not earlier.waits_for_time:
            refusal = may_list(principal, client_ip=call.client_ip, now=now)  # nothing else can have changed
        else:
            underway.principal_is(principal)
            assumed = self._settings.assumed_output_tokens
            decision = admit(call, principal, policy, now=now, assumed_output_tokens=assumed)
            refusal = decision if isinstance(decision, Refusal) else still_admits(earlier, call, decision)
        if refusal is not None:
            underway.revoke(refusal)

    async def _decide(self, caller: Caller, call: Call) -> Admitted | Refusal:
        principal = caller.principal
        if caller.generation != self._knowledge.generation:
            principal = await self._knowledge.principal(caller.key_text)
        await self._knowledge.learn(call.model)
        return self.judge(call, principal)

    async def _screened(self, decision: Admitted, request: Asking) -> Screened | Refusal:
        if not decision.rule.input_screen:
            return Screened.NOT_ASKED
        return await self.screening.prompt(decision, request.texts(), legible=request.call.legible)

    async def _record(self, underway: Underway, body: bytes) -> Refusal | None:
        admitted = underway.admitted
        principal = admitted.principal
        admission = Admission(
            exchange_id=underway.exchange_id,
            at=underway.at,
            worker=self._settings.worker,
            release_id=admitted.policy.release_id,
            version_digest=admitted.policy.version_digest,
            stage=admitted.rule.stage,
            epoch=admitted.rule.epoch,
            account_id=principal.account_id,
            grant_id=principal.grant_id,
            key_id=principal.key_id,
            organisation_id=principal.organisation_id,
            surface=underway.call.surface,
            model=underway.call.model,
            stream=underway.call.stream,
            capabilities=tuple(sorted(underway.call.capabilities)),
            stripped=admitted.stripped,
            end_user=underway.call.end_user,
            reserved_tokens=admitted.reserved_tokens,
            request_body=body,
        )
        try:
            await self._recorder.admit(admission)
        except BaseException as error:
            del self._open[underway.exchange_id]
            self._quota.settle(underway.reservation, tokens=0, admitted=False)
            if isinstance(error, HeadgateError):
                return Refusal(
                    errors.CannotRecord(
                        "This request cannot be recorded now, so it is not served.", rule="every exchange is recorded"
                    )
                )
            raise
        return None

    def standing(self, underway: Underway) -> Sequence[Standing]:
        """Return how the limits of an exchange stand."""
        return self._quota.standing(underway.reservation)


def _stale() -> Refusal:
    return Refusal(
        errors.PolicyStale(
            "The record of who may use this model has not answered for too long, so it is not served.",
            rule="max_stale",
            help="Try again soon.",
        )
    )
