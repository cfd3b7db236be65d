"""A gateway before the small model's responses, which keeps them; and before a server that streams what a test tells it to."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import openai

from headgate.kernel.ids import AccountId, GrantId, KeyId
from headgate.testing.small_model.answer import SmallModel
from headgate.testing.small_model.app import Application
from headgate.testing.small_model.prose import PROSE
from wire.kit import (
    EVERYTHING,
    KEY,
    MODEL,
    LoopThread,
    Running,
    ScriptedUpstream,
    a_policy,
    a_principal,
    a_rule,
    eventually,
    running,
)

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from headgate.gateway.model import ModelPolicy, Principal, StageRule

SURFACES = frozenset({"api.chat", "api.responses"})
ALL = EVERYTHING | {"stored", "background", "thinking", "hosted_tools", "file_input"}
STRANGER = "hg_test_stranger"
COLLEAGUE = "hg_test_ada_2"
"""Another key of the first one's account, under another grant."""


def rule(**changes: Any) -> StageRule:
    return a_rule(**{"surfaces": SURFACES, "capabilities": ALL, **changes})


def principal(name: str = "ada", **changes: Any) -> Principal:
    return a_principal(name, **{"scopes": SURFACES, **changes})


@dataclass
class Served:
    """A gateway, and the small model behind it."""

    running: Running
    model: Application
    model_url: str

    @property
    def world(self) -> Any:
        return self.running.world

    def client(self, key: str = KEY) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.running.url, api_key=key, max_retries=0, timeout=20)

    def policy(self, stage_rule: StageRule | None = None, **changes: Any) -> ModelPolicy:
        return a_policy(self.model_url, stage_rule or rule(), **changes)

    def set_policy(self, stage_rule: StageRule | None = None, **changes: Any) -> None:
        """Have another policy, and wait until the gateway has taken it in, and all that changed before."""
        self.world.change_policy(self.policy(stage_rule, **changes))
        eventually(lambda: self.running.gateway.stats().policy_seq == self.world.position())

    def set_principal(self, key: str = KEY, **changes: Any) -> None:
        """Have another principal, and wait until the gateway has taken it in."""
        self.world.change_principal(key, **changes)
        self.set_policy()


@contextmanager
def serving(database: Path, **settings: Any) -> Generator[Served]:
    """Serve the small model and a gateway before it."""
    thread = LoopThread()
    model = Application(SmallModel(PROSE), [MODEL, "upstream-atlas"])
    with closing(thread), thread.serving(model) as port:
        url = f"http://127.0.0.1:{port}/v1"
        with running(ScriptedUpstream(thread), database, policy=a_policy(url, rule()), **settings) as gateway:
            gateway.world.principals = {
                KEY: principal(),
                STRANGER: principal("eve"),
                COLLEAGUE: principal(
                    "ada2", account_id=AccountId("acc_ada"), grant_id=GrantId("grt_ada_2"), key_id=KeyId("key_2")
                ),
            }
            yield Served(gateway, model, url)


def event(kind: str, number: int, **members: Any) -> bytes:
    value = {"type": kind, "sequence_number": number, **members}
    return f"event: {kind}\ndata: ".encode() + json.dumps(value).encode() + b"\n\n"


def a_response(status: str = "in_progress", **members: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": status,
        "model": "upstream-atlas",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "store": True,
        **members,
    }


USAGE = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
PART = {"type": "output_text", "text": "", "annotations": []}
ITEM = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
MESSAGE = {**ITEM, "status": "completed", "content": [{**PART, "text": "Hello."}]}


def hello() -> list[bytes]:
    """A short stream with an event that nobody knows."""
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    return [
        event("response.created", 0, response=a_response()),
        event("response.in_progress", 1, response=a_response()),
        event("response.output_item.added", 2, output_index=0, item=ITEM),
        event("response.content_part.added", 3, **at, part=PART),
        event("response.output_text.delta", 4, **at, delta="Hel", logprobs=[], obfuscation="xyz"),
        event("response.x_mood.changed", 5, mood={"name": "calm", "level": 1.50}),
        event("response.output_text.delta", 6, **at, delta="lo.", logprobs=[]),
        event("response.output_text.done", 7, **at, text="Hello.", logprobs=[]),
        event("response.content_part.done", 8, **at, part={**PART, "text": "Hello."}),
        event("response.output_item.done", 9, output_index=0, item=MESSAGE),
        event("response.completed", 10, response=a_response("completed", output=[MESSAGE], usage=USAGE)),
    ]
