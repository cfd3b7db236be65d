"""Which access a held-back account keeps, while which stage is open, and what the ledger says of it.

The access is that of the last stage below which named the same cohort. Where none did, the people are new, and have no old
access of their own: they get the level of the stage just below, which is what this stage's opening would have been measured
against, not nothing. A group that is shut out shows no harm, whatever access does, so nothing could be compared with it.

Held back never means more: what the later stage does not allow is not kept, and a limit that it lowers is lowered for all.
It ends when the stage is left. What was compared until then stands; who is still held back then is so no longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.kernel.clock import to_us
from headgate.kernel.ids import EpochId
from headgate.releases.model.holdback import HELD_BACK, KeptLevel, OpenHoldback
from headgate.releases.model.plan import Allowance, HowMuch, OnExtra, Plan, Stage, What
from headgate.releases.model.release import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.kernel.digest import Json
    from headgate.kernel.units import Rate
    from headgate.releases.model.release import Release


def below(stages: Sequence[Stage], at: int) -> Stage | None:
    """Return the stage whose access stage number ``at`` widens for its people; the first stage widens none's."""
    if at == 0:
        return None
    cohort = stages[at].who.cohort
    return next((stage for stage in reversed(stages[:at]) if stage.who.cohort == cohort), stages[at - 1])


def kept(old: Stage, new: Stage) -> KeptLevel:
    """Return the access that is kept by who is held back from ``new`` at the level of ``old``."""
    surfaces = tuple(surface for surface in old.what.surfaces if surface in new.what.surfaces)
    if not surfaces:
        return KeptLevel(old.name, None, _lesser_use(old.how_much, new.how_much))
    refuses = OnExtra.REFUSE in (old.what.on_extra, new.what.on_extra)
    what = What(
        surfaces=surfaces,
        capabilities=tuple(right for right in old.what.capabilities if right in new.what.capabilities),
        max_output_tokens=_least(old.what.max_output_tokens, new.what.max_output_tokens),
        max_turns=_least(old.what.max_turns, new.what.max_turns),
        on_extra=OnExtra.REFUSE if refuses else OnExtra.STRIP,
    )
    return KeptLevel(old.name, what, _lesser_use(old.how_much, new.how_much))


def standing(release: Release, at: int) -> OpenHoldback | None:
    """Return the holdback of stage number ``at`` that holds now; ``None`` when it has none, or when the stage has been left."""
    stage, old = release.plan.stages[at], below(release.plan.stages, at)
    left = release.stage != at + 1 or State.COMPLETED in (release.state, release.parked)
    if stage.holdback is None or old is None or left:
        return None
    return OpenHoldback(
        share=stage.holdback.share,
        window=stage.holdback.window,
        since=release.admits_since(stage.name),
        key=key(release, stage.name),
        epoch=epoch(release, stage.name),
        level=kept(old, stage),
    )


def key(release: Release, stage: str) -> str:
    """Return what the lots of a stage are drawn for: the instant is known to nobody before the stage opens."""
    return f"{release.id}/{stage}@{to_us(release.admits_since(stage))}"


def epoch(release: Release, stage: str) -> EpochId:
    """Return the epoch that exchanges of held-back accounts are kept under, apart from the stage's own evidence."""
    return EpochId(release.epoch(stage) + HELD_BACK)


def recorded(release: Release) -> list[Json]:
    """Return the holdbacks that hold after a decision, as the ledger has them: all that it takes to draw the lots again."""
    held = [(stage.name, standing(release, at)) for at, stage in enumerate(release.opened)]
    return [
        {
            "stage": stage,
            "level_of": one.level.below,
            "share": one.share,
            "window_s": int(one.window.total_seconds()),
            "since": one.since.isoformat(),
            "lots": one.key,
            "epoch": one.epoch,
        }
        for stage, one in held
        if one is not None
    ]


def same(plan: Plan, at: int) -> bool:
    """Return whether stage number ``at`` gives its people nothing that who is held back from it would lack."""
    new, old = plan.stages[at], below(plan.stages, at)
    if old is None:
        return True
    level = kept(old, new)
    if level.what is None:
        return False
    lacks_right = set(level.what.surfaces) < set(new.what.surfaces) or set(level.what.capabilities) < set(new.what.capabilities)
    bounds = ("max_output_tokens", "max_turns", "on_extra")
    lacks_room = any(getattr(level.what, bound) != getattr(new.what, bound) for bound in bounds)
    return not (lacks_right or lacks_room or level.how_much != new.how_much)


def _lesser_use(old: HowMuch, new: HowMuch) -> HowMuch:
    seat = _lesser(old, new)
    return HowMuch(
        requests=seat.requests,
        tokens=seat.tokens,
        total_tokens=seat.total_tokens,
        concurrency=seat.concurrency,
        end_user=_lesser_of(old.end_user, new.end_user),
        account=_lesser_of(old.account, new.account),
        organisation=_lesser_of(old.organisation, new.organisation),
        cohort=new.cohort,  # it is counted over both sides: the earlier, smaller one would be used up by the others
        expected_use=new.expected_use,
    )


def _lesser_of(old: Allowance | None, new: Allowance | None) -> Allowance | None:
    if old is None or new is None:
        return new if old is None else old
    return _lesser(old, new)


def _lesser(old: Allowance, new: Allowance) -> Allowance:
    return Allowance(
        requests=_slower(old.requests, new.requests),
        tokens=_slower(old.tokens, new.tokens),
        total_tokens=_least(old.total_tokens, new.total_tokens),
        concurrency=_least(old.concurrency, new.concurrency),
    )


def _least(old: int | None, new: int | None) -> int | None:
    return min((bound for bound in (old, new) if bound is not None), default=None)


def _slower(old: Rate | None, new: Rate | None) -> Rate | None:
    """Return the earlier pace where it is no wider than the later one, over a day nor at once; else the later one."""
    if old is None or new is None:
        return new if old is None else old
    return old if old.per_day() <= new.per_day() and old.count <= new.count else new
