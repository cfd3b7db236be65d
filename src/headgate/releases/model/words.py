"""The closed lists of words that a plan is written with."""

from __future__ import annotations

from enum import Enum


class EndState(Enum):
    """How far the ladder goes."""

    INTERNAL = "internal"
    API_LIMITED = "api_limited"
    API_GENERAL = "api_general"
    WEIGHTS_GATED = "weights_gated"
    WEIGHTS_PUBLIC = "weights_public"


class Purpose(Enum):
    """A kind of risk that releasing in stages is meant to lower."""

    MISUSE = "misuse"
    ACCIDENT = "accident"
    SOCIETAL = "societal"
    MISALIGNMENT = "misalignment"


class Severity(Enum):
    """How bad a hazard or an incident is, from worst to least."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Admission(Enum):
    """How a seat is come by."""

    INVITE = "invite"
    APPLICATION = "application"
    OPEN = "open"


class Surface(Enum):
    """A way in."""

    CHAT_PAGE = "chat_page"
    API_CHAT = "api.chat"
    API_RESPONSES = "api.responses"
    API_MESSAGES = "api.messages"
    API_EMBEDDINGS = "api.embeddings"
    API_COMPLETIONS = "api.completions"
    API_FILES = "api.files"
    API_BATCHES = "api.batches"
    API_FINE_TUNING = "api.fine_tuning"
    API_MODERATIONS = "api.moderations"
    API_IMAGES = "api.images"
    API_AUDIO = "api.audio"
    API_REALTIME = "api.realtime"
    WEIGHTS = "weights"


SERVED_SURFACES = frozenset(Surface) - {Surface.API_REALTIME, Surface.WEIGHTS}
"""The surfaces this build answers; a plan may name the others, and they stay refused."""


class Api(Enum):
    """An interface that a model server speaks."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    BOTH = "both"


ANTHROPIC_SURFACES = frozenset({Surface.API_MESSAGES})
"""The surfaces of the Anthropic API; every other ``api.`` surface is one of the OpenAI API."""


class Capability(Enum):
    """A right on a surface."""

    STREAMING = "streaming"
    TOOLS = "tools"
    PARALLEL_TOOL_CALLS = "parallel_tool_calls"
    LOGPROBS = "logprobs"
    N = "n"
    SEED = "seed"
    SYSTEM_PROMPT = "system_prompt"
    RESPONSE_FORMAT = "response_format"
    IMAGE_INPUT = "image_input"
    AUDIO_INPUT = "audio_input"
    FILE_INPUT = "file_input"
    AUDIO_OUTPUT = "audio_output"
    THINKING = "thinking"
    HOSTED_TOOLS = "hosted_tools"
    STORED = "stored"
    BACKGROUND = "background"
    PREFILL = "prefill"
    FINE_TUNING = "fine_tuning"
    TOKEN_INPUT = "token_input"  # noqa: S105 - a prompt of token numbers, no secret


class OnExtra(Enum):
    """What happens to a request that asks for a capability it does not have."""

    REFUSE = "refuse"
    STRIP = "strip"


class Flagged(Enum):
    """What happens to an exchange that a detector flags."""

    REVIEW_ALL = "review_all"
    NONE = "none"


class OutputScreen(Enum):
    """When the response is screened, from least to most."""

    NONE = "none"
    AFTER = "after"
    TRAIL = "trail"
    HOLD_BACK = "hold_back"


class Reaction(Enum):
    """What a failed gate or a tripped wire does, from mildest to hardest."""

    HOLD = "hold"
    NARROW = "narrow"
    CUT = "cut"


class Scenario(Enum):
    """How a model is exposed, and so what an evaluation of it must allow for."""

    API = "api"
    """Through the gateway: what is seen can be stopped."""
    THEFT = "theft"
    """The weights are stolen."""
    OPEN_WEIGHTS = "open_weights"
    """The weights are given away: nothing can be taken back, and anybody may train them further."""


class Measures(Enum):
    """What an evaluation is evidence of; one kind says nothing of another."""

    CAPABILITY = "capability"
    """What the model can do when somebody tries to make it."""
    SAFEGUARD = "safeguard"
    """How refusals, screens and filters hold."""
    REDTEAM = "redteam"
    """What those who attack it achieved."""


class Safer(Enum):
    """Which way a metric is better news for safety."""

    LOWER = "lower"
    HIGHER = "higher"


class Opinion(Enum):
    """What an auditor concludes, from best to worst."""

    UNQUALIFIED = "unqualified"
    """Nothing stands in the way."""
    QUALIFIED = "qualified"
    """Nothing stands in the way but what is named."""
    ADVERSE = "adverse"
    """It is not as it is said to be."""
    DISCLAIMER = "disclaimer"
    """Too little could be seen to say."""


class Waivable(Enum):
    """Whether a gate or an approval may be waived."""

    NEVER = "never"
    TWO_PEOPLE = "two_people"


class Precondition(Enum):
    """Something that must have been shown before an irreversible stage may open."""

    API_STAGE_COMPLETED = "api_stage_completed"
    OPEN_WEIGHTS_THRESHOLDS = "open_weights_thresholds"
    FINE_TUNED_WORST_CASE = "fine_tuned_worst_case"
    CONTROL_LOSS_ACKNOWLEDGED = "control_loss_acknowledged"


CONTROL_LOSS = "control_loss"
"""The scope of an outside audit that has looked at what nobody can do any more once weights are out: stop, mend, or see."""
