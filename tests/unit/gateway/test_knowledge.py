"""What a worker knows of its callers: copied once, and read again for a caller who just changed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from headgate.gateway.model import PolicySnapshot, Principal, Settings
from headgate.gateway.service.instants import ForwardClock
from headgate.gateway.service.knowledge import Knowledge
from headgate.gateway.service.tuned import Tuned
from headgate.kernel.ids import AccountId, GrantId, KeyId

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from headgate.gateway.model import Change
    from headgate.gateway.ports import Objects
    from headgate.kernel.errors import Refused

KEY = "hg_text"
SETTINGS = Settings(worker="w", end_user_key=b"secret")


def fine(client_ip: str | None, now: datetime) -> Refused | None:
    del client_ip, now


class Record:
    """The system of record: who a key speaks for, numbered by how often that was asked; nothing else is asked of it here."""

    def __init__(self) -> None:
        self.asked = 0

    def authenticate(self, key_text: str) -> Principal:
        assert key_text == KEY
        self.asked += 1
        return Principal(KeyId("key"), AccountId("acc"), None, GrantId("grt"), f"cohort {self.asked}", frozenset(), 100, fine)

    def refresh(self, key_ids: Collection[KeyId]) -> Mapping[KeyId, Principal]:
        raise NotImplementedError

    def load(self) -> PolicySnapshot:
        return PolicySnapshot(0, {})

    def position(self) -> int:
        return 0

    def wait(self, after: int, timeout_s: float) -> Change:
        raise NotImplementedError


async def test_a_caller_is_looked_up_once_and_afresh_where_what_they_just_changed_must_show() -> None:
    record, clock = Record(), ForwardClock()
    knowledge = Knowledge(record, record, record, Tuned(cast("Objects", None), clock), SETTINGS, clock)
    assert [(await knowledge.principal(KEY)).cohort for _ in range(2)] == ["cohort 1", "cohort 1"]
    assert (await knowledge.principal(KEY, afresh=True)).cohort == "cohort 2"
    assert (await knowledge.principal(KEY)).cohort == "cohort 2", "what was read afresh is what is known from then on"
    await knowledge.stop()
