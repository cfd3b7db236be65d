"""The gateway asks releases what is open to whom."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from headgate.gateway.model import (
    Api,
    Holdback,
    Holder,
    Limits,
    ModelPolicy,
    OnExtra,
    OutputScreen,
    PolicySnapshot,
    ReleaseState,
    Replica,
    StageRule,
    Upstream,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.bootstrap.settings import Settings
    from headgate.kernel.ids import EpochId
    from headgate.releases.model.plan import Allowance, HowMuch, What
    from headgate.releases.model.policy import OpenStage, ReleasePolicy


_APIS = {"openai": frozenset({Api.OPENAI}), "anthropic": frozenset({Api.ANTHROPIC}), "both": frozenset(Api)}


class Known(Protocol):
    """The releases, as far as a gateway must know them."""

    def policy(self) -> tuple[ReleasePolicy, ...]:
        """Return what each release that was ever opened allows now, newest first."""
        ...


class ReleasePolicies:
    """The gateway's ``Policies`` over releases.

    Args:
        releases: The releases.
        position: Tells how far the ledger has come; asked first, so that a snapshot is never older than it says.
        settings: How long to wait for a model server.
    """

    def __init__(self, releases: Known, position: Callable[[], int], settings: Settings) -> None:
        self._releases = releases
        self._position = position
        self._settings = settings

    def load(self) -> PolicySnapshot:
        seq = self._position()
        models: dict[str, ModelPolicy] = {}
        for release in self._releases.policy():
            known = models.get(release.model)
            if known is None or known.state is ReleaseState.WITHDRAWN:  # only one that is under way stands before a newer one
                policy = policy_of(release, self._settings)
                if known is None or policy.state is not ReleaseState.WITHDRAWN:
                    models[release.model] = policy
        return PolicySnapshot(seq, models)


def policy_of(release: ReleasePolicy, settings: Settings) -> ModelPolicy:
    """Return what a worker must know of one release.

    One that serves nobody keeps the rules that it had, so that those whom it served are told what became of it. They let
    nobody in: the state is asked before the rules are.
    """
    upstream = release.upstream
    state = ReleaseState.of(release.state.value)
    stages = release.stages if state.serves else release.last_open
    return ModelPolicy(
        release_id=release.release_id,
        model=release.model,
        version_digest=release.version_digest,
        state=state,
        gated=True,
        upstream=Upstream(
            url=upstream.url,
            model=upstream.model,
            api_key=os.environ.get(upstream.api_key_env) if upstream.api_key_env else None,
            first_byte_s=float(upstream.timeout_s),
            idle_s=settings.upstream_timeout_s,
            apis=_APIS[upstream.api.value],
            replicas=tuple(Replica(replica.url, replica.concurrency) for replica in upstream.replicas),
        ),
        rules={stage.who.cohort: rule_of(stage) for stage in stages},
        created=release.created_at,
    )


def rule_of(stage: OpenStage) -> StageRule:
    """Return what one open stage allows its cohort, and what it allows those who are held back from it."""
    given = _rule(stage, stage.epoch, stage.what, stage.how_much)
    held = stage.holdback
    if held is None:
        return given
    kept = _rule(stage, held.epoch, held.level.what, held.level.how_much)
    return replace(given, holdback=Holdback(held.share, held.key, held.since, held.window, kept))


def _rule(stage: OpenStage, epoch: EpochId, what: What | None, how_much: HowMuch) -> StageRule:
    """Return a rule; of nothing, none but the right to be told so."""
    shared = {
        Holder.END_USER: how_much.end_user,
        Holder.ACCOUNT: how_much.account,
        Holder.ORGANISATION: how_much.organisation,
        Holder.COHORT: how_much.cohort,
    }
    return StageRule(
        stage=stage.name,
        epoch=epoch,
        surfaces=frozenset() if what is None else frozenset(surface.value for surface in what.surfaces),
        capabilities=frozenset() if what is None else frozenset(capability.value for capability in what.capabilities),
        max_output_tokens=None if what is None else what.max_output_tokens,
        max_turns=None if what is None else what.max_turns,
        on_extra=OnExtra.REFUSE if what is None else OnExtra(what.on_extra.value),
        limits=_limits(how_much),
        shared={holder: _limits(allowed) for holder, allowed in shared.items() if allowed is not None},
        input_screen=stage.watch is not None and stage.watch.input_screen,
        output_screen=OutputScreen.AFTER if stage.watch is None else OutputScreen(stage.watch.output_screen.value),
    )


def _limits(allowed: Allowance) -> Limits:
    return Limits(allowed.requests, allowed.tokens, allowed.total_tokens, allowed.concurrency)
