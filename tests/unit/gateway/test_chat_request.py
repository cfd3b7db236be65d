"""What a chat request asks for by the names that other servers than OpenAI's give it, and what is done about it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from headgate.gateway.decide import admit
from headgate.gateway.errors import WrongType
from headgate.gateway.model import Admitted, ModelPolicy, OnExtra, Principal, ReleaseState, StageRule, Upstream
from headgate.gateway.wire.chat import compile_chat
from headgate.kernel.ids import AccountId, EpochId, GrantId, KeyId, ReleaseId

MODEL = "atlas"
CHAT = frozenset({"api.chat"})
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def body(**more: Any) -> bytes:
    return json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], **more}).encode()


def forwarded(request_body: bytes, **rule: Any) -> dict[str, Any]:
    request = compile_chat(request_body, None, b"k")
    stage: dict[str, Any] = {"capabilities": frozenset({"n", "logprobs", "response_format"}), **rule}
    policy = ModelPolicy(
        release_id=ReleaseId("rel_1"),
        model=MODEL,
        version_digest="sha256:0",
        state=ReleaseState.LIVE,
        gated=True,
        upstream=Upstream("http://127.0.0.1:1/v1", "theirs"),
        rules={"vetted": StageRule(stage="trusted", epoch=EpochId("rel_1/trusted/1"), surfaces=CHAT, **stage)},
        created=NOON,
    )
    principal = Principal(
        key_id=KeyId("key_1"),
        account_id=AccountId("acc_1"),
        organisation_id=None,
        grant_id=GrantId("grt_1"),
        cohort="vetted",
        scopes=CHAT,
        quota_percent=100,
        refusal=lambda _ip, _now: None,
    )
    admitted = admit(request.call, principal, policy, now=NOON, assumed_output_tokens=100)
    assert isinstance(admitted, Admitted), admitted
    return json.loads(request.forwarded(admitted))


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "max_new_tokens", "n_predict"])
def test_an_answer_is_bounded_by_whatever_name_the_server_may_listen_to(name: str) -> None:
    sent = forwarded(body(**{"max_tokens": 5, name: 5000}), max_output_tokens=64, on_extra=OnExtra.STRIP)

    assert sent[name] == 64


def test_a_bound_that_means_for_ever_is_refused() -> None:
    with pytest.raises(WrongType):
        compile_chat(body(n_predict=-1), None, b"k")


@pytest.mark.parametrize(
    ("field", "capability"),
    [
        ({"guided_json": {"type": "object"}}, "response_format"),
        ({"guided_regex": "a+"}, "response_format"),
        ({"grammar": "root ::= x"}, "response_format"),
        ({"prompt_logprobs": 3}, "logprobs"),
        ({"n_probs": 3}, "logprobs"),
        ({"best_of": 4}, "n"),
        ({"store": True}, "stored"),
        ({"web_search_options": {}}, "hosted_tools"),
        ({"modalities": ["text", "audio"]}, "audio_output"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "prefill"),
    ],
)
def test_a_right_is_asked_for_by_all_its_names(field: dict[str, Any], capability: str) -> None:
    assert capability in compile_chat(body(**field), None, b"k").call.capabilities


def test_what_is_taken_out_is_taken_out_by_all_its_names() -> None:
    sent = forwarded(
        body(guided_json={"type": "object"}, best_of=4, n_probs=2, keep="me"),
        capabilities=frozenset({"streaming"}),
        on_extra=OnExtra.STRIP,
    )

    assert sent.keys() & {"guided_json", "best_of", "n_probs"} == set()
    assert sent["keep"] == "me"


def test_sound_cannot_be_read_by_a_screen() -> None:
    assert not compile_chat(body(modalities=["audio"]), None, b"k").call.scannable
    assert compile_chat(body(), None, b"k").call.scannable
