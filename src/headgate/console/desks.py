"""Whom the pages ask: the services of the subjects, as one value. A page holds nothing else and decides nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.access.service import Access
    from headgate.access.service.passkeys import Passkeys
    from headgate.access.service.providers import Providers
    from headgate.console.trials import Simulations
    from headgate.console.vitals import Vitals
    from headgate.evidence.service import Filing
    from headgate.evidence.service.comparing import Comparing
    from headgate.evidence.service.forecasting import Forecasting
    from headgate.kernel.clock import Clock
    from headgate.ledger.service import Ledger
    from headgate.releases.service import Picturing, ReleaseService
    from headgate.releases.service.drafting import Drafting
    from headgate.reports.gate import Reporting
    from headgate.safety.service.desk import Desk


@dataclass(frozen=True, slots=True)
class Desks:
    """The services behind the pages.

    Attributes:
        access: Who gets in, staff and their sessions among them.
        passkeys: The passkeys of staff.
        providers: Ways in by an OpenID provider; ``None`` where none is set.
        releases: Plans and where they stand.
        picturing: The same, as a page shows it.
        reporting: What can be handed on of them.
        safety: Draws, review, gold items and incidents.
        filing: Evidence that was handed in.
        forecasting: What was predicted, and how it turned out.
        comparing: Epochs beside each other.
        ledger: What was decided.
        drafting: Texts of plans that somebody looks at.
        simulations: Who plays them.
        vitals: Who can tell how the parts are doing.
        clock: The time.
        origin: Where browsers reach this installation: ``https://gate.example``.
    """

    access: Access
    passkeys: Passkeys
    providers: Providers | None
    releases: ReleaseService
    picturing: Picturing
    reporting: Reporting
    safety: Desk
    filing: Filing
    forecasting: Forecasting
    comparing: Comparing
    ledger: Ledger
    drafting: Drafting
    simulations: Simulations
    vitals: Vitals
    clock: Clock
    origin: str
