"""The use cases of plans and releases: load, read, decide, save and record in one transaction."""

from headgate.releases.service.control import CONTROLLER, Controller, Tick
from headgate.releases.service.explaining import Explainer, Explanation
from headgate.releases.service.picturing import Picture, Picturing, Rehearsal
from headgate.releases.service.releases import ReleaseService, Stopped
from headgate.releases.service.what_if import WhatIf

__all__ = [
    "CONTROLLER",
    "Controller",
    "Explainer",
    "Explanation",
    "Picture",
    "Picturing",
    "Rehearsal",
    "ReleaseService",
    "Stopped",
    "Tick",
    "WhatIf",
]
