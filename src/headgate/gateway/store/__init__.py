"""What workers share: where limits are counted, and whose the objects are that upstreams keep."""

from headgate.gateway.store.leases import SLICES, SqlLeases, quota, remove_what_is_over, slot
from headgate.gateway.store.objects import Keeping, SqlObjects, remove_what_is_kept_no_more, stored_object
from headgate.gateway.store.tables import metadata

__all__ = [
    "SLICES",
    "Keeping",
    "SqlLeases",
    "SqlObjects",
    "metadata",
    "quota",
    "remove_what_is_kept_no_more",
    "remove_what_is_over",
    "slot",
    "stored_object",
]
