"""Which of several servers of one model is asked next, and how each of them is doing; for one worker.

The least busy of those that are well and below their bound is asked; of equals, the one that was asked longest ago. Where all
that are well are full, the caller comes back: a request is not queued here, and not pushed onto a server that is unwell.

A server that could not be reached, or that failed several times running, is rested for a while that doubles with each
relapse. The while is spread by chance, so that the workers of a house do not come back to it in one instant. After it one
request is the server's trial; where servers are checked, it is checked before that. Only what was asked after a rest began
says anything about the end of that rest: a long stream that ends well proves nothing about new requests.

This chooses among servers and never shuts the door: where nobody is well, whoever is due soonest is asked all the same. So a
client whose requests make a server fail can at most make it share its work with others.

No clock and no chance in here: both are arguments. Nothing waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from headgate.gateway.model import Replica

FAILURES = 5
"""How many failures running make a server unwell; being out of reach does so at once."""
FIRST_REST_S = 1.0
LONGEST_REST_S = 60.0
_MOST_REMEMBERED = 1024


class Health(Enum):
    """How a server is doing, as far as this worker has seen."""

    WELL = "well"
    RESTING = "resting"
    """It is not asked while somebody else can be."""
    ON_TRIAL = "on_trial"
    """It has rested; one request at a time tells whether it is well."""


class Verdict(Enum):
    """What the end of a request says about the server that was asked."""

    SERVED = "served"
    FAILED = "failed"
    """An answer of 5xx, a broken one, or none in time."""
    NOT_REACHED = "not_reached"
    UNKNOWN = "unknown"
    """The request was called off before it could say anything."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A place at a server; to be given back with :meth:`Replicas.ended`.

    Attributes:
        url: The server's base.
        turn: When it was chosen, counted in choices.
    """

    url: str
    turn: int


@dataclass(frozen=True, slots=True)
class AllBusy:
    """Every server that may be asked is as busy as it may be."""


@dataclass(frozen=True, slots=True)
class NoneLeft:
    """Every server has been tried already."""


@dataclass(frozen=True, slots=True)
class ServerStanding:
    """How one server is doing.

    Attributes:
        url: Its base.
        health: As far as this worker has seen.
        in_flight: Requests that this worker has open there.
    """

    url: str
    health: Health
    in_flight: int


@dataclass(slots=True)
class _Server:
    in_flight: int = 0
    failures: int = 0
    health: Health = Health.WELL
    rest_s: float = 0.0
    rested_until_s: float = 0.0
    rested_turn: int = 0
    trial_turn: int = 0
    """The choice that is its trial, or 0."""
    last_turn: int = 0

    @property
    def may_be_asked(self) -> bool:
        return self.health is Health.WELL or (self.health is Health.ON_TRIAL and not self.trial_turn)

    @property
    def is_remembered(self) -> bool:
        return self.in_flight > 0 or self.health is not Health.WELL


class Replicas:
    """The servers that this worker has met, by their base address.

    Args:
        checked: Whether somebody checks rested servers, see :meth:`due`; otherwise a rested server goes on trial by itself.
    """

    def __init__(self, *, checked: bool = False) -> None:
        self._checked = checked
        self._servers: dict[str, _Server] = {}
        self._turn = 0

    def choose(self, offered: Sequence[Replica], *, now_s: float, tried: Collection[str] = ()) -> Chosen | AllBusy | NoneLeft:
        """Return whom to ask, and count the request as open there.

        Args:
            offered: The servers of the model, each with its bound.
            now_s: The monotonic clock.
            tried: Those that were asked for this request already.
        """
        if len(offered) == 1 and not tried:  # as most models have it: nothing to choose from
            (only,) = offered
            server = self._server(only.url, now_s)
            if server.health is Health.WELL and _has_room(only, server):
                return self._take(only.url, server)
        left = [(replica, self._server(replica.url, now_s)) for replica in offered if replica.url not in tried]
        if not left:
            return NoneLeft()
        room = [(replica.url, server) for replica, server in left if _has_room(replica, server)]
        fit = [(url, server) for url, server in room if server.may_be_asked]
        if fit:
            url, server = min(fit, key=lambda pair: (pair[1].in_flight, pair[1].last_turn))
        elif not room or any(server.health is Health.WELL for _, server in left):
            return AllBusy()
        else:
            url, server = min(room, key=lambda pair: (pair[1].rested_until_s, pair[1].in_flight))
        return self._take(url, server)

    def ended(self, chosen: Chosen, verdict: Verdict, *, now_s: float, chance: float) -> None:
        """Give a place back, and learn from how the request ended.

        Args:
            chosen: The place.
            verdict: What the end says about the server.
            now_s: The monotonic clock.
            chance: A number in ``[0, 1)``, drawn for this call, that spreads a rest.
        """
        server = self._servers[chosen.url]
        server.in_flight -= 1
        trial = server.trial_turn == chosen.turn
        if trial:
            server.trial_turn = 0
        if verdict is Verdict.UNKNOWN or chosen.turn <= server.rested_turn:
            return
        if verdict is Verdict.SERVED:
            server.health, server.failures, server.rest_s = Health.WELL, 0, 0.0
            return
        server.failures += 1
        if verdict is Verdict.NOT_REACHED or server.failures >= FAILURES or server.health is not Health.WELL:
            self._rest(server, now_s, chance)

    def due(self, *, now_s: float) -> list[str]:
        """Return the servers whose rest is over and that wait to be checked."""
        return [
            url for url, server in self._servers.items() if server.health is Health.RESTING and now_s >= server.rested_until_s
        ]

    def checked(self, url: str, *, well: bool, now_s: float, chance: float) -> None:
        """Take in what a check found: a server that answers goes on trial, one that does not rests again.

        Args:
            url: The server.
            well: Whether it answered.
            now_s: The monotonic clock.
            chance: A number in ``[0, 1)``, drawn for this call, that spreads a rest.
        """
        server = self._servers.get(url)
        if server is None or server.health is not Health.RESTING:
            return
        if well:
            server.health = Health.ON_TRIAL
        else:
            self._rest(server, now_s, chance)

    def standings(self) -> list[ServerStanding]:
        """Return how every server is doing that this worker has met."""
        return [ServerStanding(url, server.health, server.in_flight) for url, server in self._servers.items()]

    def _take(self, url: str, server: _Server) -> Chosen:
        self._turn += 1
        server.in_flight += 1
        server.last_turn = self._turn
        if server.health is Health.ON_TRIAL and not server.trial_turn:
            server.trial_turn = self._turn
        return Chosen(url, self._turn)

    def _rest(self, server: _Server, now_s: float, chance: float) -> None:
        server.rest_s = min(LONGEST_REST_S, 2 * server.rest_s or FIRST_REST_S)
        server.rested_until_s = now_s + server.rest_s * (0.5 + chance)
        server.rested_turn = self._turn
        server.trial_turn = 0
        server.failures = 0
        server.health = Health.RESTING

    def _server(self, url: str, now_s: float) -> _Server:
        server = self._servers.get(url)
        if server is None:
            if len(self._servers) >= _MOST_REMEMBERED:
                self._servers = {
                    known: met for known, met in self._servers.items() if met.in_flight or met.health is not Health.WELL
                }
            server = self._servers[url] = _Server()
        elif server.health is Health.RESTING and not self._checked and now_s >= server.rested_until_s:
            server.health = Health.ON_TRIAL
        return server


def _has_room(replica: Replica, server: _Server) -> bool:
    return replica.concurrency is None or server.in_flight < replica.concurrency
