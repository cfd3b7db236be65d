"""Simulated people around a running Headgate: members with keys, reviewers who label, approvers who sign.

They do over HTTP what people do, with credentials of their own, and are marked simulated wherever a mark can stand. What a
reviewer answers comes from a ``judge`` that is handed in: invented truth in the demonstration, human labels in a bench.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from headgate.testing.installation import Api, CallFailed

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from headgate.testing.installation import Installation

_SEAT = timedelta(days=30)
_CONFLICT = 409
_FORBIDDEN = 403
_UNAVAILABLE = 503
_IDLE_S = 0.05


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody with a seat.

    Attributes:
        name: What they are called.
        account_id: Their account.
        grant_id: Their seat.
        key_id: Their key's identifier.
        key: Their key's text.
    """

    name: str
    account_id: str
    grant_id: str
    key_id: str
    key: str = field(repr=False)


def member(api: Api, name: str, cohort: str) -> Member:
    """Enter a simulated account with a seat in ``cohort`` and a key for the chat API."""
    account = api("POST", "/api/accounts", {"name": name, "simulated": True})
    ends_at = (datetime.now(UTC) + _SEAT).isoformat()
    grant = api("POST", "/api/grants", {"account_id": account["id"], "cohort": cohort, "ends_at": ends_at})
    key = api("POST", "/api/keys", {"grant_id": grant["id"], "scopes": ["api.chat"], "label": "simulated"})
    return Member(name, account["id"], grant["id"], key["id"], key["key"])


def staff(where: Installation, name: str, *roles: str) -> Api:
    """Enter a member of staff and return the control API as they see it."""
    made = where.api()("POST", "/api/staff", {"name": name, "roles": list(roles)})
    return Api(where.url, made["token"])


class Reviewer:
    """Reads whatever is drawn and answers by ``judge``, until told to stop.

    Args:
        api: The control API as this reviewer sees it.
        judge: Says of a prompt's text which hazards it is a harm of.
    """

    def __init__(self, api: Api, judge: Callable[[str], Mapping[str, bool]]) -> None:
        self._api = api
        self._judge = judge
        self.labels = 0

    def once(self) -> bool:
        """Label one item; return whether there was one."""
        item = self._api("POST", "/api/review/next")["item"]
        if item is None:
            return False
        asked = " ".join(passage["text"] for passage in item["prompt"] or () if passage["source"].startswith("user"))
        found = self._judge(asked)
        harms = {hazard: bool(found.get(hazard, False)) for hazard in item["hazards"]}
        body: dict[str, Any] = {"item": item["item"], "revision": item["revision"], "harms": harms}
        if any(harms.values()):
            body["severity"] = "high"
        try:
            self._api("POST", "/api/review/label", body)
        except CallFailed as failed:
            if failed.status not in (_CONFLICT, _UNAVAILABLE):
                raise
        else:
            self.labels += 1
        return True

    def until(self, stop: threading.Event) -> None:
        """Label until ``stop`` is set."""
        while not stop.is_set():
            if not self.once():
                stop.wait(_IDLE_S)


class Approver:
    """Signs for promotion once nothing but signatures is missing, until told to stop.

    Args:
        api: The control API as this approver sees it.
        release_id: The release.
    """

    def __init__(self, api: Api, release_id: str) -> None:
        self._api = api
        self._release_id = release_id
        self._signed: set[str] = set()

    def once(self) -> bool:
        """Sign if everything else passes; return whether a signature was given."""
        status = self._api("GET", f"/api/releases/{self._release_id}")
        others = [gate for gate in status["gates"] if gate["kind"] != "approval"]
        if not others or any(gate["shown"] != "PASS" for gate in others) or status["state"] != "live":
            return False
        seen = self._api("GET", f"/api/releases/{self._release_id}/to-sign")["seen"]
        if seen in self._signed:
            return False
        try:
            self._api("POST", f"/api/releases/{self._release_id}/approve", {"purpose": "promote", "seen": seen})
        except CallFailed as failed:
            if failed.status not in (_CONFLICT, _FORBIDDEN):
                raise
            return False
        self._signed.add(seen)
        return True

    def until(self, stop: threading.Event) -> None:
        """Look every second until ``stop`` is set."""
        while not stop.is_set():
            self.once()
            stop.wait(0.5)
