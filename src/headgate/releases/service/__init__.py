"""The use cases of plans and releases: load, read, decide, save and record in one transaction."""

from headgate.releases.service.control import Controller, Tick
from headgate.releases.service.releases import ReleaseService, Stopped

__all__ = ["Controller", "ReleaseService", "Stopped", "Tick"]
