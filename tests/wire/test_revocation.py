from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest

from headgate.bootstrap.bridges.policies import policy_of as bridged
from headgate.bootstrap.settings import Settings as HouseSettings
from headgate.gateway.model import ReleaseState
from headgate.kernel.ids import ReleaseId
from headgate.releases.decide import policy as releases
from headgate.releases.decide.revision import unborn
from headgate.releases.model.release import LIVE_STATES, State
from headgate.testing.releases import AUTHOR, a_plan, a_stage
from wire.kit import DONE, KEY, MODEL, Running, ScriptedUpstream, a_policy, a_rule, eventually, running, taken

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from headgate.gateway.model import ModelPolicy

AUTH = {"authorization": f"Bearer {KEY}"}


@contextmanager
def a_stream(served: Running, **more: Any) -> Generator[Iterator[bytes]]:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "stream": True, "script": "forever", **more}
    with httpx.stream("POST", f"{served.url}/chat/completions", json=body, headers=AUTH, timeout=20, trust_env=False) as response:
        yield response.iter_raw()


def rest_of(stream: Iterator[bytes]) -> bytes:
    return b"".join(stream)


def last_error(stream: bytes) -> dict[str, Any]:
    assert stream.endswith(DONE)
    frame = stream.removesuffix(b"\n\n" + DONE).rpartition(b"\n\n")[2]
    return json.loads(frame.removeprefix(b"data: "))["error"]


def ask(served: Running, **more: Any) -> httpx.Response:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], **more}
    return httpx.post(f"{served.url}/chat/completions", json=body, headers=AUTH, timeout=20, trust_env=False)


def test_a_revoked_keys_open_stream_ends_and_its_next_request_is_refused(served: Running) -> None:
    with a_stream(served) as stream:
        assert next(stream)
        served.world.change_principal(KEY, refusal=taken)
        error = last_error(rest_of(stream))

    assert (error["type"], error["code"]) == ("access_revoked", "key.revoked")
    again = ask(served)
    assert again.status_code == 403
    assert again.json()["error"]["code"] == "key.revoked"
    outcome = served.recorder.outcome()
    assert (outcome.status.value, outcome.http_status, outcome.usage_exact) == ("cut", 200, False)
    assert outcome.charged_tokens >= served.recorder.admissions[0].reserved_tokens
    eventually(lambda: served.upstream.abandoned == 1)


def test_the_sdk_raises_when_a_stream_is_cut(served: Running) -> None:
    with openai.OpenAI(base_url=served.url, api_key=KEY, max_retries=0, timeout=20) as client:
        stream = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Hi"}], stream=True, extra_body={"script": "forever"}
        )
        next(iter(stream))
        served.world.change_policy(a_policy(served.upstream.url, state=ReleaseState.CUT))
        with pytest.raises(openai.APIError) as caught:
            list(stream)

    assert caught.value.code == "release.cut"


def a_release(upstream_url: str, state: State) -> ModelPolicy:
    """What a worker knows of a real release that was opened once, and stands so now."""
    plan = a_plan(
        model={"name": MODEL, "upstream": {"url": upstream_url, "model": "upstream-atlas"}}, stages=[a_stage("vetted", 40)]
    )
    born = unborn(ReleaseId("rel_1"), plan, by=AUTHOR, now=datetime(2026, 1, 1, tzinfo=UTC), replaces=None)
    release = replace(born, state=state, stage=1 if state in LIVE_STATES else 0, reached=1)
    return bridged(releases.policy_of(release), HouseSettings())


def test_a_cut_release_says_so_to_those_it_served(served: Running) -> None:
    served.world.change_policy(a_release(served.upstream.url, State.LIVE))
    eventually(lambda: served.gateway.stats().policy_seq == 1)
    with a_stream(served) as stream:
        next(stream)
        served.world.change_policy(a_release(served.upstream.url, State.CUT))
        error = last_error(rest_of(stream))

    assert (error["type"], error["code"]) == ("access_revoked", "release.cut")
    again = ask(served)
    assert (again.status_code, again.json()["error"]["code"]) == (403, "release.cut")
    assert again.headers["x-headgate-code"] == "release.cut"
    assert again.headers["x-headgate-rule"] == "release state"
    served.world.change_principal(KEY, cohort="strangers")
    eventually(lambda: ask(served).json()["error"]["code"] == "model_not_found")


@pytest.mark.parametrize("state", [ReleaseState.CUT, ReleaseState.WITHDRAWN, ReleaseState.DRAFT, ReleaseState.UNKNOWN])
def test_a_release_that_stops_serving_ends_its_streams(served: Running, state: ReleaseState) -> None:
    with a_stream(served) as stream:
        next(stream)
        served.world.change_policy(a_policy(served.upstream.url, state=state))
        last_error(rest_of(stream))

    assert ask(served).status_code in (403, 404)


