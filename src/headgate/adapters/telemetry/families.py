"""Every number that is published: its name, its labels, its unit, and how the workers' shares of it become one.

Names follow Prometheus (base units, ``_total`` for counters) and, where there is one, OpenTelemetry's convention for generative
AI. A label is something of which there are few: surfaces, served models, stages, codes. Never a key, an account, an address of a
client, or anything that a client wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How a number behaves, and how the shares of several workers become one."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    SUM = "sum"
    """A gauge; the shares are added."""
    MOST = "most"
    """A gauge; the largest share stands for all."""
    LEAST = "least"
    """A gauge; the smallest share stands for all."""


@dataclass(frozen=True, slots=True)
class Family:
    """One published number, for every combination of its labels.

    Attributes:
        name: As Prometheus knows it.
        kind: How it behaves.
        help: What it is, with its unit.
        labels: What it is told apart by.
        bounds: A histogram's upper bounds, ascending.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


_WHERE = ("surface", "model", "stage")
_GEN_AI = ("gen_ai_operation_name", "gen_ai_request_model", "headgate_surface", "headgate_stage")

EXCHANGES = Family(
    "headgate_exchanges_total",
    Kind.COUNTER,
    "Admitted exchanges that have ended, by how and by the HTTP status that the client was sent.",
    (*_WHERE, "outcome", "status"),
)
REFUSALS = Family("headgate_refusals_total", Kind.COUNTER, "Requests that were not admitted, by code.", ("surface", "code"))
TOKENS = Family(
    "headgate_tokens_total",
    Kind.COUNTER,
    "Tokens: prompt and completion as the model server counted them, charged as the limits were.",
    (*_WHERE, "kind"),
)
GUESSED = Family(
    "headgate_usage_estimated_total",
    Kind.COUNTER,
    "Exchanges that were charged without the model server's own count.",
    _WHERE,
)
SCREENS = Family(
    "headgate_screen_results_total",
    Kind.COUNTER,
    "What the screens said of admitted exchanges and of refused requests; unscanned is text that nobody could look at.",
    (*_WHERE, "screen", "result"),
)
DURATION = Family(
    "gen_ai_server_request_duration_seconds",
    Kind.HISTOGRAM,
    "Seconds from the admission of an exchange to its end.",
    _GEN_AI,
    (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)
FIRST_TOKEN = Family(
    "gen_ai_server_time_to_first_token_seconds",
    Kind.HISTOGRAM,
    "Seconds from the admission of a stream to its first byte to the client.",
    _GEN_AI,
    (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
FOLLOWED = Family(
    "headgate_revocation_delay_seconds",
    Kind.HISTOGRAM,
    "Seconds from a ledger entry that may end access to its effect on a worker and on every stream that it carries.",
    (),
    (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
UNRECORDED = Family(
    "headgate_unrecorded_endings_total", Kind.COUNTER, "Endings that could not be recorded; the steward settles them in full."
)
WORKERS = Family("headgate_workers", Kind.SUM, "Workers, by whether they may be sent requests.", ("state",))
IN_FLIGHT = Family("headgate_requests_in_flight", Kind.SUM, "Requests that are being handled.")
OPEN = Family("headgate_exchanges_open", Kind.SUM, "Admitted exchanges that have not ended.")
STREAMS = Family("headgate_streams_open", Kind.SUM, "Those of them that are streams.")
OWED = Family("headgate_spool_owed", Kind.SUM, "Endings that are not on the disk yet.")
POLICY_AGE = Family(
    "headgate_policy_age_seconds", Kind.MOST, "Seconds since the system of record last answered the worker furthest behind."
)
POLICY_SEQ = Family("headgate_policy_sequence", Kind.LEAST, "The ledger entry that the worker furthest behind has followed to.")
STALE = Family("headgate_policy_stale_workers", Kind.SUM, "Workers that refuse gated models because their policy is too old.")
REPLICAS = Family("headgate_upstream_replicas", Kind.SUM, "Workers that see a model server in a state.", ("server", "state"))
ASKED = Family("headgate_upstream_requests_in_flight", Kind.SUM, "Requests that are open at a model server.", ("server",))

FAMILIES = (
    EXCHANGES,
    REFUSALS,
    TOKENS,
    GUESSED,
    SCREENS,
    DURATION,
    FIRST_TOKEN,
    FOLLOWED,
    UNRECORDED,
    WORKERS,
    IN_FLIGHT,
    OPEN,
    STREAMS,
    OWED,
    POLICY_AGE,
    POLICY_SEQ,
    STALE,
    REPLICAS,
    ASKED,
)
BY_NAME = {family.name: family for family in FAMILIES}
