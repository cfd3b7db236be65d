"""Comparing a stage's people with those who are held back from it: now, and ever, as an alarm that stays raised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.evidence import wire
from headgate.evidence.decide.comparing import CAVEAT
from headgate.evidence.decide.holdback import read_comparison
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model import Measured
from headgate.evidence.service.bells import Bell, Bells
from headgate.evidence.wire.holdback import holdback_inputs, replay_holdback
from headgate.kernel.actor import Permission

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.evidence.model.holdback import Compared, ComparisonReading, HoldbackRule
    from headgate.evidence.ports import HeldBackSource, Records
    from headgate.kernel.actor import Actor
    from headgate.kernel.clock import Clock


class HeldBack:
    """Answers whether new access raised harm.

    Args:
        source: Who was served on which side.
        records: Where readings and alarms are kept.
        clock: The time.
    """

    def __init__(self, source: HeldBackSource, records: Records, clock: Clock) -> None:
        self._source = source
        self._bells = Bells(records, clock)

    def alarm(self, epoch: str, tripwire: str, rule: HoldbackRule) -> Measured[ComparisonReading]:
        """Return what both sides of an epoch show, now, or what they showed when they raised the alarm.

        Args:
            epoch: The epoch of those who have the new access.
            tripwire: The comparison's name in the plan.
            rule: Its rule, the same in every call.

        Raises:
            RuleChanged: The rule is not the one that the comparison began with.
            NotEvidence: The rule, or a day, contradicts itself.
            headgate.kernel.errors.Unavailable: A source or the store does not answer; nothing was changed.
        """

        def read(compared: tuple[Compared, ...]) -> tuple[ComparisonReading, Mapping[str, Any]]:
            return read_comparison(compared, rule), holdback_inputs(compared, rule)

        return self._bells.hear(
            Bell(
                epoch=epoch,
                tripwire=tripwire,
                rule=wire.encode(rule),
                about=", ".join(rule.hazards),
                look=lambda: self._source.compared(epoch, rule),
                read=read,
                raised=lambda reading: reading.risen,
                replay=replay_holdback,
            )
        )

    def now(self, named: str, *, by: Actor) -> Measured[ComparisonReading]:
        """Return what both sides of a stage show now, whatever an alarm has said of them; it raises none.

        Args:
            named: The stage's epoch, or a release, or its model: then the widest stage that is open is meant.
            by: Who asks.

        Raises:
            Forbidden: ``by`` may not look.
            headgate.kernel.errors.NotFound: There is no such release.
            NotEvidence: Nobody is held back from the epoch's stage, so there is nothing to compare with.
            headgate.kernel.errors.Unavailable: It cannot be read just now.
        """
        by.must(Permission.VIEW)
        epoch = self._source.epoch(named)
        rule = self._source.rule(epoch)
        if rule is None:
            raise NotEvidence(
                f"Nobody is held back from {epoch}. {CAVEAT}",
                help="Add holdback: {share: 0.1, window: 7d} to the stage before it opens.",
            )
        compared = self._source.compared(epoch, rule)
        return Measured(epoch, read_comparison(compared, rule), holdback_inputs(compared, rule))
