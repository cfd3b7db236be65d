"""Models that came of fine-tuning: there for whoever tuned them, under the policy of the model that they came of.

A tuned model is a version of its own, which nobody has evaluated. So its exchanges are recorded under a digest of its own, and it
is served only by stages that give the right to fine-tune. Its state, limits, surfaces and cohorts are those of its base as they
are at the instant, so what closes or narrows the base closes or narrows it. The binding of a name to its owner and its base is
remembered for a moment; what the name may do is not.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headgate.gateway.model import ObjectKind
from headgate.gateway.wire.fine_tuning.job import CAPABILITY
from headgate.kernel.digest import digest_of

if TYPE_CHECKING:
    from headgate.gateway.model import ModelPolicy, PolicySnapshot, Principal, StageRule, StoredObject
    from headgate.gateway.ports import Objects
    from headgate.gateway.service.instants import ForwardClock

_FRESH_S = 5.0
"""How long a binding is believed without being looked up."""
_MOST = 10_000
_LONGEST_NAME = 200


@dataclass(slots=True)
class _Known:
    """What is known of a name.

    Attributes:
        stored: Whose it is and what it came of; ``None`` where there is no such model.
        at_s: When that was looked up.
        base: The policy that ``policy`` was made of.
        policy: What holds for the name.
    """

    stored: StoredObject | None
    at_s: float
    base: ModelPolicy | None = None
    policy: ModelPolicy | None = None


class Tuned:
    """Knows tuned models.

    Args:
        objects: Whose they are.
        clock: Tells how old a binding is.
    """

    def __init__(self, objects: Objects, clock: ForwardClock) -> None:
        self._objects = objects
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def learn(self, model: str) -> None:
        """Look up whose a name is, unless that was just done.

        Raises:
            Unavailable: It cannot be looked up, so the name is served to nobody.
        """
        known = self._known.get(model)
        if len(model) > _LONGEST_NAME or (known is not None and self._clock.monotonic() - known.at_s < _FRESH_S):
            return
        at_s = self._clock.monotonic()
        stored = await asyncio.to_thread(self._objects.find, ObjectKind.TUNED_MODEL, model)
        self._remember(model, stored, at_s)

    async def owned(self, principal: Principal, snapshot: PolicySnapshot) -> list[ModelPolicy]:
        """Return the policies of what the caller has tuned, newest first.

        Raises:
            Unavailable: They cannot be looked up.
        """
        at_s = self._clock.monotonic()
        found: list[ModelPolicy] = []
        for stored in await asyncio.to_thread(self._objects.owned, ObjectKind.TUNED_MODEL, principal.account_id):
            self._remember(stored.id, stored, at_s)
            policy = self.policy(stored.id, snapshot)
            if policy is not None:
                found.append(policy)
        return found

    def forget(self, model: str) -> None:
        """Take in that a model is gone."""
        self._known.pop(model, None)

    def policy(self, model: str, snapshot: PolicySnapshot) -> ModelPolicy | None:
        """Return what holds for a tuned model now, as far as its name was looked up.

        Args:
            model: The name.
            snapshot: The policy of now. A base whose name another release serves by now is not the base.
        """
        known = self._known.get(model)
        if known is None or known.stored is None:
            return None
        base = snapshot.models.get(known.stored.model)
        if base is None or base.release_id != known.stored.release_id:
            return None
        if known.base is not base:
            known.base, known.policy = base, _tuned(known.stored, base)
        return known.policy

    def base_of(self, model: str) -> str:
        """Return the served name that a model came of; a served model comes of itself."""
        known = self._known.get(model)
        return model if known is None or known.stored is None else known.stored.model

    def _remember(self, model: str, stored: StoredObject | None, at_s: float) -> None:
        self._known[model] = _Known(stored, at_s)
        self._known.move_to_end(model)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)


def _tunable(rule: StageRule) -> StageRule:
    """Return a rule under which who is held back from fine-tuning is held back from what was tuned, too."""
    held = rule.holdback
    if held is None or CAPABILITY in held.rule.capabilities:
        return rule
    return replace(rule, holdback=replace(held, rule=replace(held.rule, surfaces=frozenset[str]())))


def _tuned(stored: StoredObject, base: ModelPolicy) -> ModelPolicy:
    return replace(
        base,
        model=stored.id,
        version_digest=digest_of([base.version_digest, stored.id]),
        upstream=stored.at(replace(base.upstream, model=stored.id)),
        rules={cohort: _tunable(rule) for cohort, rule in base.rules.items() if CAPABILITY in rule.capabilities},
        created=stored.created,
        owner=stored.account_id,
    )
