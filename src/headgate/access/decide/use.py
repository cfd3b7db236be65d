"""Who may use a key, from where, now.

A key is judged in one order, from the credential outwards: the key, the network, the organisation, the account, the seat,
the terms. The first that refuses answers, so a thief with a quarantined key learns nothing of its holder. Ends are
half-open: at ``ends_at`` itself a seat is over. What the clock has ended is ended from that instant, swept or not; once the
sweep has put it on the ledger it stays ended even if the clock is then set back.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from headgate.access import errors
from headgate.access.decide.inputs import FULL_PERCENT, listed
from headgate.access.model import AccountState, GrantState, KeyState, KeyUse, OrganisationState

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from headgate.access.model import Account, Cohort, Grant, Key, KeyHolder, Network, Organisation

USABLE_KEYS = frozenset({KeyState.ACTIVE, KeyState.ROTATING})
"""The states in which a key can work at all."""


def must_be_usable(holder: KeyHolder, *, peer: str, now: datetime) -> None:
    """Go on only if this key may be used from here, now.

    Args:
        holder: The key with everything that it hangs on.
        peer: The caller's network address as text.
        now: The present instant.

    Raises:
        Refused: One of ``KeyRevoked``, ``KeyQuarantined``, ``KeyExpired``, ``KeyReplaced``, ``KeyWrongNetwork``,
            ``OrganisationSuspended``, ``AccountSuspended``, ``AccountClosed``, ``GrantNotStarted``, ``GrantExpired``,
            ``GrantEnded``, ``GrantPaused``, ``TermsNotAccepted``, ``TermsOutdated``.
    """
    must_speak(holder, peer=peer, now=now)
    _grant_must_hold(holder.grant, now=now)
    _terms_must_be_current(holder.grant, holder.cohort, now=now)


def must_speak(holder: KeyHolder, *, peer: str, now: datetime) -> None:
    """Go on only if this key speaks for its holder from here, now, wherever the seat stands: enough to accept terms.

    Raises:
        Refused: As in ``must_be_usable``, up to the account.
    """
    _key_must_work(holder.key, now=now)
    if not from_network(holder.key.networks, peer):
        raise errors.KeyWrongNetwork(
            "This key may not be used from this network.",
            rule=f"networks of {holder.key.id}",
            help="Call from one of the networks the key was issued for, or have a key issued for this one.",
        )
    must_stand(holder.organisation, holder.account)


def must_reach(holder: KeyHolder, *, surface: str, cohorts: Collection[str]) -> None:
    """Go on only if the key was issued for this surface and its seat is in one of these cohorts.

    The two are told apart, because another key cures the first and only another grant cures the second.

    Raises:
        KeyLacksScope: The key was issued for other surfaces.
        GrantMissing: The seat is in no cohort that is admitted; also when none is.
    """
    if surface not in holder.key.scopes:
        raise errors.KeyLacksScope(
            f"This key lacks the scope {surface}.",
            rule=f"scopes of {holder.key.id}",
            help=f"It was issued for {listed(holder.key.scopes)}; use or ask for a key with the scope {surface}.",
        )
    if holder.cohort.name not in cohorts:
        raise errors.GrantMissing(
            f"This needs a grant in {listed(cohorts)}; yours is in {holder.cohort.name}.",
            rule=f"cohort of {holder.grant.id}",
            help="Apply for a grant in a cohort that is admitted; another key of the same grant changes nothing.",
        )


def must_stand(organisation: Organisation | None, account: Account) -> None:
    """Go on only if neither the account nor its organisation is barred.

    Raises:
        OrganisationSuspended: The organisation is suspended.
        AccountSuspended: The account is suspended.
        AccountClosed: The account is closed.
    """
    if organisation is not None and organisation.state is not OrganisationState.ACTIVE:
        raise errors.OrganisationSuspended(
            "Your organisation is suspended.",
            rule=f"state of {organisation.id}",
            help="Whoever speaks for your organisation has the reasons and can appeal.",
        )
    if account.state is AccountState.SUSPENDED:
        raise errors.AccountSuspended(
            "This account is suspended.",
            rule=f"state of {account.id}",
            help="The reasons were sent to its holder, who can appeal.",
        )
    if account.state is not AccountState.ACTIVE:
        raise errors.AccountClosed(
            "This account is closed.", rule=f"state of {account.id}", help="Apply again to be given a new account."
        )


def from_network(networks: tuple[Network, ...], peer: str) -> bool:
    """Return whether a peer is in one of these networks; no networks means from anywhere.

    An IPv4 caller on an IPv6 socket (``::ffff:192.0.2.1``) counts as the IPv4 caller it is. A peer without an address is
    in no network.
    """
    if not networks:
        return True
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)


def terms_current(grant: Grant, cohort: Cohort, *, now: datetime) -> bool:
    """Return whether the holder's acceptance of the terms still counts at ``now``."""
    if cohort.terms_version is None:
        return True
    if grant.terms_due_at is not None:
        return now < grant.terms_due_at
    return grant.terms_version is not None


