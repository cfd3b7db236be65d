from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from headgate.testing.traffic import an_admission, an_outcome
from headgate.traffic.keys import DayKey
from headgate.traffic.model import MOST_TOKENS, Content, Exchange, OutcomeStatus
from headgate.traffic.rollup import counts
from headgate.traffic.rows import EXCHANGE, OPENED, SETTLED, admission_row, exchange, opened, outcome_row

KEY = DayKey(an_admission().at.date(), bytes(32))


def test_no_value_shows_a_prompt_or_an_answer() -> None:
    admission = an_admission(request_body=b"the secret question")
    values = [admission, an_outcome(admission, response_body=b"the secret answer"), Content(b"the secret question", b"")]

    assert "secret" not in " ".join(f"{value!r} {value}" for value in values)


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": datetime(2026, 3, 4)},  # noqa: DTZ001 - the mistake under test
        {"charged_tokens": -1},
        {"prompt_tokens": MOST_TOKENS + 1},
        {"completion_tokens": -1},
        {"http_status": -1},
        {"duration_ms": float("nan")},
        {"duration_ms": float("inf")},
        {"duration_ms": -0.5},
    ],
)
def test_an_outcome_that_no_spool_could_keep_is_refused_where_it_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"time zone|must be"):
        an_outcome(an_admission(), **wrong)


@pytest.mark.parametrize("wrong", [{"reserved_tokens": -1}, {"reserved_tokens": 2**60}])
def test_an_admission_that_no_spool_could_keep_is_refused_where_it_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="reserved_tokens"):
        an_admission(**wrong)
    with pytest.raises(ValueError, match="time zone"):
        an_admission(datetime(2026, 3, 4))  # noqa: DTZ001 - the mistake under test


def fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


def test_a_row_read_back_says_what_was_written() -> None:
    admission = an_admission(
        capabilities=("tools", "ünï"), stripped=("logprobs",), organisation_id=None, end_user="h", stream=False
    )
    outcome = an_outcome(admission, detail="zażółć", http_status=None, prompt_tokens=None)
    row = (*admission_row(admission, KEY)[: len(OPENED)], *outcome_row(outcome, KEY)[1 : 1 + len(SETTLED)], 17)
    assert len(row) == len(EXCHANGE)

    read = exchange(row, "w1_spool")

    expected = {name: value for name, value in fields(admission).items() if name != "request_body"}
    assert {name: getattr(read, name) for name in expected} == expected
    told = {name: value for name, value in fields(outcome).items() if name not in {"at", "response_body"}}
    assert {name: getattr(read, name) for name in told} == told
    assert (read.settled_at, read.response_bytes, read.spool, read.outcome_seq) == (outcome.at, 18, "w1_spool", 17)
    assert fields(opened(row)) == expected


def test_a_detail_that_is_not_unicode_does_not_lose_the_outcome() -> None:
    row = outcome_row(an_outcome(an_admission(), detail="half \ud83d"), KEY)

    assert "half \\ud83d" in row


def test_an_admission_that_is_not_unicode_is_noticed_before_it_meets_others() -> None:
    with pytest.raises(UnicodeEncodeError):
        admission_row(an_admission(model="half \ud83d"), KEY)


S = OutcomeStatus


@pytest.mark.parametrize(
    ("status", "http_status", "response_bytes", "counted"),
    [
        (S.COMPLETED, 200, 10, True),
        (S.COMPLETED, 200, 0, True),
        (S.UNKNOWN, None, 0, True),
        (S.CUT, 200, 10, True),
        (S.CUT, None, 0, False),
        (S.CLIENT_GONE, 200, 1, True),
        (S.CLIENT_GONE, None, 0, False),
        (S.UPSTREAM_FAILED, 200, 10, True),
        (S.UPSTREAM_FAILED, 200, 0, False),
        (S.UPSTREAM_FAILED, 502, 10, False),
        (S.UPSTREAM_FAILED, None, 10, True),
        (S.UPSTREAM_REFUSED, 400, 10, False),
    ],
)
def test_an_exchange_counts_as_exposure_if_somebody_may_have_seen_the_model(
    status: OutcomeStatus, http_status: int | None, response_bytes: int, *, counted: bool
) -> None:
    assert counts(settled(status, http_status, response_bytes)) is counted


def settled(status: OutcomeStatus, http_status: int | None, response_bytes: int) -> Exchange:
    admission = an_admission()
    outcome = an_outcome(admission, status=status, http_status=http_status, response_body=b"x" * response_bytes)
    return exchange((*admission_row(admission, KEY)[: len(OPENED)], *outcome_row(outcome, KEY)[1 : 1 + len(SETTLED)], 1), "s")