@pytest.mark.parametrize("state", [ReleaseState.HELD, ReleaseState.FROZEN, ReleaseState.COMPLETED, ReleaseState.NARROWED])
def test_a_release_that_holds_keeps_its_streams(served: Running, state: ReleaseState) -> None:
    with a_stream(served) as stream:
        next(stream)
        served.world.change_policy(a_policy(served.upstream.url, state=state))
        eventually(lambda: served.gateway.stats().policy_seq == 1)
        assert ask(served).status_code == 200
        eventually(lambda: served.gateway.stats().open == 1)  # the other one is told its end before it has been settled


def test_a_cohort_that_is_narrowed_away_is_cut(served: Running) -> None:
    with a_stream(served) as stream:
        next(stream)
        served.world.change_policy(a_policy(served.upstream.url, rules={"employees": a_rule()}))
        error = last_error(rest_of(stream))

    assert error["code"] == "model_not_found"


def test_a_capability_that_is_taken_away_cuts_the_streams_that_use_it(served: Running) -> None:
    with a_stream(served, seed=1) as stream:
        next(stream)
        served.world.change_policy(a_policy(served.upstream.url, a_rule(capabilities=frozenset({"streaming"}))))
        error = last_error(rest_of(stream))

    assert error["code"] == "capability.not_allowed"


def test_whoever_is_cut_off_is_told_the_reasons_and_the_way_to_appeal(served: Running) -> None:
    with a_stream(served) as stream:
        next(stream)
        served.world.change_principal(KEY, refusal=taken)
        error = last_error(rest_of(stream))

    assert error["message"] == "This key was taken away."
    assert error["headgate"]["rule"] == "key state"
    assert error["headgate"]["link"] == "https://example.org/appeal"


def test_an_end_date_that_passes_ends_the_stream(served: Running) -> None:
    with a_stream(served) as stream:
        next(stream)
        served.clock.moved = timedelta(days=31)
        error = last_error(rest_of(stream))

    assert error["code"] == "key.expired"


def test_a_clock_that_is_set_back_revives_nothing(served: Running) -> None:
    served.clock.moved = timedelta(days=31)
    assert ask(served).status_code == 403
    served.clock.moved = timedelta(days=-400)

    assert ask(served).json()["error"]["code"] == "key.expired"


def test_a_whole_answer_under_way_when_access_ends_is_refused(served: Running) -> None:
    found: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: found.append(ask(served, script="nothing")))
    asking.start()
    eventually(lambda: len(served.upstream.received) == 1)

    served.world.change_principal(KEY, refusal=taken)
    asking.join(10)

    assert found[0].status_code == 403
    assert found[0].json()["error"]["code"] == "key.revoked"
    assert served.recorder.outcome().status.value == "cut"
    eventually(lambda: served.upstream.abandoned == 1)


def test_access_that_ends_while_the_body_is_still_coming_lets_nothing_through(served: Running) -> None:
    assert ask(served).status_code == 200
    sent = len(served.upstream.received)

    def a_body() -> Iterator[bytes]:
        yield b'{"model": "%b", ' % MODEL.encode()
        eventually(lambda: served.gateway.stats().in_flight == 1)  # who calls was looked up with the head
        served.world.change_principal(KEY, refusal=taken)
        eventually(lambda: served.world.followed == 1)
        yield b'"messages": [{"role": "user", "content": "Hi"}]}'

    headers = AUTH | {"content-type": "application/json"}
    found = httpx.post(f"{served.url}/chat/completions", content=a_body(), headers=headers, timeout=20, trust_env=False)

    assert (found.status_code, found.json()["error"]["code"]) == (403, "key.revoked")
    assert len(served.upstream.received) == sent
    assert len(served.recorder.admissions) == 1


def test_access_that_ends_while_the_admission_is_written_lets_nothing_through(served: Running) -> None:
    ask(served)
    served.recorder.moving.clear()
    found: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: found.append(ask(served)))
    asking.start()
    eventually(lambda: served.recorder.writing == 1)

    served.world.change_principal(KEY, refusal=taken)
    eventually(lambda: served.world.followed == 1)
    served.recorder.moving.set()
    asking.join(10)

    assert found[0].status_code == 403
    assert len(served.upstream.received) == 1
    assert served.recorder.outcome(2).charged_tokens == 0


def test_silence_of_the_system_of_record_closes_gated_models_and_only_those(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with running(upstream, tmp_path / "limits.db", max_stale_s=0.5) as served:
        gated = served.world.models[MODEL]
        served.world.change_policy(replace(gated, model="open", gated=False))
        eventually(lambda: served.gateway.stats().policy_seq == 1)
        assert ask(served).status_code == 200
        with a_stream(served) as stream:
            next(stream)
            served.world.down = True
            error = last_error(rest_of(stream))

        assert error["code"] == "policy.stale"
        refused = ask(served)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "policy.stale")
        assert ask(served, model="open").status_code == 200
        assert not served.gateway.stats().ready
        served.world.down = False
        eventually(lambda: ask(served).status_code == 200)


def test_a_change_that_cannot_be_read_is_not_served_on_the_strength_of_what_was(served: Running) -> None:
    served.world.refreshes = False
    with a_stream(served) as stream:
        next(stream)
        served.world.change_principal(KEY, cohort="vetted")
        error = last_error(rest_of(stream))

    assert error["code"] == "policy.stale"
