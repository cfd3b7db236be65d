"""Keys: issued, rotated with an overlap, revoked, and quarantined at once when somebody reports one as leaked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headgate.access import errors
from headgate.access.decide.inputs import expiry_for, name_for, networks_for, reason_for, scopes_for
from headgate.access.decide.moves import REVOCABLE_KEYS, rotated
from headgate.access.decide.use import key_state_of, must_stand, state_of
from headgate.access.model import Command, GrantState, Issued, Key, KeyState, KeyUse, Page
from headgate.access.service.desk import entry
from headgate.access.service.sweeping import quarantine
from headgate.access.wire import key as key_text
from headgate.access.wire.checksum import SECRET_BYTES
from headgate.access.wire.pepper import same
from headgate.kernel.actor import Actor
from headgate.kernel.clock import to_us
from headgate.kernel.ids import KeyId

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

    from headgate.access.model import Grant, Network
    from headgate.access.ports import View
    from headgate.access.service.desk import Desk
    from headgate.kernel.ids import AccountId, GrantId
    from headgate.ledger.model import Entry

CHAT_PAGE = "chat_page"
"""The surface that no key opens which anybody is shown."""

LEAKS_AT_MOST = 100
"""How many keys one report may name."""

_REPORTER = Actor.system("leak_report")


class Keys:
    """What can be asked about keys."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add(
        self,
        grant_id: GrantId,
        *,
        scopes: Iterable[str],
        label: str = "key",
        networks: Iterable[str] = (),
        life: timedelta | None = None,
        by: Actor,
    ) -> Issued[Key]:
        """Issue a key of a grant; its text is in the answer and nowhere else.

        Args:
            grant_id: Whose credential it is.
            scopes: The surfaces that it opens, of those that the grant opens.
            label: What its holder calls it.
            networks: Where it may be used from, as ``192.0.2.0/24`` or ``2001:db8::/32``; anywhere when empty.
            life: How long it works; ``None`` for the policy's span. It never outlives its grant.
            by: Who issues it.

        Raises:
            Forbidden: ``by`` may not.
            KeyInvalid: Scopes, networks, label or life cannot be.
            GrantNotFound: There is no such grant.
            GrantEnded: It is over.
            AccountSuspended, AccountClosed, OrganisationSuspended: Its holder is barred.
        """
        by.must(Command.KEYS_ADD.needs)
        now = self._desk.now()
        wanted = scopes_for(scopes)
        if CHAT_PAGE in wanted:
            raise errors.KeyInvalid(
                "The chat page takes no key: it is for people, not for programs.",
                help=f"Invite the holder to it: headgate grant invite {grant_id}",
            )
        issued = new_key(self._desk, grant_id, wanted, networks_for(networks), label=label, life=life, now=now)
        with self._desk.store.writing() as tx:
            grant = must_be_open(tx, grant_id, now)
            tx.add(issued.of)
            tx.record(created(issued.of, grant, by, now))
        return issued

    def get(self, id: KeyId, *, by: Actor) -> Key:
        """Return one key, in the state that it is in now.

        Raises:
            Forbidden: ``by`` may not.
            KeyNotFound: There is none.
        """
        by.must(Command.KEYS_GET.needs)
        with self._desk.store.reading() as view:
            return _seen(view.key(id), self._desk.now())

    def page(
        self, page: Page | None = None, *, account_id: AccountId | None = None, grant_id: GrantId | None = None, by: Actor
    ) -> list[Key]:
        """Return a page of keys, each in the state that it is in now.

        Raises:
            Forbidden: ``by`` may not.
        """
        by.must(Command.KEYS_PAGE.needs)
        now = self._desk.now()
        with self._desk.store.reading() as view:
            return [_seen(key, now) for key in view.keys(page or Page(), account_id=account_id, grant_id=grant_id)]

    def rotate(self, id: KeyId, *, overlap: timedelta | None = None, life: timedelta | None = None, by: Actor) -> Issued[Key]:
        """Issue a successor with the same scopes and networks.

        An active key keeps working for ``overlap``, so that its users can change over; a quarantined or expired one is
        revoked.

        Args:
            id: The key to be replaced.
            overlap: How long both work; ``None`` for the policy's span, zero for none.
            life: How long the successor works; ``None`` for the policy's span.
            by: Who rotates it.

        Raises:
            Forbidden: ``by`` may not.
            KeyNotFound: There is none.
            KeyMoveIllegal: It is revoked, or has a successor.
            KeyInvalid: The overlap or the life cannot be.
            GrantEnded: Its grant is over.
            AccountSuspended, AccountClosed, OrganisationSuspended: Its holder is barred.
        """
        by.must(Command.KEYS_ROTATE.needs)
        now = self._desk.now()
        span = self._desk.policy.key_overlap if overlap is None else overlap
        with self._desk.store.writing() as tx:
            old = tx.key(id)
            if old.use is not KeyUse.API:
                raise errors.KeyMoveIllegal(
                    "This belongs to the chat page, where no key is shown to anybody.",
                    rule=f"use of {id}",
                    help=f"Invite the holder again: headgate grant invite {old.grant_id}",
                )
            grant = must_be_open(tx, old.grant_id, now)
            issued = new_key(self._desk, old.grant_id, old.scopes, old.networks, label=old.label, life=life, now=now)
            retired = rotated(old, issued.of.id, now=now, overlap=span)
            tx.add(issued.of)
            tx.save(retired)
            tx.record(
                entry(
                    "key.created",
                    issued.of.id,
                    by,
                    now,
                    **about(issued.of, grant),
                    replaces=id,
                    scopes=sorted(issued.of.scopes),
                    networks=[str(network) for network in issued.of.networks],
                    expires_at_us=to_us(issued.of.expires_at),
                )
            )
            tx.record(
                entry(
                    "key.rotated",
                    id,
                    by,
                    now,
                    **about(retired, grant),
                    replaced_by=issued.of.id,
                    retires_at_us=None if retired.retires_at is None else to_us(retired.retires_at),
                )
            )
        return issued

    def revoke(self, id: KeyId, *, reason: str, by: Actor) -> Key:
        """Stop a key for good; revoking it again changes nothing.

        Raises:
            Forbidden: ``by`` may not.
            KeyNotFound: There is none.
            ReasonInvalid: The reason cannot stand on the ledger.
        """
        by.must(Command.KEYS_REVOKE.needs)
        why, now = reason_for(reason), self._desk.now()
        with self._desk.store.writing() as tx:
            key = tx.key(id)
            if key.state in REVOCABLE_KEYS:
                revoked = replace(key, state=KeyState.REVOKED)
                tx.save(revoked)
                tx.record(entry("key.revoked", id, by, now, **about(revoked, tx.grant(key.grant_id)), reason=why))
            return tx.key(id)

    def report_leaks(self, texts: Sequence[str]) -> None:
        """Quarantine every key among these texts, whoever reports them.

        The whole text must be right: an identifier alone, which is no secret, stops nobody's key. Nothing is answered, so
        that nothing is learnt. Any well-formed text costs one write transaction, whether or not anybody holds it.

        Raises:
            LeakReportInvalid: There are more than a hundred.
            AccessStoreUnavailable: The report is not kept; send it again.
        """
        if len(texts) > LEAKS_AT_MOST:
            raise errors.LeakReportInvalid(f"A report names {LEAKS_AT_MOST} keys at most.", help="Send several reports.")
        now = self._desk.now()
        digests = {parsed.key_id: self._desk.pepper.of_key(parsed.text) for parsed in _well_formed(texts)}
        if not digests:
            return
        with self._desk.store.writing() as tx:
            for key in tx.keys_among(frozenset(digests)):
                if same(key.digest, digests[key.id]):
                    quarantine(tx, key, reason="leak_report", by=_REPORTER, now=now)


