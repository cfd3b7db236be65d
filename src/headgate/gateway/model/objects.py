"""What upstreams keep for callers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from headgate.gateway.model.upstreams import Upstream
    from headgate.kernel.ids import AccountId, GrantId, OrganisationId, ReleaseId


class ObjectKind(Enum):
    """What an upstream keeps for a caller under an identifier."""

    RESPONSE = "response"
    FILE = "file"
    BATCH = "batch"
    FINE_TUNING_JOB = "fine_tuning_job"
    TUNED_MODEL = "tuned_model"
    RESPONSE_ITEM = "response_item"
    """A message, a call or a thought of a stored response, by its own identifier."""
    CONTAINER = "container"
    """Where an upstream ran code for a caller."""
    RUNNING_RESPONSE = "running_response"
    """A response that the upstream works on with nobody waiting; known as long as that may be so."""
    MESSAGE = "message"
    """A message of a conversation that the upstream keeps."""
    SPOKEN_ANSWER = "spoken_answer"
    """What a model has said aloud, which a later request may name instead of holding it."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """Something that an upstream keeps, bound to whom it belongs. To everybody else it does not exist.

    Attributes:
        kind: What it is.
        id: What the upstream calls it.
        release_id: The release it was made under.
        model: The served name it was made with; access to it is access to that model. Empty for a file that names none yet.
        account_id: Whose it is.
        grant_id: The grant it was made under.
        organisation_id: Its owner's organisation.
        created: When it was made, aware, in UTC.
        detail: What its surface must remember about it; JSON, never content.
    """

    kind: ObjectKind
    id: str
    release_id: ReleaseId
    model: str
    account_id: AccountId
    grant_id: GrantId
    organisation_id: OrganisationId | None
    created: datetime
    detail: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def at(self, upstream: Upstream) -> Upstream:
        """Return an upstream as it must be asked for this: the one server that keeps it, where there are several."""
        server: Any = self.detail.get("server")
        if server not in {upstream.url, *(replica.url for replica in upstream.replicas)}:
            return upstream
        return replace(upstream, url=server, replicas=tuple(each for each in upstream.replicas if each.url == server))