def state_of(grant: Grant, cohort: Cohort, *, now: datetime) -> GrantState:
    """Return where a seat stands at ``now``, whether or not the sweep has been there yet."""
    if grant.state is GrantState.ENDED or now >= grant.ends_at:
        return GrantState.ENDED
    if grant.state is GrantState.PAUSED:
        return GrantState.PAUSED
    if not terms_current(grant, cohort, now=now):
        return GrantState.PENDING_TERMS
    return resting_state(grant, cohort, now=now) if grant.state is not GrantState.PENDING_TERMS else grant.state


def resting_state(grant: Grant, cohort: Cohort, *, now: datetime) -> GrantState:
    """Return where a seat that nothing holds back comes to stand."""
    if not terms_current(grant, cohort, now=now):
        return GrantState.PENDING_TERMS
    return GrantState.ACTIVE if grant.limited_to_percent == FULL_PERCENT else GrantState.LIMITED


def key_state_of(key: Key, *, now: datetime) -> KeyState:
    """Return where a key stands at ``now``, whether or not the sweep has been there yet."""
    if key.state not in USABLE_KEYS:
        return key.state
    if now >= key.expires_at or (key.retires_at is not None and now >= key.retires_at):
        return KeyState.EXPIRED
    return key.state


def _key_must_work(key: Key, *, now: datetime) -> None:
    if key.use is KeyUse.LINK:
        raise errors.KeyLacksScope(
            "This is a link to the chat page, not a key.", rule=f"use of {key.id}", help="Open it in a browser; it works once."
        )
    if key.state is KeyState.REVOKED:
        raise errors.KeyRevoked(
            "This key was revoked.", rule=f"state of {key.id}", help="Use another key of the same grant, or ask for one."
        )
    if key.state is KeyState.QUARANTINED:
        raise errors.KeyQuarantined(
            "This key is quarantined: it was seen where it should not be, or lay unused too long.",
            rule=f"state of {key.id}",
            help="Have the key rotated; the quarantined one does not come back.",
        )
    if key.replaced_by is not None and key.retires_at is not None and now >= min(key.retires_at, key.expires_at):
        raise errors.KeyReplaced(
            "This key was rotated, and its overlap is over.",
            rule=f"state of {key.id}",
            help=f"Use its successor, {key.replaced_by}.",
        )
    if key.state is KeyState.EXPIRED or now >= key.expires_at:
        raise errors.KeyExpired("This key has expired.", rule=f"state of {key.id}", help="Ask for a new key of the same grant.")


def _grant_must_hold(grant: Grant, *, now: datetime) -> None:
    if grant.state is GrantState.ENDED and now < grant.ends_at:
        raise errors.GrantEnded("This grant has ended.", rule=f"state of {grant.id}", help="Apply for a new grant.")
    if grant.state is GrantState.ENDED or now >= grant.ends_at:
        raise errors.GrantExpired(
            "This grant's end date has passed.", rule=f"state of {grant.id}", help="Apply to have it renewed."
        )
    if now < grant.starts_at:
        raise errors.GrantNotStarted(
            f"This grant starts at {grant.starts_at.isoformat()}.", rule=f"start of {grant.id}", help="Wait until then."
        )
    if grant.state is GrantState.PAUSED:
        raise errors.GrantPaused(
            "This grant is paused.", rule=f"state of {grant.id}", help="The reasons were sent to its holder, who can appeal."
        )


def _terms_must_be_current(grant: Grant, cohort: Cohort, *, now: datetime) -> None:
    if terms_current(grant, cohort, now=now) and grant.state is not GrantState.PENDING_TERMS:
        return
    rule = f"terms {cohort.terms_version} of {cohort.name}"
    where = f"Read {cohort.terms_url or 'them'}, then accept"
    if grant.terms_version is None:
        raise errors.TermsNotAccepted(
            f"The terms of {cohort.name} have not been accepted yet.",
            rule=rule,
            help=f"{where} version {cohort.terms_version}.",
            link=cohort.terms_url,
        )
    raise errors.TermsOutdated(
        f"The terms of {cohort.name} have changed since version {grant.terms_version} was accepted.",
        rule=rule,
        help=f"{where} version {cohort.terms_version}.",
        link=cohort.terms_url,
    )
