"""Readings of users as JSON: their inputs, and how to work them out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.evidence.decide.users import read_users, unreadable_users
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model.reviewing import Readers
from headgate.evidence.model.users import LabelledUsers, UsersClaim, UsersReading
from headgate.evidence.wire import FORMAT, decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

USERS = "users"


def users_inputs(seen: LabelledUsers, claim: UsersClaim, readers: Readers | None = None) -> dict[str, Any]:
    """Return the inputs of a reading of users."""
    inputs = {"format": FORMAT, "kind": USERS, "users": encode(seen), "claim": encode(claim)}
    return inputs if readers is None else {**inputs, "readers": encode(readers)}


def failed_inputs(claim: UsersClaim, failure: str) -> dict[str, Any]:
    """Return the inputs of a reading whose users could not be had; ``failure`` is its sentence."""
    return {"format": FORMAT, "kind": USERS, "failure": failure, "claim": encode(claim)}


def claim_of(inputs: Mapping[str, Any]) -> UsersClaim:
    """Return the claim that a reading was about.

    Raises:
        NotEvidence: They are not the inputs of a reading of users.
    """
    if inputs.get("format") != FORMAT or inputs.get("kind") != USERS:
        raise NotEvidence(f"These are not the inputs of a {USERS} reading, format {FORMAT}.")
    return decode(inputs.get("claim"), UsersClaim)


def replay_users(inputs: Mapping[str, Any]) -> UsersReading:
    """Work a reading of users out again from its inputs.

    Raises:
        NotEvidence: They are not the inputs of a reading of users.
    """
    claim = claim_of(inputs)
    failure = inputs.get("failure")
    if isinstance(failure, str):
        return unreadable_users(claim, failure)
    readers = decode(inputs["readers"], Readers) if "readers" in inputs else None
    return read_users(decode(inputs.get("users"), LabelledUsers), claim, readers)
