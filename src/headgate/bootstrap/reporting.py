"""Who makes reports, put together: for the console, and for the command line, which opens no page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.look.assets import Assets
from headgate.look.pages import Pages
from headgate.reports.gate import Reporting

if TYPE_CHECKING:
    from headgate.bootstrap.wiring import House


def reporting_of(house: House) -> Reporting:
    """Return who makes reports; its pages need no address."""
    pages = Pages("headgate.reports", assets=Assets("headgate.look"))
    return Reporting(
        house.picturing,
        house.desk.incidents,
        house.ledger,
        lambda ids, by: house.access.staff.names(ids, by=by),
        pages,
    )
