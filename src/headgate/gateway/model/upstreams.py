"""Model servers, and what they speak."""

from __future__ import annotations

from dataclasses import dataclass, field

from headgate.kernel.words import Word


class Api(Word):
    """A published interface that a client or a model server speaks."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


@dataclass(frozen=True, slots=True)
class Replica:
    """One of several servers of the same model.

    Attributes:
        url: Its base, version included.
        concurrency: Most exchanges at one time from one worker; ``None`` for no bound.
    """

    url: str
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class Upstream:
    """The model server behind a release.

    Attributes:
        url: Its base, version included: ``http://127.0.0.1:8000/v1``.
        model: What it calls the model.
        api_key: Headgate's own credential there; the client's key never leaves Headgate.
        connect_s: Longest wait for a connection, in seconds.
        first_byte_s: Longest wait for the answer's status line, in seconds.
        idle_s: Longest silence within an answer, in seconds.
        total_s: Longest exchange, in seconds.
        output_cap_field: The field that bounds an answer's length there, for caps that Headgate adds.
        apis: What it speaks; a surface of another API is not served by it.
        replicas: More servers of the same model, beside ``url``.
        servers: All of them; a replica that names the first one's own address says how busy that may be.
    """

    url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    connect_s: float = 5.0
    first_byte_s: float = 600.0
    idle_s: float = 120.0
    total_s: float = 3600.0
    output_cap_field: str = "max_tokens"
    apis: frozenset[Api] = frozenset({Api.OPENAI})
    replicas: tuple[Replica, ...] = ()
    servers: tuple[Replica, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        servers = {server.url: server for server in (Replica(self.url), *self.replicas)}
        object.__setattr__(self, "servers", tuple(servers.values()))
