"""Plain counts as CSV."""

from __future__ import annotations

import io

import pytest

from headgate.evidence.importers.detect import read
from headgate.evidence.importers.interface import Imported, Reason, Refusal
from headgate.evidence.model.record import Counts, Tally
from headgate.testing.evaluations import MEASURED_AT, a_declaration

HEADER = "task,metric,unit,cluster,k,n\n"


def test_rows_of_one_name_are_one_finding() -> None:
    table = HEADER + "ctf,solved,item,,3,64\nuplift,success,person,anna,2,5\nuplift,success,person,ben,0,5\n"
    outcome = read(io.BytesIO(b"\xef\xbb\xbf" + table.encode()), a_declaration())
    assert isinstance(outcome, Imported)
    first, second = outcome.findings
    assert first.counts == Counts(3, 64, "item")
    assert second.counts == Counts(2, 10, "person", (Tally(5, 0, 1), Tally(5, 2, 1)))
    assert first.produced_at == MEASURED_AT
    assert first.reported == 3 / 64


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (HEADER, Reason.NO_RESULTS),
        ("k,n\n1,2\n", Reason.UNKNOWN_FORMAT),
        ("task,metric,unit,cluster,k,n,extra\n", Reason.UNREADABLE),
        (HEADER + "ctf,solved,item,,3\n", Reason.UNREADABLE),
        (HEADER + "ctf,solved,item,,4,3\n", Reason.UNREADABLE),
        (HEADER + "ctf,solved,item,,0,0\n", Reason.UNREADABLE),
        (HEADER + "ctf,solved,item,,0.5,3\n", Reason.UNREADABLE),
        (HEADER + "ctf,solved,item,,-1,3\n", Reason.UNREADABLE),
        (HEADER + "ctf,solved,item,,²,3\n", Reason.UNREADABLE),
        (HEADER + "ctf,solved,item,,1,99999999999\n", Reason.UNREADABLE),
        (HEADER + "ctf,solved,item,,1,9999999999\n", Reason.UNREADABLE),
        (HEADER + ",solved,item,,1,3\n", Reason.UNREADABLE),
        (HEADER + 'ctf,"solved,item,,1,3\n', Reason.UNREADABLE),
        (HEADER + "ctf,solved,item,a,1,3\nctf,solved,item,a,1,3\n", Reason.DUPLICATE),
        (HEADER + "ctf,solved,item,,1,3\nctf,solved,item,,1,3\n", Reason.DUPLICATE),
        (HEADER + "ctf,solved,item,a,1,3\nctf,solved,item,,1,3\n", Reason.DUPLICATE),
        (HEADER + "ctf,solved,item,,1,3\nctf,solved,item,b,1,3\n", Reason.DUPLICATE),
    ],
)
def test_a_table_that_is_wrong_is_refused_by_name(table: str, reason: Reason) -> None:
    refusal = read(io.BytesIO(table.encode()), a_declaration())
    assert isinstance(refusal, Refusal), refusal
    assert refusal.reason is reason


def test_a_table_has_no_date_of_its_own() -> None:
    refusal = read(io.BytesIO((HEADER + "ctf,solved,item,,3,64\n").encode()), a_declaration(produced_at=None))
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.NO_DATE
