"""What accounts say of the people behind them, against every store."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.access import errors
from headgate.access.model import Declared, Tier


def test_what_is_declared_is_kept_word_by_word_and_recorded(house: Any) -> None:
    account = house.access.accounts.add("Ada", by=house.by)
    house.access.accounts.declare(account.id, language="fr", use_case="customer_support", by=house.by)
    whole = house.access.accounts.declare(account.id, language="pt-br", region="latam", by=house.by)
    assert whole == Declared(None, "pt-br", "latam", "customer_support")
    assert house.access.accounts.describe([account.id], by=house.by)[account.id].declared == whole
    recorded = [seen.entry for seen in house.ledger() if seen.entry.kind == "account.declared"]
    assert [entry.body["language"] for entry in recorded] == ["fr", "pt-br"]


def test_accounts_are_described_with_their_tier_and_organisation(house: Any) -> None:
    organisation = house.access.organisations.add("Analytical Engines", by=house.by)
    ada = house.access.accounts.add("Ada", organisation_id=organisation.id, tier=Tier.VETTED, by=house.by)
    bo = house.access.accounts.add("Bo", by=house.by)
    found = house.access.accounts.describe([ada.id, bo.id, "acc_nobody"], by=house.by)
    assert set(found) == {ada.id, bo.id}
    assert (found[ada.id].tier, found[ada.id].organisation) == (Tier.VETTED, "Analytical Engines")
    assert (found[bo.id].declared, found[bo.id].organisation) == (Declared(), None)


@pytest.mark.parametrize("word", ["", "En", "two words", "x" * 41, "-en"])
def test_what_is_not_one_word_is_refused_and_leaves_no_trace(house: Any, word: str) -> None:
    account = house.access.accounts.add("Ada", by=house.by)
    before = len(house.ledger())
    with pytest.raises(errors.AccountInvalid):
        house.access.accounts.declare(account.id, language=word, by=house.by)
    with pytest.raises(errors.AccountInvalid, match="Nothing"):
        house.access.accounts.declare(account.id, by=house.by)
    assert len(house.ledger()) == before


def test_nobody_declares_for_an_account_that_is_not_there(house: Any) -> None:
    with pytest.raises(errors.AccountNotFound):
        house.access.accounts.declare("acc_nobody", language="fr", by=house.by)
