"""An installation with a great deal in it.

It is filled by the statements that the stores themselves use, or by rows in the shape that they write: people with seats and
keys, exchanges drawn for review, a queue, exposure, filed results, ledger entries.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from headgate.bootstrap.settings import load
from headgate.bootstrap.wiring import House, open_house
from headgate.evidence.importers.interface import MOST_FINDINGS
from headgate.kernel.clock import to_us
from headgate.kernel.ids import StaffId
from headgate.ledger.model import Entry
from headgate.ledger.store import append
from headgate.testing.console import first_of
from headgate.testing.evidence import declared, document
from headgate.testing.releases import a_plan

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.bootstrap.home import Home
    from headgate.kernel.actor import Actor

_HAZARDS = ("cyber_misuse", "harmful_advice", "other")
_FLAGGED, _HARMED = "cyber_misuse", "harmful_advice"
_PART = 20_000
_TWICE = "(position % 9 = 3 OR position % 5000 = 9)"
_HARMFUL = "position % 5000 = 9"
_ITEMS = f"""
INSERT INTO safety_item
    (exchange_id, epoch, release_id, position, at_us, drawn_at_us, flagged, twice, wanted, given, is_open, revision)
SELECT exchange_id, epoch, :release, position, at_us, at_us, flagged, {_TWICE}, 1 + {_TWICE},
    CASE WHEN position <= :labelled THEN 1 + {_TWICE} ELSE 0 END, position > :labelled, 1
FROM safety_draw WHERE epoch = :epoch AND sampled
"""
_SIGNALS = """
INSERT INTO safety_signal (exchange_id, ordinal, hazard, score, why, detector, rule_id, flags, blocks)
SELECT exchange_id, 1, :hazard, 0.85, 'Asks for malicious software.', 'rules@1', 'cyber.write-malware', 1, 0
FROM safety_item WHERE flagged
"""
_OPINIONS = f"""
INSERT INTO safety_opinion (exchange_id, ordinal, reviewer, harms, severity, confidence, note, salt, at_us)
SELECT exchange_id, :ordinal, :reviewer, CASE WHEN {_HARMFUL} THEN :harmful ELSE :harmless END,
    CASE WHEN {_HARMFUL} THEN 'low' END, 'sure', '', x'00', at_us + 60000000
FROM safety_item WHERE NOT is_open AND wanted >= :ordinal
"""
_STANDINGS = f"""
INSERT INTO safety_standing
    (epoch, hazard, position, exchange_id, standing, pi, pi0, drawn_at_us, label_seq, settled_at_us)
SELECT i.epoch, :hazard, i.position, i.exchange_id,
    CASE WHEN i.is_open THEN 'pending' WHEN i.{_HARMFUL} AND :hazard = 'harmful_advice' THEN 'harm' ELSE 'no_harm' END,
    d.pi, d.pi0, i.drawn_at_us, CASE WHEN i.is_open THEN NULL ELSE i.position END, NULL
FROM safety_item i JOIN safety_draw d ON d.epoch = i.epoch AND d.position = i.position
"""
_EPOCH = "UPDATE safety_epoch SET pi0 = :rate, position = :count, tossed = :count, label_seq = :labelled WHERE epoch = :epoch"
_RUN = "INSERT INTO safety_run (epoch, first, pi0) VALUES (:epoch, 1, :rate)"
_BATCHES = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :batches - 1)
INSERT INTO safety_batch (epoch, first, last, digest, ledger_seq, at_us)
SELECT :epoch, i * :batch + 1, MIN(:count, (i + 1) * :batch), 'sha256:0', 1, :start + MIN(:count, (i + 1) * :batch) * :step FROM n
"""
_DRAWS = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO safety_draw (epoch, position, exchange_id, at_us, account_id, score, flagged, pi0, pi, sampled)
SELECT :epoch, i, printf('ex_%026d', i), :start + i * :step, printf('acc_%04d', i % 2500), 0.0, i % 10 = 0, :rate, :rate,
    i * :sent / :count > (i - 1) * :sent / :count
