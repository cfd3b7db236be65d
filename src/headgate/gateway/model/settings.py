"""How a worker behaves, whatever the policy says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """How a gateway worker behaves, whatever the policy says.

    Attributes:
        worker: The worker's name, recorded with every exchange and owning its concurrency slots.
        end_user_key: Secret under which end-user names are hashed before they are recorded.
        max_body_bytes: Largest request body, before and after decompression.
        uploads_dir: Where forms wait until they are decided on, on a disk with room; the system's own where absent.
        max_uploads_bytes: The most that all forms of one worker may take up there.
        max_undecided_bytes: The most that large requests may take up in memory before they are decided on; an account a quarter.
        max_in_flight: Most exchanges that one worker carries; more are told to come back.
        body_s: Longest that a client may take to send its body, in seconds.
        send_idle_s: Longest that a client may leave an answer unread, in seconds.
        max_stale_s: Longest that a gated model is served while the system of record does not answer, in seconds.
        assumed_output_tokens: Bound set on an answer where tokens are limited and nobody named a bound.
        max_answer_bytes: Largest answer that is not streamed; a larger one is an upstream failure.
        max_file_bytes: Largest file that may be uploaded.
        max_batch_file_bytes: Largest file of rows for a batch.
        max_batch_rows: Most rows in one such file.
        max_recorded_bytes: Most of an answer that is kept in the record; what is beyond is noted, not kept.
        max_principals: Most principals held in memory.
        slot_ttl_s: How long a concurrency slot outlives its worker, in seconds.
        screen_budget_s: Longest that one look of a screen may take, in seconds.
        window_bytes: How much text is held back, or let go unseen, before the output screen looks at it.
        window_s: Longest that text is held back, in seconds.
        overlap_bytes: How much of the text before a window is looked at with it again.
        access_url: Where to ask for access, put in refusals.
        appeal_url: Where to appeal, put in refusals.
        help_url: Base of the error pages; the code is appended.
    """

    worker: str
    end_user_key: bytes = field(repr=False)
    max_body_bytes: int = 10 * 1024 * 1024
    uploads_dir: Path | None = None
    max_uploads_bytes: int = 4 * 1024**3
    max_undecided_bytes: int = 256 * 1024 * 1024
    max_in_flight: int = 2000
    body_s: float = 30.0
    send_idle_s: float = 60.0
    max_stale_s: float = 60.0
    assumed_output_tokens: int = 4096
    max_answer_bytes: int = 64 * 1024 * 1024
    max_file_bytes: int = 512 * 1024 * 1024
    max_batch_file_bytes: int = 200 * 1024 * 1024
    max_batch_rows: int = 50_000
    max_recorded_bytes: int = 1024 * 1024
    max_principals: int = 50_000
    slot_ttl_s: float = 60.0
    screen_budget_s: float = 0.25
    window_bytes: int = 1024
    window_s: float = 0.3
    overlap_bytes: int = 256
    access_url: str | None = None
    appeal_url: str | None = None
    help_url: str | None = None
