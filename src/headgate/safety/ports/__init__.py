"""What safety needs from outside: the exchange log, the plan's review duties, and a place to keep its own state.

A transaction is one change: its rows and its ledger entries are kept together or not at all. A store that cannot answer
raises ``SafetyStoreUnavailable`` and has changed nothing.
"""

from headgate.safety.ports.draws import (
    Bookmark,
    ConfirmedHarm,
    EpochState,
    RecordedBatch,
    Run,
    SamplingStore,
    SamplingTx,
    TossedDraw,
)
from headgate.safety.ports.epochs import (
    Epochs,
    Watch,
)
from headgate.safety.ports.exchanges import (
    Exchanges,
    Spoken,
    Whose,
)
from headgate.safety.ports.golds import (
    GoldStore,
    GoldTx,
)
from headgate.safety.ports.incidents import (
    IncidentStore,
    IncidentTx,
)
from headgate.safety.ports.review import (
    ItemState,
    Mixing,
    ReviewStore,
    ReviewTx,
    Wish,
)

__all__ = [
    "Bookmark",
    "ConfirmedHarm",
    "EpochState",
    "Epochs",
    "Exchanges",
    "GoldStore",
    "GoldTx",
    "IncidentStore",
    "IncidentTx",
    "ItemState",
    "Mixing",
    "RecordedBatch",
    "ReviewStore",
    "ReviewTx",
    "Run",
    "SamplingStore",
    "SamplingTx",
    "Spoken",
    "TossedDraw",
    "Watch",
    "Whose",
    "Wish",
]