FROM n
"""
_NEWCOMERS = """
INSERT INTO safety_newcomer (epoch, account_id, position, at_us, last, exchanges, labels, pi0)
SELECT epoch, account_id, MIN(position), MIN(at_us), MAX(position), COUNT(*), SUM(sampled), :rate FROM safety_draw
WHERE epoch = :epoch GROUP BY epoch, account_id
"""
_BATCH = 50
"""Draws that one round of collecting recorded."""
_DRAWN_FOR = timedelta(days=13)
"""Whatever waits for longer than a fortnight counts as harm; nothing here does."""
_ACCOUNTS, _ORGANISATIONS = 2500, 100
_COHORT = "staff"
_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :accounts - 1) "
_PEOPLE = (
    "INSERT INTO access_organisation (id, name, state, created_at_us, revision) "
    + _NUMBERS
    + "SELECT printf('org_%03d', i), 'Organisation ' || i, 'active', :now, 1 FROM n WHERE i < :organisations",
    "INSERT INTO access_account (id, name, organisation_id, tier, state, simulated, created_at_us, revision) "
    + _NUMBERS
    + "SELECT printf('acc_%04d', i), 'Account ' || i, printf('org_%03d', i % :organisations), 'untrusted', 'active', 1, :now, 1"
    " FROM n",
    "INSERT INTO access_grant (id, account_id, cohort, state, limited_to_percent, starts_at_us, ends_at_us, simulated,"
    " created_at_us, revision) "
    + _NUMBERS
    + "SELECT printf('gr_%04d', i), printf('acc_%04d', i), :cohort, 'active', 100, :now, :end, 1, :now, 1 FROM n",
    "INSERT INTO access_key (id, grant_id, digest, label, scopes, networks, state, created_at_us, expires_at_us, revision) "
    + _NUMBERS
    + "SELECT printf('key_%04d', i), printf('gr_%04d', i), randomblob(32), 'key', '[\"api.chat\"]', '[]', 'active', :now, :end, 1"
    " FROM n",
)
NAMES = {
    "account": "acc_0007",
    "organisation": "org_007",
    "cohort": _COHORT,
    "grant": "gr_0007",
    "key": "key_0007",
    "passkey": "psk_first",
    "item": f"ex_{9:026d}",
}
"""What is there under a name that is known beforehand; the item has a label that stands."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is behind the pages.

    Attributes:
        exchanges: Exchanges that were drawn from.
        waiting: Items that wait for a reader.
        labelled: Items whose label stands.
        entries: Ledger entries.
        records: Filed records.
    """

    exchanges: int = 1_000_000
    waiting: int = 100_000
    labelled: int = 20_000
    entries: int = 100_000
    records: int = 1_000

    @property
    def labelled_upto(self) -> int:
        """The last draw whose label stands, if it was sent to review."""
        return self.exchanges * self.labelled // (self.waiting + self.labelled)

    def small(self) -> Size:
        """Return a hundredth of everything."""
        return Size(self.exchanges // 100, self.waiting // 100, self.labelled // 100, self.entries // 100, self.records // 100)


@dataclass(frozen=True, slots=True)
class Filled:
    """An installation with something in it."""

    house: House
    first: Actor
    release: str


def fill(home: Home, size: Size) -> Filled:
    """Fill an installation, or open the one that was filled before."""
    fresh = not home.database.exists()
    home.make()
    house = open_house(home, load(home.root, {}))
    if not fresh:
        first = house.access.authenticate_staff(home.root.joinpath("token").read_text("utf-8"))
        return Filled(house, first, house.releases.list(by=first)[0].id)
    first = first_of(house)
    home.root.joinpath("token").write_text(house.access.staff.renew(StaffId(first.id), by=first).secret, "utf-8")
    release, _ = house.releases.apply(a_plan(), by=first)
    epoch = house.releases.get(release.id, by=first).epoch("staff")
    now = house.clock.now()
    began = now - _DRAWN_FOR
    house.desk.sampling.open_epoch(epoch, now=began)
    house.access.cohorts.add(_COHORT, seats=None, by=first)
    with house.engine.begin() as connection:
        _people(connection, first, now)
        _draws(connection, epoch, size, began, now)
        _queue(connection, epoch, release.id, size, first.id)
        _exposure(connection, epoch, size, now)
    _records(house, first, release.id, size, now)
    for start in range(0, size.entries, _PART):
        with house.engine.begin() as connection:
            for number in range(start, min(start + _PART, size.entries)):
                body = {"reason": f"entry {number}", "epoch": epoch}
                append(connection, Entry("label.given", f"ex_{number:026d}", first.id, now, body))
    with house.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    return Filled(house, first, release.id)


def _people(connection: sa.Connection, first: Actor, now: datetime) -> None:
    """Enter accounts of organisations, each with a seat and a key, and give the first member of staff a passkey."""
    given = {
        "accounts": _ACCOUNTS,
        "organisations": _ORGANISATIONS,
        "cohort": _COHORT,
        "now": to_us(now),
        "end": to_us(now + timedelta(days=365)),
    }
    for statement in _PEOPLE:
        connection.execute(sa.text(statement), given)
    connection.execute(
        sa.text(
            "INSERT INTO access_passkey (id, staff_id, credential_id, public_key, sign_count, name, created_at_us, revision)"
            " VALUES (:id, :staff, x'01', x'02', 0, 'A key', :now, 1)"
        ),
        {"id": NAMES["passkey"], "staff": first.id, "now": to_us(now)},
    )


def _draws(connection: sa.Connection, epoch: str, size: Size, began: datetime, now: datetime) -> None:
    """Draw from every exchange, and send as many to review as there are items, spread over the days since the epoch began."""
    sent = size.waiting + size.labelled
    given = {
        "epoch": epoch,
        "count": size.exchanges,
        "sent": sent,
        "labelled": size.labelled_upto,
        "batch": _BATCH,
        "batches": -(-size.exchanges // _BATCH),
        "start": to_us(began),
        "step": (to_us(now) - to_us(began)) // size.exchanges,
        "rate": sent / size.exchanges,
    }
    for statement in (_EPOCH, _RUN, _BATCHES, _DRAWS, _NEWCOMERS):
        connection.execute(sa.text(statement), given)


def _queue(connection: sa.Connection, epoch: str, release_id: str, size: Size, reviewer: str) -> None:
    """Queue what was sent: the first have a label that stands, the others wait."""
    given = {"epoch": epoch, "release": release_id, "labelled": size.labelled_upto, "hazard": _FLAGGED}
    for statement in (_ITEMS, _SIGNALS):
        connection.execute(sa.text(statement), given)
    none = dict.fromkeys(_HAZARDS, False)
    said = {"harmless": json.dumps(none), "harmful": json.dumps({**none, _HARMED: True})}
    for ordinal, reader in enumerate((reviewer, "stf_second"), start=1):
        connection.execute(sa.text(_OPINIONS), {**said, "ordinal": ordinal, "reviewer": reader})
    for hazard in _HAZARDS:
        connection.execute(sa.text(_STANDINGS), {"hazard": hazard})


def _exposure(connection: sa.Connection, epoch: str, size: Size, now: datetime) -> None:
    """Count who was served on which of twenty days: 2,500 accounts of 100 organisations."""
    each = max(1, size.exchanges // 50_000)
    rows: list[dict[str, Any]] = [
        {
            "epoch": epoch,
            "account": f"acc_{account:04d}",
            "organisation": f"org_{account % 100:03d}",
            "day": (now - timedelta(days=day)).strftime("%Y-%m-%d"),
            "exchanges": each,
            "at": to_us(now - timedelta(days=day)),
        }
        for account in range(2500)
        for day in range(20)
    ]
    connection.execute(
        sa.text(
            "INSERT INTO traffic_daily (epoch, account_id, organisation_id, day, exchanges, tokens, first_us, last_us)"
            " VALUES (:epoch, :account, :organisation, :day, :exchanges, 100, :at, :at)"
        ),
        rows,
    )
    connection.exec_driver_sql(
        "INSERT INTO traffic_counted (epoch, exchanges, tokens, first_us, last_us, turn)"
        " SELECT epoch, SUM(exchanges), SUM(tokens), MIN(first_us), MAX(last_us), 0 FROM traffic_daily GROUP BY epoch"
    )


def _records(house: House, first: Actor, release_id: str, size: Size, now: datetime) -> None:
    """File results, a hundred in a file."""
    each = min(100, size.records, MOST_FINDINGS)
    for number in range(size.records // each):
        rows = "".join(f"task_{row},accuracy,item,,{row % 7},{1000 + number}\n" for row in range(each))
        content = f"task,metric,unit,cluster,k,n\n{rows}".encode()
        told = declared(release=release_id, suite=f"suite_{number % 20}", produced_at=now - timedelta(days=number % 90 + 1))
        house.filing.add(document(content), told, by=first)
