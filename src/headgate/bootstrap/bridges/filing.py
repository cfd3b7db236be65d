"""Evidence asks releases what a release is, by digest, and what its plan tolerates of each suite of evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.evidence.model.filing import Foresight, Goalposts
from headgate.evidence.model.record import Direction, Kind, Subject
from headgate.evidence.ports import Named
from headgate.kernel.digest import digest_of
from headgate.releases.errors import ReleaseNotFound
from headgate.releases.model.release import LIVE_STATES, State
from headgate.releases.model.words import Measures, Safer

if TYPE_CHECKING:
    from headgate.releases.model.evaluations import Evaluation
    from headgate.releases.model.plan import Plan
    from headgate.releases.ports import Releases

_KINDS = {Measures.CAPABILITY: Kind.CAPABILITY, Measures.SAFEGUARD: Kind.SAFEGUARD, Measures.REDTEAM: Kind.REDTEAM}
_DIRECTIONS = {Safer.LOWER: Direction.LOWER_IS_BETTER, Safer.HIGHER: Direction.HIGHER_IS_BETTER}
_UNDER_WAY = LIVE_STATES | {State.CUT}


class ReleasesOnFile:
    """Evidence's ``ReleasesKnown`` over releases."""

    def __init__(self, releases: Releases) -> None:
        self._releases = releases

    def named(self, release: str) -> Named:
        with self._releases.snapshot() as tx:
            known = [one for one in tx.list() if release in {one.id, one.model}]
        best = next((one for one in known if one.id == release or one.state in _UNDER_WAY), next(iter(known), None))
        if best is None:
            raise ReleaseNotFound(f"There is no release {release!r}.", help="headgate release list")
        goalposts = {suite: goalposts_of(evaluation) for suite, evaluation in best.plan.evaluations.items()}
        return Named(best.id, best.model, subject_of(best.plan), goalposts)


def subject_of(plan: Plan) -> Subject:
    """Return what a plan releases, by digest: the version, the weights, and what stands around them."""
    version = plan.model.version
    around = {"mitigations": list(version.mitigations), "system_prompt": version.system_prompt}
    return Subject(plan.version_digest, version.weights, digest_of(around) if version.mitigations else None)


def goalposts_of(evaluation: Evaluation) -> Goalposts:
    """Return what a plan tolerates of one suite in the words of evidence."""
    forecast = evaluation.forecast
    return Goalposts(
        measures=_KINDS[evaluation.measures],
        metric=evaluation.metric,
        direction=_DIRECTIONS[evaluation.safer],
        thresholds={scenario.value: limit for scenario, limit in evaluation.thresholds.declared().items()},
        margin=evaluation.margin,
        alpha=evaluation.alpha,
        attempts=evaluation.attempts,
        forecast=None if forecast is None else Foresight(forecast.queries, forecast.tolerated),
    )
