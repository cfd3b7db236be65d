"""Exchanges as safety meets them: settled, with their bodies, and as texts that a person can read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

import msgspec


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text and whose it is.

    Attributes:
        source: ``user``, ``system``, ``tool``, ``answer 1``, ``answer 1 tool call 1`` and so on.
        text: The text, as sent.
    """

    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Texts:
    """Every text of an exchange.

    Attributes:
        prompt: What was asked, or ``None`` when it was not kept.
        completion: What was answered, or ``None`` when it was not kept; empty when the answer had no text.
    """

    prompt: tuple[Passage, ...] | None
    completion: tuple[Passage, ...] | None


class Part(Enum):
    """Which side of an exchange a passage belongs to."""

    PROMPT = "prompt"
    COMPLETION = "completion"


@dataclass(frozen=True, slots=True)
class Mark:
    """Where in a passage a rule matches.

    Attributes:
        part: The side of the exchange.
        passage: Which passage of it, counted from 0.
        start: Its first character.
        end: The character behind its last.
        rule_id: The rule.
    """

    part: Part
    passage: int
    start: int
    end: int
    rule_id: str


@dataclass(frozen=True, slots=True)
class Content:
    """The two bodies of an exchange as they were relayed; either may be empty when it was not kept."""

    request: bytes
    response: bytes


class Settled(msgspec.Struct, frozen=True):
    """A settled exchange, as the exchange log tells it.

    Attributes:
        exchange_id: Which.
        epoch: The epoch that it was admitted under.
        account_id: Who asked.
        at: When it was admitted.
        status: The outcome's status, such as ``COMPLETED``.
        http_status: What upstream answered, if it did.
        response_bytes: How much of an answer was relayed.
    """

    exchange_id: str
    epoch: str
    account_id: str
    at: datetime
    status: str
    http_status: int | None
    response_bytes: int


@dataclass(frozen=True, slots=True)
class SettledPage:
    """Settled exchanges and where to go on from.

    Attributes:
        exchanges: In the log's order.
        cursor: The log's own bookmark behind the last of them; opaque here.
    """

    exchanges: tuple[Settled, ...]
    cursor: str
