from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.kernel.actor import PERMISSIONS, Actor, Permission, Role
from headgate.kernel.clock import from_us, to_us
from headgate.kernel.digest import canonical_json, digest_of, short
from headgate.kernel.errors import Forbidden
from headgate.kernel.ids import mint
from headgate.kernel.units import Rate, parse_count, parse_rate, parse_span, span_text
from headgate.kernel.verdict import Verdict, worst

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_nothing_at_all_is_insufficient() -> None:
    assert worst([]) is Verdict.INSUFFICIENT


@given(st.lists(st.sampled_from(Verdict), min_size=1))
def test_only_passes_alone_make_a_pass(verdicts: list[Verdict]) -> None:
    assert (worst(verdicts) is Verdict.PASS) == all(verdict is Verdict.PASS for verdict in verdicts)


@given(st.lists(st.sampled_from(Verdict)), st.sampled_from([verdict for verdict in Verdict if verdict is not Verdict.PASS]))
def test_adding_a_doubt_never_gives_a_pass(verdicts: list[Verdict], doubt: Verdict) -> None:
    assert worst([*verdicts, doubt]) is not Verdict.PASS


def test_the_order_of_verdicts_is_the_published_one() -> None:
    order = [Verdict.PASS, Verdict.INSUFFICIENT, Verdict.STALE, Verdict.ERROR, Verdict.FAIL]
    for better, worse in itertools.pairwise(order):
        assert worst([better, worse]) is worse


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_an_instant_survives_its_store(instant: datetime) -> None:
    assert from_us(to_us(instant)) == instant


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        to_us(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


@given(st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_identifiers_sort_by_the_time_they_were_minted(first: bytes, second: bytes) -> None:
    assert mint("ex", at=NOON, entropy=first) < mint("ex", at=NOON + timedelta(milliseconds=1), entropy=second)


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_an_identifier_is_its_time_and_its_entropy_in_crockfords_base_32(ms: int, entropy: bytes) -> None:
    at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=min(ms, 10**14))

    body = mint("ex", at=at, entropy=entropy).removeprefix("ex_")

    number = 0
    for character in body:
        number = number * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(character)
    assert len(body) == 26
    assert number % 2**80 == int.from_bytes(entropy)
    assert abs((number >> 80) - min(ms, 10**14)) <= 1


def test_identifiers_of_one_instant_differ() -> None:
    assert len({mint("ex", at=NOON) for _ in range(1000)}) == 1000


def test_short_entropy_is_refused() -> None:
    with pytest.raises(ValueError, match="10 bytes"):
        mint("ex", at=NOON, entropy=b"short")


@pytest.mark.parametrize(
    ("text", "count"), [("40", 40), ("50k", 50_000), ("1.5M", 1_500_000), (7, 7), ("2G", 2_000_000_000), ("1,000", 1000)]
)
def test_counts_are_read(text: str | int, count: int) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["", "k", "-1", -1, True, "1.5", "0.0001k", "1e3", "NaN", "4 0 x"])
def test_what_is_no_count_is_refused(text: str | int) -> None:
    with pytest.raises(ValueError, match="count"):
        parse_count(text)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("30/min", Rate(30, 60)), ("200k/day", Rate(200_000, 86400)), ("10/15m", Rate(10, 900)), ("400/week", Rate(400, 604800))],
)
def test_rates_are_read(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["30", "30/", "30/fortnight", "/min", "30/0.5s", "x/min", "30/0s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_rate(text)


def test_a_rate_says_itself_as_it_was_written() -> None:
    assert str(parse_rate("30/min")) == "30/min"
    assert str(Rate(10, 900)) == "10/900s"
    assert parse_rate("7/week").per_day() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "span"), [("15m", timedelta(minutes=15)), ("14d", timedelta(days=14)), ("2w", timedelta(days=14))]
)
def test_spans_are_read(text: str, span: timedelta) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize("text", ["", "14", "d", "14 years", "-3d", "99999999w", "1e9d"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="span"):
        parse_span(text)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(days=2, hours=4), "2d04h"),
        (timedelta(hours=3, minutes=12), "3h12m"),
        (timedelta(minutes=5), "5m00s"),
        (timedelta(seconds=45), "45s"),
        (timedelta(seconds=-45), "-45s"),
    ],
)
def test_spans_are_said_shortly(span: timedelta, text: str) -> None:
    assert span_text(span) == text


def test_equal_values_have_one_digest() -> None:
    assert digest_of({"b": [1, 2.5, None], "a": "é"}) == digest_of({"a": "é", "b": [1, 2.5, None]})
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()
    assert short("sha256:91ab03cdef") == "sha256:91ab03cd"


def test_a_value_that_json_cannot_say_has_no_digest() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        digest_of(float("nan"))


@given(st.frozensets(st.sampled_from(Role)), st.sampled_from(Permission))
def test_what_the_table_does_not_list_is_refused(roles: frozenset[Role], permission: Permission) -> None:
    somebody = Actor.staff("stf_1", "Ada", roles)
    if any(permission in PERMISSIONS[role] for role in roles):
        somebody.must(permission)
    else:
        with pytest.raises(Forbidden) as refusal:
            somebody.must(permission)
        assert permission.value in str(refusal.value)


def test_every_deciding_role_can_narrow_alone() -> None:
    for role in (Role.RELEASE_MANAGER, Role.SAFETY_LEAD, Role.SECURITY, Role.BOARD, Role.ADMIN):
        assert {Permission.HOLD, Permission.NARROW, Permission.CUT} <= PERMISSIONS[role]


def test_a_process_of_our_own_has_only_what_it_was_given() -> None:
    controller = Actor.system("controller", Permission.CUT)
    controller.must(Permission.CUT)
    with pytest.raises(Forbidden):
        controller.must(Permission.APPROVE)


@pytest.mark.filterwarnings("ignore:This process")  # newer Pythons warn of forks beside threads; this child only mints
def test_a_forked_process_mints_identifiers_of_its_own() -> None:
    mint("ex", at=NOON)  # whatever is drawn ahead is drawn before the fork
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, mint("ex", at=NOON).encode())
        os._exit(0)
    os.waitpid(child, 0)

    theirs = os.read(reading, 100).decode()

    os.close(reading)
    os.close(writing)
    assert theirs.startswith("ex_")
    assert theirs not in {mint("ex", at=NOON) for _ in range(300)}


def test_threads_mint_different_identifiers() -> None:
    with ThreadPoolExecutor(4) as pool:
        minted = [waiting.result() for waiting in [pool.submit(mint, "ex", at=NOON) for _ in range(4000)]]

    assert len(set(minted)) == len(minted)
