"""What this worker knows: the policy, and who its callers are; followed from the ledger, and dated.

Everything here is a copy. The change feed evicts what a ledger entry touched; a copy that was being read while something
changed is used once and not kept; and when the system of record has been silent for longer than it may be, the whole is
stale, whatever it says. A follower that stops for any reason makes everything stale at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from headgate.gateway import errors
from headgate.gateway.model import PolicySnapshot
from headgate.kernel.errors import HeadgateError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from headgate.gateway.model import Change, ModelPolicy, Principal, Settings
    from headgate.gateway.ports import Feed, Policies, Principals
    from headgate.gateway.service.instants import ForwardClock
    from headgate.gateway.service.tuned import Tuned
    from headgate.kernel.ids import KeyId

_HEARTBEAT_S = 1.0
"""How long one look at the feed waits for news."""
_RETRY_S = 0.25
_READERS = 4


class Knowledge:
    """Policy and principals, as far as they can be trusted.

    Args:
        policies: Where the policy is read.
        principals: Where keys are looked up.
        feed: What tells of changes.
        tuned: Models that came of fine-tuning.
        settings: How much to keep, and for how long it may be trusted.
        clock: Tells how old it is.
    """

    def __init__(
        self,
        policies: Policies,
        principals: Principals,
        feed: Feed,
        tuned: Tuned,
        settings: Settings,
        clock: ForwardClock,
    ) -> None:
        self._policies = policies
        self._tuned = tuned
        self._principals = principals
        self._feed = feed
        self._settings = settings
        self._clock = clock
        self._snapshot = PolicySnapshot(0, {})
        self._seq = 0
        self._fresh_s = float("-inf")
        self._by_text: OrderedDict[bytes, Principal] = OrderedDict()
        self._secret = secrets.token_bytes(32)
        self._reading: dict[bytes, asyncio.Future[Principal]] = {}
        self._readers = ThreadPoolExecutor(_READERS, "headgate-principals")
        self._follower = ThreadPoolExecutor(1, "headgate-feed")
        self._following: asyncio.Task[None] | None = None
        self.generation = 0
        """Counts the times that something was forgotten; a decision made from an older one must be made again."""

    @property
    def snapshot(self) -> PolicySnapshot:
        """The policy as it was last read."""
        return self._snapshot

    @property
    def age_s(self) -> float:
        """Seconds since the system of record last confirmed what is known here."""
        return self._clock.monotonic() - self._fresh_s

    @property
    def stale(self) -> bool:
        """Whether what is known here is too old to serve a gated model."""
        return self.age_s > self._settings.max_stale_s

    async def start(self, changed: Callable[[Change], Awaitable[None]]) -> None:
        """Read the policy and begin to follow the ledger.

        Args:
            changed: Called after each change has been taken in.

        Raises:
            Unavailable: The system of record does not answer.
        """
        loop = asyncio.get_running_loop()
        # The position is read before the policy: what is committed between the two is then seen twice rather than never.
        self._seq = await loop.run_in_executor(self._follower, self._feed.position)
        self._snapshot = await loop.run_in_executor(self._readers, self._policies.load)
        self._fresh_s = self._clock.monotonic()
        self._following = asyncio.create_task(self._follow(changed))
        self._following.add_done_callback(self._stopped)

    async def stop(self) -> None:
        """Stop following."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._follower.shutdown(wait=False, cancel_futures=True)

    def policy(self, model: str) -> ModelPolicy | None:
        """Return the policy of a served name, or of a tuned model whose name was learnt; ``None`` if there is none."""
        known = self._snapshot.models.get(model)
        return self._tuned.policy(model, self._snapshot) if known is None else known

    async def learn(self, model: str) -> None:
        """Find out what a name that no release serves may be: a model that somebody has tuned.

        Raises:
            Unavailable: It cannot be found out.
        """
        if model not in self._snapshot.models:
            await self._tuned.learn(model)

    async def principal(self, key_text: str, *, afresh: bool = False) -> Principal:
        """Return whom a key speaks for.

        Args:
            key_text: The text of the key.
            afresh: Whether to look it up even where it is known, so that its holder sees what they themselves just changed.

        Raises:
            Unauthenticated: The text is not a key that was ever issued.
            Unavailable: The key cannot be looked up.
        """
        # Keys are remembered by a digest under a secret of this process, so that no lookup compares key text.
        digest = hashlib.blake2b(key_text.encode("utf-8", "surrogatepass"), key=self._secret, digest_size=16).digest()
        if afresh:
            return await self._look_up(digest, key_text)
        known = self._by_text.get(digest)
        if known is not None:
            self._by_text.move_to_end(digest)
            return known
        reading = self._reading.get(digest)
        if reading is None:
            reading = asyncio.ensure_future(self._look_up(digest, key_text))
            self._reading[digest] = reading
            reading.add_done_callback(lambda done: self._looked_up(digest, done))
        return await asyncio.shield(reading)

    async def refreshed(self, key_ids: Collection[KeyId]) -> Mapping[KeyId, Principal]:
        """Return principals as they are now.

        Raises:
            Unavailable: They cannot be read.
        """
        if not key_ids:
            return {}
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._principals.refresh, key_ids)

    async def _look_up(self, digest: bytes, key_text: str) -> Principal:
        loop = asyncio.get_running_loop()
        generation = self.generation
        try:
            principal = await loop.run_in_executor(self._readers, self._principals.authenticate, key_text)
        except Unavailable as error:
            raise errors.PrincipalsUnavailable("The key cannot be looked up now.", rule="key") from error
        if generation == self.generation:  # nothing changed while it was read
            self._by_text[digest] = principal
            if len(self._by_text) > self._settings.max_principals:
                self._by_text.popitem(last=False)
        return principal

    def _looked_up(self, digest: bytes, done: asyncio.Future[Principal]) -> None:
        if self._reading.get(digest) is done:
            del self._reading[digest]
        if not done.cancelled():
            done.exception()  # every caller may have gone; that is no news

    async def _follow(self, changed: Callable[[Change], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                change = await loop.run_in_executor(self._follower, self._feed.wait, self._seq, _HEARTBEAT_S)
            except HeadgateError:
                await asyncio.sleep(_RETRY_S)  # age tells how long this has been going on
                continue
            answered_s = self._clock.monotonic()
            touched = change.touches_policy or change.touches_principals
            if touched:
                self._forget(change)
            if change.touches_policy:
                try:
                    self._snapshot = await loop.run_in_executor(self._readers, self._policies.load)
                except HeadgateError:
                    # The policy is known to have changed and cannot be read: it is stale now, not in a minute.
                    self._fresh_s = float("-inf")
                    await asyncio.sleep(_RETRY_S)  # the position is unchanged, so the same news comes again
                    continue
                self.generation += 1  # what was decided while the policy was read was decided under the old one
            self._seq = change.seq
            self._fresh_s = answered_s
            if touched:
                await changed(change)

    def _forget(self, change: Change) -> None:
        self.generation += 1
        self._reading.clear()  # whoever asks from now on must be told the new state
        if change.everything:
            self._by_text.clear()
        elif change.touches_principals:
            for digest in [digest for digest, principal in self._by_text.items() if change.touches(principal)]:
                del self._by_text[digest]

    def _stopped(self, task: asyncio.Task[None]) -> None:
        self._fresh_s = float("-inf")
        if not task.cancelled() and task.exception() is not None:
            task.get_loop().call_exception_handler(
                {"message": "the gateway no longer follows the ledger; gated models are refused", "exception": task.exception()}
            )