def new_key(
    desk: Desk,
    grant_id: GrantId,
    scopes: frozenset[str],
    networks: tuple[Network, ...] = (),
    *,
    label: str,
    life: timedelta | None,
    now: datetime,
    use: KeyUse = KeyUse.API,
) -> Issued[Key]:
    """Return a key that nobody has recorded yet; see ``Keys.add``.

    Raises:
        KeyInvalid: Label or life cannot be.
    """
    policy = desk.policy
    expires_at = expiry_for(
        policy.key_life if life is None else life, at_most=policy.key_life_at_most, now=now, invalid=errors.KeyInvalid
    )
    key_id = KeyId(desk.new_id("key", at=now))
    text = key_text.mint(desk.environment, key_id, entropy=desk.entropy(SECRET_BYTES)).text
    key = Key(
        id=key_id,
        grant_id=grant_id,
        digest=desk.pepper.of_key(text),
        label=name_for(label, errors.KeyInvalid),
        scopes=scopes,
        networks=networks,
        state=KeyState.ACTIVE,
        created_at=now,
        expires_at=expires_at,
        use=use,
    )
    return Issued(key, text)


def _well_formed(texts: Sequence[str]) -> Iterable[key_text.KeyText]:
    for text in texts:
        try:
            yield key_text.parse(text)
        except errors.KeyMalformed:  # a report is full of what only looks like a key
            continue


def must_be_open(view: View, grant_id: GrantId, now: datetime) -> Grant:
    """Return a grant that credentials can be issued of.

    Raises:
        GrantNotFound: There is no such grant.
        GrantEnded: It is over.
        AccountSuspended, AccountClosed, OrganisationSuspended: Its holder is barred.
    """
    grant = view.grant(grant_id)
    if state_of(grant, view.cohort(grant.cohort), now=now) is GrantState.ENDED:
        raise errors.GrantEnded("This grant has ended.", rule=f"state of {grant_id}", help="Decide on a new grant first.")
    account = view.account(grant.account_id)
    must_stand(view.organisation(account.organisation_id) if account.organisation_id else None, account)
    return grant


def created(key: Key, grant: Grant, by: Actor, now: datetime) -> Entry:
    """Return the entry for a new key."""
    return entry(
        "key.created",
        key.id,
        by,
        now,
        **about(key, grant),
        scopes=sorted(key.scopes),
        networks=[str(network) for network in key.networks],
        expires_at_us=to_us(key.expires_at),
        use=None if key.use is KeyUse.API else key.use.value,
    )


def about(key: Key, grant: Grant) -> dict[str, str]:
    """Return what every entry about a key says of it."""
    return {
        "account_id": grant.account_id,
        "cohort": grant.cohort,
        "grant_id": grant.id,
        "key_id": key.id,
        "state": key.state.value,
    }


def _seen(key: Key, now: datetime) -> Key:
    return replace(key, state=key_state_of(key, now=now))
