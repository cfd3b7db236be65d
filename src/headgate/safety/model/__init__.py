"""The nouns of safety, frozen.

An **exchange** that something was served for gets a **draw**: its place in the epoch, its score, and the probability with
which a coin sends it to review. A sampled draw is an **item**. A reviewer's **opinion** answers for every hazard of the
release at once; opinions settle into a **standing** per hazard. Nothing here is ever ``None`` to mean "harmless".
"""

from headgate.safety.model.draws import (
    Audit,
    Collected,
    Draw,
    Misfit,
)
from headgate.safety.model.exchanges import (
    Content,
    Mark,
    Part,
    Passage,
    Settled,
    SettledPage,
    Texts,
)
from headgate.safety.model.health import (
    Backlog,
    HazardAgreement,
    HazardWaiting,
    MonitorHealth,
    ReviewerCount,
    ReviewHealth,
    Waits,
)
from headgate.safety.model.incidents import (
    Incident,
    IncidentState,
)
from headgate.safety.model.labels import (
    LEFT_COUNTED,
    OTHER,
    Confidence,
    Opinion,
    ReviewItem,
    Severity,
    Standing,
)
from headgate.safety.model.signals import (
    Reading,
    Screening,
    Signal,
)
from headgate.safety.model.traffic import (
    D_MAX,
    Harm,
    LabelledTraffic,
    LookData,
    Segment,
)

__all__ = [
    "D_MAX",
    "LEFT_COUNTED",
    "OTHER",
    "Audit",
    "Backlog",
    "Collected",
    "Confidence",
    "Content",
    "Draw",
    "Harm",
    "HazardAgreement",
    "HazardWaiting",
    "Incident",
    "IncidentState",
    "LabelledTraffic",
    "LookData",
    "Mark",
    "Misfit",
    "MonitorHealth",
    "Opinion",
    "Part",
    "Passage",
    "Reading",
    "ReviewHealth",
    "ReviewItem",
    "ReviewerCount",
    "Screening",
    "Segment",
    "Settled",
    "SettledPage",
    "Severity",
    "Signal",
    "Standing",
    "Texts",
    "Waits",
]
