"""Rows of batches on the record: each an exchange that is admitted before the batch is created and settled when it is over."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.gateway import errors
from headgate.kernel.errors import HeadgateError, NotFound
from headgate.kernel.ids import ExchangeId, mint
from headgate.traffic.model import Admission, Outcome, OutcomeStatus, Screened

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from headgate.gateway.model import Admitted, Call, Settings
    from headgate.gateway.ports import Recorder
    from headgate.gateway.service.door import Door
    from headgate.gateway.service.instants import ForwardClock
    from headgate.gateway.wire.surface import Usage

AT_ONCE = 64
"""How many rows are recorded in one go, so that one commit carries many."""


@dataclass(frozen=True, slots=True)
class OpenRow:
    """A row that was admitted and is not settled.

    Attributes:
        exchange_id: Its exchange.
        reserved_tokens: What it may cost.
        screened: What the input screen said of it.
        admitted_s: When it was admitted, on the monotonic clock.
        late: Whether it was charged before, as an exchange that ended unknown.
    """

    exchange_id: ExchangeId
    reserved_tokens: int
    screened: Screened
    admitted_s: float
    late: bool = False


@dataclass(frozen=True, slots=True)
class RowEnd:
    """How a row ended.

    Attributes:
        status: How.
        charged_tokens: What its account pays.
        detail: For an operator.
        usage: What the upstream counted, if it did.
        http_status: The status of its answer, if it has one.
        output_screened: What the output screen said of its answer.
        answer: Its answer.
    """

    status: OutcomeStatus
    charged_tokens: int
    detail: str
    usage: Usage | None = None
    http_status: int | None = None
    output_screened: Screened = Screened.NOT_ASKED
    answer: bytes = b""


class RowRecord:
    """Records rows.

    Args:
        recorder: Where exchanges are recorded.
        door: Counts the endings that could not be.
        settings: Who records, and how much of an answer.
        clock: Tells the time.
    """

    def __init__(self, *, recorder: Recorder, door: Door, settings: Settings, clock: ForwardClock) -> None:
        self._recorder = recorder
        self._door = door
        self._settings = settings
        self._clock = clock

    def opened(
        self, call: Call, admitted: Admitted, screened: Screened, body: bytes, *, late: bool = False
    ) -> tuple[OpenRow, Admission]:
        """Return a row that may go, and its admission, which is to be recorded.

        Args:
            call: What it asks for.
            admitted: What it is admitted under.
            screened: What the input screen said of it.
            body: The request that it is.
            late: Whether it was charged before.
        """
        at = self._clock.now()
        exchange_id = ExchangeId(mint("ex", at=at))
        reserved = 0 if late else admitted.reserved_tokens
        principal = admitted.principal
        admission = Admission(
            exchange_id=exchange_id,
            at=at,
            worker=self._settings.worker,
            release_id=admitted.policy.release_id,
            version_digest=admitted.policy.version_digest,
            stage=admitted.rule.stage,
            epoch=admitted.rule.epoch,
            account_id=principal.account_id,
            grant_id=principal.grant_id,
            key_id=principal.key_id,
            organisation_id=principal.organisation_id,
            surface=call.surface,
            model=call.model,
            stream=False,
            capabilities=tuple(sorted(call.capabilities)),
            stripped=admitted.stripped,
            end_user=call.end_user,
            reserved_tokens=reserved,
            request_body=body,
        )
        return OpenRow(exchange_id, reserved, screened, self._clock.monotonic(), late), admission

    async def admit(self, admissions: list[Admission]) -> None:
        """Return once admissions are durable.

        Raises:
            CannotRecord: One of them cannot be recorded.
        """
        try:
            await all_of(self._recorder.admit(admission) for admission in admissions)
        except HeadgateError:
            raise errors.CannotRecord(
                "The batch's rows cannot be recorded now, so it is not created.", rule="every exchange is recorded"
            ) from None

    async def settle(self, row: OpenRow, end: RowEnd) -> None:
        """Record how a row ended; again is harmless."""
        outcome = Outcome(
            exchange_id=row.exchange_id,
            at=self._clock.now(),
            status=end.status,
            http_status=end.http_status,
            prompt_tokens=None if end.usage is None else end.usage.prompt_tokens,
            completion_tokens=None if end.usage is None else end.usage.completion_tokens,
            charged_tokens=end.charged_tokens,
            usage_exact=end.usage is not None,
            duration_ms=(self._clock.monotonic() - row.admitted_s) * 1000,
            screened=row.screened,
            output_screened=end.output_screened,
            response_body=end.answer[: self._settings.max_recorded_bytes],
            detail=end.detail,
        )
        try:
            await self._recorder.settle(outcome)
        except NotFound:
            pass  # it never got onto the record, or is settled already
        except HeadgateError:
            self._door.unrecorded_endings += 1  # the admission stands; the steward settles it as unknown, at full charge

    async def close(self, rows: list[OpenRow], detail: str, *, spent_nothing: bool) -> None:
        """Settle rows that have no answer.

        Args:
            rows: The rows.
            detail: Why.
            spent_nothing: Whether it is known that none of them was run.
        """
        status = OutcomeStatus.CUT if spent_nothing else OutcomeStatus.UPSTREAM_FAILED
        for start in range(0, len(rows), AT_ONCE):
            await all_of(
                self.settle(row, RowEnd(status, 0 if spent_nothing else row.reserved_tokens, detail))
                for row in rows[start : start + AT_ONCE]
            )


async def all_of(what: Iterable[Awaitable[None]]) -> None:
    """Do all of it, whatever becomes of each; then raise the first error.

    Raises:
        HeadgateError: One of them did.
    """
    for result in await asyncio.gather(*what, return_exceptions=True):
        if result is not None:
            raise result
