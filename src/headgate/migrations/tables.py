"""Every table of the system of record, from the store that declares it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.access.store import metadata as access
from headgate.evidence.store import metadata as evidence
from headgate.gateway.store import metadata as gateway
from headgate.ledger.store import metadata as ledger
from headgate.releases.store import metadata as releases
from headgate.safety.store import metadata as safety
from headgate.traffic.store import metadata as traffic

if TYPE_CHECKING:
    import sqlalchemy as sa

TABLES: tuple[sa.MetaData, ...] = (ledger, traffic, gateway, releases, access, safety, evidence)
"""One collection per subject; no table of one refers to a table of another."""
