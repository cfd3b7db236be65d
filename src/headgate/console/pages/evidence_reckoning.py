"""Reckoning with what was measured: how predictions turned out, two epochs beside each other, and what a holdback shows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headgate.console.visit import Screen, Shown, Visit
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model.comparing import HoldbackClaim
from headgate.kernel.actor import Permission
from headgate.kernel.errors import HeadgateError, NotFound
from headgate.reports.predictions import of_bounds, of_paces

if TYPE_CHECKING:
    from headgate.console.desks import Desks
    from headgate.console.visit import Table
    from headgate.evidence.model.comparing import BeforeAfter, HoldbackReading

_MOST_HARMS_DIGITS = 9


def table(desks: Desks) -> Table:
    """Return the addresses of reckoning."""

    def calibration(visit: Visit) -> Shown:
        found = desks.forecasting.calibration(by=visit.actor)
        bounds = (("In what came later in the same epoch", found.later), ("In the next epoch of the release", found.following))
        drawn = {name: of_bounds(score, name) for name, score in bounds if score is not None}
        pace = None if found.pace is None else of_paces(found.pace, "Labels to a pass")
        return Shown("console/evidence_calibration.html", {"found": found, "bounds": bounds, "drawn": drawn, "pace": pace})

    def comparing(visit: Visit) -> Shown:
        said = {name: visit.query.get(name, "").strip() for name in ("before", "after", "hazard", "new", "old", "share")}
        beside: BeforeAfter | None = None
        held_back: HoldbackReading | None = None
        trouble: HeadgateError | None = None
        try:
            if said["before"] and said["after"] and said["hazard"]:
                beside = desks.comparing.before_after(said["before"], said["after"], said["hazard"], by=visit.actor)
            if said["new"] and said["old"]:
                claim = HoldbackClaim(_count(said["new"]), _count(said["old"]), _share(said["share"] or "0.9"), 0.05)
                held_back = desks.comparing.holdback(claim, by=visit.actor)
        except (NotEvidence, NotFound) as why:
            trouble = why
        given = {"filled": said, "beside": beside, "held_back": held_back, "trouble": trouble}
        return Shown("console/evidence_comparing.html", given, 200 if trouble is None else 422)

    return (
        Screen("/evidence/calibration", calibration, Permission.VIEW),
        Screen("/evidence/comparing", comparing, Permission.VIEW),
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_HARMS_DIGITS):
        raise NotEvidence("Harms are counted in whole numbers.")
    return int(text)


def _share(text: str) -> float:
    try:
        read = float(text)
    except ValueError:
        read = math.nan
    if not math.isfinite(read):
        raise NotEvidence("The share is a number between 0 and 1.")
    return read
