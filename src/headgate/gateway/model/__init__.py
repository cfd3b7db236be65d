"""What the gateway knows while it decides: the compiled policy, who is calling, what is asked for.

Everything here is frozen. A snapshot is replaced as a whole, never mended, so a request sees one policy from its first
byte to its last unless the change feed takes it away. Whatever a value does not name is not allowed: a rule without a
capability refuses it, a key without a scope opens nothing, a state that nobody has heard of serves nobody.
"""

from headgate.gateway.model.calls import (
    ILLEGIBLE,
    Admitted,
    Call,
    Refusal,
    ScreenResult,
)
from headgate.gateway.model.limits import (
    Ceiling,
    Holder,
    Limits,
    Meter,
    Standing,
    Unit,
)
from headgate.gateway.model.objects import (
    ObjectKind,
    StoredObject,
)
from headgate.gateway.model.policy import (
    Holdback,
    ModelPolicy,
    OnExtra,
    OutputScreen,
    PolicySnapshot,
    ReleaseState,
    StageRule,
)
from headgate.gateway.model.principals import (
    Caller,
    Change,
    Principal,
)
from headgate.gateway.model.settings import (
    Settings,
)
from headgate.gateway.model.upstreams import (
    Api,
    Replica,
    Upstream,
)

__all__ = [
    "ILLEGIBLE",
    "Admitted",
    "Api",
    "Call",
    "Caller",
    "Ceiling",
    "Change",
    "Holdback",
    "Holder",
    "Limits",
    "Meter",
    "ModelPolicy",
    "ObjectKind",
    "OnExtra",
    "OutputScreen",
    "PolicySnapshot",
    "Principal",
    "Refusal",
    "ReleaseState",
    "Replica",
    "ScreenResult",
    "Settings",
    "StageRule",
    "Standing",
    "StoredObject",
    "Unit",
    "Upstream",
]
