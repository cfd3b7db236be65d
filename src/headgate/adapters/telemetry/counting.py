"""One worker's counters: plain numbers in memory, a few additions for each exchange, looked at by others once a second."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headgate.adapters.telemetry import families
from headgate.adapters.telemetry.sheets import Sheet
from headgate.gateway.upstream import Health
from headgate.traffic.model import Screened

if TYPE_CHECKING:
    from headgate.gateway.http import Stats
    from headgate.gateway.model import Admitted, Call
    from headgate.traffic.model import Outcome, OutcomeStatus

_INPUT_BLOCKED = "input.blocked"
_OPERATIONS = {"completions": "text_completion", "responses": "chat", "messages": "chat"}


def operation_of(surface: str) -> str:
    """Return what OpenTelemetry calls the operation of a surface."""
    name = surface.rpartition(".")[2]
    return _OPERATIONS.get(name, name)


class _Spread:
    """A histogram's counts."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class _Cell:
    """What is counted for one surface, model and stage."""

    __slots__ = ("charged", "completion", "duration", "endings", "first_token", "guessed", "input", "output", "prompt")

    def __init__(self) -> None:
        self.endings: Counter[tuple[OutcomeStatus, int | None]] = Counter()
        self.input: Counter[Screened] = Counter()
        self.output: Counter[Screened] = Counter()
        self.prompt = self.completion = self.charged = self.guessed = 0
        self.duration = _Spread(families.DURATION.bounds)
        self.first_token = _Spread(families.FIRST_TOKEN.bounds)


class Counting:
    """Counts what one worker does."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str, str], _Cell] = {}
        self._refusals: Counter[tuple[str, str]] = Counter()
        self._followed = _Spread(families.FOLLOWED.bounds)

    def refused(self, surface: str, code: str) -> None:
        """Count a request that was not admitted."""
        self._refusals[surface, code] += 1

    def followed(self, delay_s: float) -> None:
        """Count a change that was followed, so many seconds after it was recorded."""
        self._followed.add(max(0.0, delay_s))

    def settled(self, call: Call, admitted: Admitted, outcome: Outcome, first_byte_s: float | None) -> None:
        """Count an exchange that has ended."""
        key = (call.surface, admitted.policy.model, admitted.rule.stage)
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = _Cell()
        cell.endings[outcome.status, outcome.http_status] += 1
        cell.charged += outcome.charged_tokens
        if outcome.usage_exact:
            cell.prompt += outcome.prompt_tokens or 0
            cell.completion += outcome.completion_tokens or 0
        else:
            cell.guessed += 1
        if outcome.screened is not Screened.NOT_ASKED:
            cell.input[outcome.screened] += 1
        if outcome.output_screened is not Screened.NOT_ASKED:
            cell.output[outcome.output_screened] += 1
        cell.duration.add(outcome.duration_ms / 1000)
        if call.stream and first_byte_s is not None:
            cell.first_token.add(first_byte_s)

    def sheet(self, stats: Stats, *, owed: int, retiring: bool) -> Sheet:
        """Return all of it, with how the worker is doing.

        Args:
            stats: The gateway's own account.
            owed: Endings that are not on the disk yet.
            retiring: Whether the worker was told to end.
        """
        sheet = Sheet()
        cells = self._cells.items()
        sheet.put(
            families.EXCHANGES,
            {
                (*key, status.value, str(http or "none")): count
                for key, cell in cells
                for (status, http), count in cell.endings.items()
            },
        )
        sheet.put(families.REFUSALS, self._refusals)
        sheet.put(
            families.TOKENS,
            {
                (*key, kind): number
                for key, cell in cells
                for kind, number in (("prompt", cell.prompt), ("completion", cell.completion), ("charged", cell.charged))
            },
        )
        sheet.put(families.GUESSED, {key: cell.guessed for key, cell in cells})
        screened = {
            (*key, screen, result.value): float(count)
            for key, cell in cells
            for screen, results in (("input", cell.input), ("output", cell.output))
            for result, count in results.items()
        }
        screened |= {
            (surface, "", "", "input", Screened.BLOCKED.value): float(count)
            for (surface, code), count in self._refusals.items()
            if code == _INPUT_BLOCKED
        }
        sheet.put(families.SCREENS, screened)
        named = [((operation_of(surface), model, surface, stage), cell) for (surface, model, stage), cell in cells]
        sheet.put_histogram(families.DURATION, {key: (cell.duration.counts, cell.duration.total) for key, cell in named})
        sheet.put_histogram(families.FIRST_TOKEN, {key: (cell.first_token.counts, cell.first_token.total) for key, cell in named})
        sheet.put_histogram(families.FOLLOWED, {(): (self._followed.counts, self._followed.total)})
        _put_standing(sheet, stats, owed=owed, retiring=retiring)
        return sheet


def _put_standing(sheet: Sheet, stats: Stats, *, owed: int, retiring: bool) -> None:
    state = "retiring" if retiring else "ready" if stats.ready else "not_ready"
    sheet.put(families.UNRECORDED, {(): stats.unrecorded_endings})
    sheet.put(families.WORKERS, {(each,): float(each == state) for each in ("ready", "not_ready", "retiring")})
    sheet.put(families.IN_FLIGHT, {(): stats.in_flight})
    sheet.put(families.OPEN, {(): stats.open})
    sheet.put(families.STREAMS, {(): stats.streams})
    sheet.put(families.OWED, {(): owed})
    if stats.policy_age_s != float("inf"):  # before the first answer there is no age
        sheet.put(families.POLICY_AGE, {(): stats.policy_age_s})
    sheet.put(families.POLICY_SEQ, {(): stats.policy_seq})
    sheet.put(families.STALE, {(): float(stats.stale)})
    seen: Counter[tuple[str, ...]] = Counter()
    asked: Counter[tuple[str, ...]] = Counter()
    for standing in stats.servers:
        address = urlsplit(standing.url)
        server = f"{address.hostname}:{address.port}" if address.port else str(address.hostname)
        seen.update({(server, health.value): int(health is standing.health) for health in Health})
        asked[server,] += standing.in_flight
    sheet.put(families.REPLICAS, seen)
    sheet.put(families.ASKED, asked)
