"""What a worker counts, and how the shares of several become one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from headgate.adapters.telemetry import Counting, Sheets, exposed
from headgate.adapters.telemetry.families import BY_NAME, FAMILIES, FOLLOWED, Kind
from headgate.gateway.http import Stats
from headgate.gateway.model import (
    Admitted,
    Call,
    ModelPolicy,
    Principal,
    ReleaseState,
    StageRule,
    Upstream,
)
from headgate.gateway.upstream import Health, ServerStanding
from headgate.kernel.ids import AccountId, EpochId, ExchangeId, GrantId, KeyId, ReleaseId
from headgate.traffic.model import Outcome, OutcomeStatus, Screened

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CALL = Call("api.chat", "atlas", True, frozenset(), 10, None, 1, 1)
ADMITTED = Admitted(
    policy=ModelPolicy(
        ReleaseId("rel_1"), "atlas", "sha256:0", ReleaseState.LIVE, True, Upstream("http://m:8000/v1", "atlas"), {}, NOON
    ),
    rule=StageRule("trusted", EpochId("rel_1/trusted/1"), frozenset(), frozenset()),
    principal=Principal(
        KeyId("key_1"), AccountId("acc_1"), None, GrantId("grt_1"), "vetted", frozenset(), 100, lambda _ip, _now: None
    ),
    stripped=(),
    output_cap=None,
    reserved_tokens=10,
    meters=(),
)


def an_outcome(**changes: Any) -> Outcome:
    told: dict[str, Any] = {
        "exchange_id": ExchangeId("ex_1"),
        "at": NOON,
        "status": OutcomeStatus.COMPLETED,
        "http_status": 200,
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "charged_tokens": 12,
        "usage_exact": True,
        "duration_ms": 300.0,
        "screened": Screened.NOT_ASKED,
        "output_screened": Screened.NOT_ASKED,
        "response_body": b"",
        "detail": None,
    }
    return Outcome(**told | changes)


def stats(**changes: Any) -> Stats:
    told: dict[str, Any] = {
        "ready": True,
        "in_flight": 3,
        "open": 2,
        "streams": 1,
        "admitted": 9,
        "refused": {},
        "endings": {},
        "unrecorded_endings": 0,
        "policy_seq": 5,
        "policy_age_s": 0.5,
        "stale": False,
        "servers": (),
    }
    return Stats(**told | changes)


def read(counting: Counting, directory: Path, **changes: Any) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    sheets = Sheets(directory, "reader")
    body, _ = exposed(sheets.together(counting.sheet(stats(**changes), owed=0, retiring=False)), "")
    sheets.close()
    return parsed(body)


def parsed(body: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(body.decode())
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def where(**more: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({"surface": "api.chat", "model": "atlas", "stage": "trusted", **more}.items()))


def test_an_exchange_is_counted_by_where_it_went_and_how_it_ended(tmp_path: Path) -> None:
    counting = Counting()
    counting.settled(CALL, ADMITTED, an_outcome(), 0.02)
    counting.settled(
        CALL,
        ADMITTED,
        an_outcome(
            status=OutcomeStatus.CUT,
            http_status=None,
            prompt_tokens=None,
            completion_tokens=None,
            charged_tokens=40,
            usage_exact=False,
        ),
        None,
    )

    found = read(counting, tmp_path)

    assert found["headgate_exchanges_total", where(outcome="completed", status="200")] == 1
    assert found["headgate_exchanges_total", where(outcome="cut", status="none")] == 1
    assert found["headgate_tokens_total", where(kind="prompt")] == 7
    assert found["headgate_tokens_total", where(kind="charged")] == 52
    assert found["headgate_usage_estimated_total", where()] == 1
    timed = (
        ("gen_ai_operation_name", "chat"),
        ("gen_ai_request_model", "atlas"),
        ("headgate_stage", "trusted"),
        ("headgate_surface", "api.chat"),
    )
    assert found["gen_ai_server_request_duration_seconds_count", timed] == 2
    assert found["gen_ai_server_request_duration_seconds_sum", timed] == pytest.approx(0.6)
    assert found["gen_ai_server_time_to_first_token_seconds_count", timed] == 1


def test_what_the_screens_said_is_counted_and_that_nobody_looked_too(tmp_path: Path) -> None:
    counting = Counting()
    counting.settled(CALL, ADMITTED, an_outcome(screened=Screened.PASSED, output_screened=Screened.UNSCANNED), None)
    counting.refused("api.chat", "input.blocked")

    found = read(counting, tmp_path)

    assert found["headgate_screen_results_total", where(screen="input", result="passed")] == 1
    assert found["headgate_screen_results_total", where(screen="output", result="unscanned")] == 1
    assert found["headgate_screen_results_total", where(screen="input", result="blocked", model="", stage="")] == 1
    assert found["headgate_refusals_total", (("code", "input.blocked"), ("surface", "api.chat"))] == 1


def test_a_model_server_is_told_by_its_address_and_nothing_that_may_be_secret(tmp_path: Path) -> None:
    servers = (
        ServerStanding("http://user:secret@m:8000/v1?key=secret", Health.RESTING, 2),
        ServerStanding("https://n/v1", Health.WELL, 1),
    )

    found = read(Counting(), tmp_path, servers=servers)

    assert found["headgate_upstream_replicas", (("server", "m:8000"), ("state", "resting"))] == 1
    assert found["headgate_upstream_replicas", (("server", "m:8000"), ("state", "well"))] == 0
    assert found["headgate_upstream_requests_in_flight", (("server", "n"),)] == 1
    assert not any("secret" in str(key) for key in found)


@given(st.lists(st.floats(0, 20), max_size=50))
def test_a_histogram_counts_every_observation_once_in_the_first_bucket_that_holds_it(delays_s: list[float]) -> None:
    counting = Counting()
    for delay_s in delays_s:
        counting.followed(delay_s)

    numbers = {FOLLOWED: {(): sheet_of(counting)[FOLLOWED.name][0][1]}}
    body, _ = exposed(numbers, "")

    found = parsed(body)
    for bound in FOLLOWED.bounds:
        name = "headgate_revocation_delay_seconds_bucket"
        assert found[name, (("le", str(bound)),)] == sum(delay_s <= bound for delay_s in delays_s)
    assert found["headgate_revocation_delay_seconds_count", ()] == len(delays_s)


def sheet_of(counting: Counting) -> dict[str, list[tuple[list[str], list[float]]]]:
    return counting.sheet(stats(), owed=0, retiring=False).numbers


def test_every_number_has_a_name_of_its_own_with_its_unit_and_no_label_that_names_anybody() -> None:
    assert len(BY_NAME) == len(FAMILIES)
    for family in FAMILIES:
        assert family.name.startswith(("headgate_", "gen_ai_server_"))
        assert family.name.endswith("_total") is (family.kind is Kind.COUNTER)
        words = {word for label in family.labels for word in label.split("_")}
        assert not {"key", "account", "user", "client", "ip", "prompt"} & words
        assert list(family.bounds) == sorted(family.bounds)


# Several workers.


def asked(counting: Counting, times: int) -> None:
    for _ in range(times):
        counting.refused("api.chat", "limit.requests")


def test_what_workers_counted_is_added_and_stays_when_they_end_while_their_gauges_go(tmp_path: Path) -> None:
    # given: two workers, each with a sheet
    one, two, reader = Sheets(tmp_path, "worker-1"), Sheets(tmp_path, "worker-2"), Sheets(tmp_path, "worker-3")
    for sheets, times, age_s in ((one, 3, 9.0), (two, 4, 1.0)):
        counting = Counting()
        asked(counting, times)
        sheets.publish(counting.sheet(stats(policy_age_s=age_s, policy_seq=int(10 - age_s)), owed=2, retiring=False))
    own = Counting().sheet(stats(policy_age_s=0.1, policy_seq=20), owed=0, retiring=True)

    def look() -> dict[str, float]:
        body, _ = exposed(reader.together(own), "")
        found = parsed(body)
        return {
            "refusals": found["headgate_refusals_total", (("code", "limit.requests"), ("surface", "api.chat"))],
            "owed": found["headgate_spool_owed", ()],
            "age": found["headgate_policy_age_seconds", ()],
            "seq": found["headgate_policy_sequence", ()],
            "ready": found["headgate_workers", (("state", "ready"),)],
        }

    # then
    assert look() == {"refusals": 7, "owed": 4, "age": 9.0, "seq": 1, "ready": 2}
    # when: one ends
    one.close()
    # then
    assert look() == {"refusals": 7, "owed": 2, "age": 1.0, "seq": 9, "ready": 1}
    # when: another starts, which puts away what the dead have left
    four = Sheets(tmp_path, "worker-4")
    # then
    assert look() == {"refusals": 7, "owed": 2, "age": 1.0, "seq": 9, "ready": 1}
    assert not list(tmp_path.glob("worker-1*"))
    # when: that happens again and again
    two.close()
    four.close()
    for _ in range(3):
        Sheets(tmp_path, "worker-5").close()
    assert look()["refusals"] == 7
    assert len(list(tmp_path.iterdir())) < 8
    reader.close()


def test_a_sheet_that_was_put_away_and_could_not_be_removed_is_counted_once(tmp_path: Path) -> None:
    one = Sheets(tmp_path, "worker-1")
    counting = Counting()
    asked(counting, 3)
    one.publish(counting.sheet(stats(), owed=0, retiring=False))
    left = {path: path.read_bytes() for path in tmp_path.glob("worker-1*")}
    one.close()
    Sheets(tmp_path, "worker-2").close()
    for path, content in left.items():
        path.write_bytes(content)

    reader = Sheets(tmp_path, "worker-3")
    found = parsed(exposed(reader.together(Counting().sheet(stats(), owed=0, retiring=False)), "")[0])

    assert found["headgate_refusals_total", (("code", "limit.requests"), ("surface", "api.chat"))] == 3
    reader.close()


def test_a_reader_may_ask_for_open_metrics() -> None:
    body, media_type = exposed({}, "application/openmetrics-text; version=1.0.0")

    assert media_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
