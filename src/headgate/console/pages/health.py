"""Health: how each part of this installation is doing, the worst first in the sentence at the top."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.console.visit import Screen, Shown, Visit
from headgate.console.vitals import Standing, worst
from headgate.kernel.actor import Permission

if TYPE_CHECKING:
    from headgate.console.desks import Desks
    from headgate.console.visit import Table


def table(desks: Desks) -> Table:
    """Return the address of health."""

    def show(visit: Visit) -> Shown:
        groups = desks.vitals.look(by=visit.actor)
        every = [vital for _, vitals in groups for vital in vitals]
        troubled = [vital for vital in every if vital.standing is not Standing.WELL]
        return Shown("console/health.html", {"groups": groups, "worst": worst(every).value, "troubled": troubled})

    return (Screen("/health", show, Permission.VIEW),)
