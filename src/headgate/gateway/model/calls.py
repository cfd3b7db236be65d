"""What is asked for, and what was decided about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.gateway.model.limits import Meter, Standing
    from headgate.gateway.model.policy import ModelPolicy, StageRule
    from headgate.gateway.model.principals import Principal
    from headgate.kernel.errors import HeadgateError

ILLEGIBLE = frozenset({"image_input", "audio_input", "file_input", "other_input"})
"""Capabilities of requests that hold more than a screen of text can read."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, whatever surface it came by: all that a decision may look at.

    Attributes:
        surface: The way in, such as ``api.chat``.
        model: What the client called the model.
        stream: Whether the answer is to be streamed.
        capabilities: Every right that the request makes use of.
        input_tokens: Estimated prompt tokens, never zero.
        output_tokens: Most completion tokens that the client allows one choice; ``None`` if it set no bound.
        choices: How many answers it asked for; none where what is answered is not text that a model writes.
        turns: How many user messages it carries.
        client_ip: Where it came from, as far as the server knows.
        end_user: The keyed hash of the end user that the client named.
        prompts: How many prompts it carries, each answered by itself.
        media_tokens: What the images and sounds of the answer are taken to cost, in tokens.
        scannable: Whether an output screen can read all of the answer: images and sound it cannot.
    """

    surface: str
    model: str
    stream: bool
    capabilities: frozenset[str]
    input_tokens: int
    output_tokens: int | None
    choices: int
    turns: int
    client_ip: str | None = None
    end_user: str | None = None
    prompts: int = 1
    media_tokens: int = 0
    scannable: bool = True

    @property
    def legible(self) -> bool:
        """Whether a screen of text can read all of the request: images, sound, files and what nobody knows it cannot."""
        return ILLEGIBLE.isdisjoint(self.capabilities)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A call that may go ahead, and under what.

    Attributes:
        policy: The model's policy at the time.
        rule: The stage's rule that admitted it.
        principal: Who is calling.
        stripped: Capabilities taken out of the request, sorted.
        output_cap: Bound on completion tokens that Headgate sets per choice; ``None`` leaves the request's own.
        reserved_tokens: Tokens set aside until usage is known.
        meters: The limits that must be reserved, in order.
        held_back: The rule that others of the cohort have, and until when this caller has not; ``None`` where they have the same.
    """

    policy: ModelPolicy
    rule: StageRule
    principal: Principal
    stripped: tuple[str, ...]
    output_cap: int | None
    reserved_tokens: int
    meters: tuple[Meter, ...]
    held_back: tuple[StageRule, datetime] | None = None

    @property
    def waits_for_time(self) -> bool:
        """Whether the same call would be admitted under another rule by nothing but the passing of time."""
        return self.held_back is not None or self.rule.holdback is not None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that may not go ahead.

    Attributes:
        error: Why, for the person who asked.
        param: The field of the request that it is about, if it is about one.
        standings: How the limits stand, where one of them refused; as far as that is known.
        meter: The limit that refused, where one did.
    """

    error: HeadgateError
    param: str | None = None
    standings: tuple[Standing, ...] = ()
    meter: Meter | None = None


@dataclass(frozen=True, slots=True)
class ScreenResult:
    """What a screen says of a request, or of an answer.

    Attributes:
        blocked: Whether it must not go ahead, or be shown.
        hazard: The hazard it matched, when blocked.
        rule_id: The rule that matched, when blocked.
        why: One sentence for the caller, when blocked; never the text that matched.
    """

    blocked: bool
    hazard: str | None = None
    rule_id: str | None = None
    why: str | None = None
