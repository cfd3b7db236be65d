"""Two accounts of one cohort over a real socket, one of them held back: what each may do, is shown, and is recorded under."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import openai
import pytest

from headgate.gateway.model import Holdback
from headgate.kernel.ids import AccountId, EpochId
from headgate.kernel.lots import is_drawn
from wire.kit import EVERYTHING, KEY, MODEL, a_policy, a_principal, a_rule, eventually, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wire.kit import Running, ScriptedUpstream

LET_IN, HELD = KEY, "hg_test_bea"
LOTS = "rel_1/trusted@1"
WINDOW = timedelta(days=7)
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]


def an_account(*, drawn: bool) -> AccountId:
    return next(AccountId(f"acc_{number}") for number in range(100) if is_drawn(LOTS, f"acc_{number}", 0.5) is drawn)


@pytest.fixture
def served(upstream: ScriptedUpstream, tmp_path: Path) -> Iterator[Running]:
    kept = a_rule(epoch=EpochId("rel_1/trusted/1.held_back"), capabilities=EVERYTHING - {"tools"})
    holdback = Holdback(0.5, LOTS, datetime.now(UTC), WINDOW, kept)
    rule = a_rule(surfaces=frozenset({"api.chat", "api.responses"}), holdback=holdback)
    with running(upstream, tmp_path / "holdback.db", policy=a_policy(upstream.url, rule)) as gateway:
        both = frozenset({"api.chat", "api.responses"})
        for key, name, drawn in ((LET_IN, "ada", False), (HELD, "bea", True)):
            gateway.world.principals[key] = a_principal(
                name, account_id=an_account(drawn=drawn), organisation_id=None, scopes=both
            )
        yield gateway


def ask(served: Running, key: str, **more: object) -> httpx.Response:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2, **more}
    url = f"{served.url}/chat/completions"
    return httpx.post(url, json=body, headers={"authorization": f"Bearer {key}"}, timeout=20, trust_env=False)


def test_both_are_served_and_recorded_apart(served: Running) -> None:
    assert [ask(served, key).status_code for key in (LET_IN, HELD)] == [200, 200]
    eventually(lambda: len(served.recorder.admissions) == 2)
    recorded = {admission.account_id: (admission.stage, admission.epoch) for admission in served.recorder.admissions}
    assert recorded == {
        an_account(drawn=False): ("trusted", "rel_1/trusted/1"),
        an_account(drawn=True): ("trusted", "rel_1/trusted/1.held_back"),
    }


def test_what_only_the_held_back_lack_is_refused_by_its_own_code_and_says_until_when(served: Running) -> None:
    assert ask(served, LET_IN, tools=TOOLS).status_code == 200
    answer = ask(served, HELD, tools=TOOLS)
    until = datetime.now(UTC) + WINDOW
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (403, "stage.held_back", "tools")
    assert f"{until:%Y-%m-%d}" in error["message"]
    assert answer.headers["x-headgate-rule"] == "stage trusted, holdback"
    assert len(served.recorder.admissions) == 1  # nothing was recorded, and nothing went upstream, of what was refused


def test_the_official_client_reads_the_refusal_and_the_listing(served: Running) -> None:
    with openai.OpenAI(api_key=HELD, base_url=served.url, max_retries=0) as client:
        with pytest.raises(openai.PermissionDeniedError) as refused:
            client.responses.create(model=MODEL, input="Hi")
        assert refused.value.code == "stage.held_back"
        (model,) = client.models.list()
        shown = (model.model_extra or {})["headgate"]
    assert shown["surfaces"] == ["api.chat"]
    assert "tools" not in shown["capabilities"]
    with openai.OpenAI(api_key=LET_IN, base_url=served.url, max_retries=0) as client:
        (model,) = client.models.list()
        assert "tools" in (model.model_extra or {})["headgate"]["capabilities"]


def test_at_the_end_of_the_window_nobody_has_to_do_anything(served: Running) -> None:
    assert ask(served, HELD, tools=TOOLS).status_code == 403
    served.clock.moved = WINDOW
    assert ask(served, HELD, tools=TOOLS).status_code == 200
    assert served.recorder.admissions[-1].epoch == "rel_1/trusted/1"


def test_a_seat_that_begins_later_is_held_back_for_a_whole_window_of_its_own(served: Running) -> None:
    served.world.change_principal(HELD, enrolled_at=datetime.now(UTC) + timedelta(days=3))
    served.clock.moved = WINDOW
    eventually(lambda: ask(served, HELD, tools=TOOLS).status_code == 403)
    served.clock.moved = WINDOW + timedelta(days=3, minutes=1)
    assert ask(served, HELD, tools=TOOLS).status_code == 200


def test_a_stage_that_is_left_holds_nobody_back_and_every_worker_hears_of_it(served: Running) -> None:
    assert ask(served, HELD, tools=TOOLS).status_code == 403
    policy = served.world.models[MODEL]
    open_to_all = {cohort: replace(rule, holdback=None) for cohort, rule in policy.rules.items()}
    served.world.change_policy(replace(policy, rules=open_to_all))
    eventually(lambda: ask(served, HELD, tools=TOOLS).status_code == 200)
