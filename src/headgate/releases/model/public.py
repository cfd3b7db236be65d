"""What the public may know of a release: everything on its page, or all but what is declared as left out, with the reason."""

from __future__ import annotations

from enum import Enum

from pydantic import Field

from headgate.releases.model.conditions import Part
from headgate.releases.model.scalars import Sentence  # noqa: TC001 - a model's fields


class Publishable(Enum):
    """A part of a release's public page that can be left out. Where the release stands cannot."""

    STAGES = "stages"
    """Who is let in at each stage, and to what."""
    CRITERIA = "criteria"
    """What must be shown before each next stage."""
    SHOWN = "shown"
    """What has been shown so far."""
    NOT_SHOWN = "not_shown"
    """What the evidence could not have seen."""
    EXPOSURE = "exposure"
    """How many have had access."""
    DECISIONS = "decisions"
    """What was decided, and when."""
    INCIDENTS = "incidents"
    """What happened."""


class Public(Part):
    """The release has a public page.

    Attributes:
        left_out: What it does not tell, and why not; the reason stands in its place.
    """

    left_out: dict[Publishable, Sentence] = Field(default_factory=dict[Publishable, str])
