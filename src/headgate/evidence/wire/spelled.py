"""Filed records as JSON for whoever asks, by the command line or over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.evidence.wire import encode
from headgate.kernel.digest import digest_of

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.evidence.importers.interface import Refusal
    from headgate.evidence.model.filing import Filed


def standing(filed: Filed, *, now: datetime) -> str:
    """Return where a record stands, in one word."""
    return filed.standing(now=now).value


def filed_json(filed: Filed, *, now: datetime) -> dict[str, Any]:
    """Return a record with everything that was done to it; ``digest`` is that of the record as it was filed."""
    return {
        "id": filed.id,
        "release": filed.release_id,
        "standing": standing(filed, now=now),
        "versions": sorted(filed.versions),
        "digest": digest_of(encode(filed.record)),
        "revision": filed.revision,
        "record": encode(filed.record),
        "statement": None if filed.statement is None else encode(filed.statement),
        "goalposts": None if filed.goalposts is None else encode(filed.goalposts),
        "finalised": None if filed.finalised is None else encode(filed.finalised),
        "superseded": None if filed.superseded is None else encode(filed.superseded),
        "carried": [encode(carry) for carry in filed.carried],
        "disposed": None if filed.disposed is None else encode(filed.disposed),
    }


def refusal_json(refusal: Refusal) -> dict[str, Any]:
    """Return why a part of a file could not count."""
    return {"part": refusal.part, "reason": refusal.reason.value, "says": refusal.says}
