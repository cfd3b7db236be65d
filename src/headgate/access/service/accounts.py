"""Accounts: entered, suspended with all their grants and keys, reinstated, closed for good.

A suspension writes one row and one entry. Grants and keys are not touched: every decision looks the account up, so what
was paused or revoked meanwhile is still so when the account comes back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headgate.access.decide.inputs import declared_word, name_for, reason_for
from headgate.access.errors import AccountDuplicate, AccountInvalid, AccountMoveIllegal
from headgate.access.model import Account, AccountsSought, AccountState, Command, Page, Tier
from headgate.access.service.desk import entry
from headgate.kernel.ids import AccountId

if TYPE_CHECKING:
    from collections.abc import Collection

    from headgate.access.model import Declared, Described
    from headgate.access.service.desk import Desk
    from headgate.kernel.actor import Actor
    from headgate.kernel.ids import OrganisationId

_MOVES = {
    AccountState.SUSPENDED: ("account.suspended", frozenset({AccountState.ACTIVE})),
    AccountState.ACTIVE: ("account.reinstated", frozenset({AccountState.SUSPENDED})),
    AccountState.CLOSED: ("account.closed", frozenset({AccountState.ACTIVE, AccountState.SUSPENDED})),
}


class Accounts:
    """What can be asked about accounts."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add(
        self,
        name: str,
        *,
        email: str | None = None,
        organisation_id: OrganisationId | None = None,
        tier: Tier = Tier.UNTRUSTED,
        simulated: bool = False,
        by: Actor,
    ) -> Account:
        """Enter an account.

        Args:
            name: What people call it.
            email: Its holder's address; only a keyed hash is kept, to know the holder again.
            organisation_id: Whom it belongs to.
            tier: How far it is trusted.
            simulated: Made up for a demonstration or a test.
            by: Who enters it.

        Raises:
            Forbidden: ``by`` may not.
            AccountInvalid: The name or the address cannot be.
            AccountDuplicate: An account that is not closed has this address.
            OrganisationNotFound: There is no such organisation.
        """
        by.must(Command.ACCOUNTS_ADD.needs)
        now = self._desk.now()
        account = Account(
            id=AccountId(self._desk.new_id("acc", at=now)),
            name=name_for(name, AccountInvalid),
            email_hash=self._email_hash(email),
            organisation_id=organisation_id,
            tier=tier,
            state=AccountState.ACTIVE,
            simulated=simulated,
            created_at=now,
        )
        with self._desk.store.writing() as tx:
            if organisation_id is not None:
                tx.organisation(organisation_id)
            if account.email_hash is not None and tx.has_account_with(account.email_hash):
                raise AccountDuplicate(
                    "An open account with this e-mail address exists.", help="Find it, or close it first if it is to be replaced."
                )
            tx.add(account)
            tx.record(
                entry(
                    "account.created",
                    account.id,
                    by,
                    now,
                    account_id=account.id,
                    organisation_id=organisation_id,
                    tier=tier.value,
                    simulated=simulated,
                )
            )
        return account

    def get(self, id: AccountId, *, by: Actor) -> Account:
        """Return one account.

        Raises:
            Forbidden: ``by`` may not.
            AccountNotFound: There is none.
        """
        by.must(Command.ACCOUNTS_GET.needs)
        with self._desk.store.reading() as view:
            return view.account(id)

    def page(
        self,
        page: Page | None = None,
        *,
        organisation_id: OrganisationId | None = None,
        sought: AccountsSought | None = None,
        by: Actor,
    ) -> list[Account]:
        """Return a page of accounts.

        Args:
            page: Which page; the first when absent.
            organisation_id: Only the accounts of this organisation.
            sought: Only the accounts that are looked for; it stands in the place of ``organisation_id``.
            by: Who asks.

        Raises:
            Forbidden: ``by`` may not.
        """
        by.must(Command.ACCOUNTS_PAGE.needs)
        with self._desk.store.reading() as view:
            return view.accounts(page or Page(), sought or AccountsSought(organisation_id=organisation_id))

    def with_email(self, email: str, *, by: Actor) -> list[Account]:
        """Return the accounts that were entered with an e-mail address, the newest first, closed ones too.

        The address itself is not kept: it is hashed as it was then, and compared.

        Raises:
            Forbidden: ``by`` may not.
            AccountInvalid: It is no e-mail address.
        """
        by.must(Command.ACCOUNTS_WITH_EMAIL.needs)
        wanted = self._email_hash(email)
        with self._desk.store.reading() as view:
            return [] if wanted is None else view.accounts_with(wanted)

    def declare(
        self,
        id: AccountId,
        *,
        country: str | None = None,
        language: str | None = None,
        region: str | None = None,
        use_case: str | None = None,
        by: Actor,
    ) -> Declared:
        """Write down what an account says of itself; what is left out stays as it was.

        Evidence is counted by what is declared when it is read: a change moves what was measured before, and is on the ledger.

        Raises:
            Forbidden: ``by`` may not.
            AccountNotFound: There is none.
            AccountInvalid: Nothing is declared, or not in one word each.
        """
        by.must(Command.ACCOUNTS_DECLARE.needs)
        now = self._desk.now()
        words = {"country": country, "language": language, "region": region, "use_case": use_case}
        said = {name: declared_word(word) for name, word in words.items() if word is not None}
        if not said:
            raise AccountInvalid("Nothing is declared.", help="Name a country, a language, a region or a use case.")
        with self._desk.store.writing() as tx:
            tx.account(id)
            whole = replace(tx.described([id])[id].declared, **said)
            tx.declare(id, whole)
            tx.record(entry("account.declared", id, by, now, account_id=id, **said))
        return whole

    def describe(self, ids: Collection[AccountId], *, by: Actor) -> dict[AccountId, Described]:
        """Return what the people behind these accounts are told apart by; accounts that do not exist are left out.

        Raises:
            Forbidden: ``by`` may not.
        """
        by.must(Command.ACCOUNTS_DESCRIBE.needs)
        with self._desk.store.reading() as view:
            return view.described(ids)

    def suspend(self, id: AccountId, *, reason: str, by: Actor) -> Account:
        """Bar an account, and with it every grant and key that it holds.

        Raises:
            Forbidden: ``by`` may not.
            AccountNotFound: There is none.
            AccountMoveIllegal: It is not active.
            ReasonInvalid: The reason cannot stand on the ledger.
        """
        by.must(Command.ACCOUNTS_SUSPEND.needs)
        return self._move(id, AccountState.SUSPENDED, reason, by)

    def reinstate(self, id: AccountId, *, reason: str, by: Actor) -> Account:
        """Let a suspended account back in, with whatever grants and keys it still has.

        Raises:
            Forbidden: ``by`` may not.
            AccountNotFound: There is none.
            AccountMoveIllegal: It is not suspended.
            ReasonInvalid: The reason cannot stand on the ledger.
        """
        by.must(Command.ACCOUNTS_REINSTATE.needs)
        return self._move(id, AccountState.ACTIVE, reason, by)

    def close(self, id: AccountId, *, reason: str, by: Actor) -> Account:
        """Close an account for good; whoever comes back is given a new one.

        Raises:
            Forbidden: ``by`` may not.
            AccountNotFound: There is none.
            AccountMoveIllegal: It is closed already.
            ReasonInvalid: The reason cannot stand on the ledger.
        """
        by.must(Command.ACCOUNTS_CLOSE.needs)
        return self._move(id, AccountState.CLOSED, reason, by)

    def _move(self, id: AccountId, to: AccountState, reason: str, by: Actor) -> Account:
        why, now = reason_for(reason), self._desk.now()
        kind, sources = _MOVES[to]
        with self._desk.store.writing() as tx:
            account = tx.account(id)
            if account.state not in sources:
                raise AccountMoveIllegal(
                    f"An account that is {account.state.value} cannot become {to.value}.",
                    rule=f"state of {id}",
                    help="Look at the account again: somebody may have moved it.",
                )
            tx.save(replace(account, state=to))
            tx.record(entry(kind, id, by, now, account_id=id, reason=why))
            return tx.account(id)

    def _email_hash(self, email: str | None) -> bytes | None:
        if email is None:
            return None
        try:
            return self._desk.pepper.of_email(email)
        except ValueError:
            raise AccountInvalid("This is not an e-mail address.", help="Write it as name@domain.") from None
