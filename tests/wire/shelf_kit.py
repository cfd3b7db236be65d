"""A gateway in front of the small model, with stages that admit files, batches and fine-tuning."""

from __future__ import annotations

import json
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import openai

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

    from headgate.gateway.model import ModelPolicy, StageRule

STRANGER = "hg_test_eve"
SURFACES = frozenset({"api.chat", "api.embeddings", "api.responses", "api.files", "api.batches", "api.fine_tuning"})
RIGHTS = (EVERYTHING - {"streaming"}) | {"fine_tuning", "file_input"}


_MODEL = SmallModel(PROSE)


def a_client(url: str, key: str = KEY) -> openai.OpenAI:
    """Return the official client, without reading the machine's certificates, which takes longer than a test."""
    http = openai.DefaultHttpxClient(verify=False, trust_env=False)
    return openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=20, http_client=http)


@dataclass
class Shelf:
    """What a test works with."""

    served: Running
    model: Application

    def client(self, key: str = KEY) -> openai.OpenAI:
        return a_client(self.served.url, key)

    @property
    def batches(self) -> dict[str, dict[str, Any]]:
        """The batches that the model server knows."""
        shelf: Any = self.model._shelf
        return shelf["batches"]._kept

    @property
    def uploads(self) -> list[bytes]:
        """What the model server holds, oldest first."""
        return [content for _, content in self.model.files._kept.values()]


def no_upstream() -> ScriptedUpstream:
    """Return a scripted model server that is never started: the small model takes its place."""
    return ScriptedUpstream(LoopThread.__new__(LoopThread))


def a_shelf_rule(**changes: Any) -> StageRule:
    return a_rule(**{"surfaces": SURFACES, "capabilities": RIGHTS, **changes})


@contextmanager
def small_model(*names: str) -> Generator[tuple[Application, str]]:
    """Serve the small model for as long as the test lasts."""
    application = Application(_MODEL, names)
    with closing(LoopThread()) as thread, thread.serving(application) as port:
        yield application, f"http://127.0.0.1:{port}/v1"


@contextmanager
def a_shelf(upstream: ScriptedUpstream, tmp_path: Path, rule: StageRule | None = None, **settings: Any) -> Generator[Shelf]:
    with small_model("upstream-atlas") as (application, url):
        policy = a_policy(url, rule or a_shelf_rule())
        with running(upstream, tmp_path / "limits.db", policy=policy, **settings) as served:
            served.world.principals = {
                KEY: a_principal(scopes=SURFACES),
                STRANGER: a_principal("eve", scopes=SURFACES),
            }
            yield Shelf(served, application)


def narrowed(shelf: Shelf, **changes: Any) -> ModelPolicy:
    """Change the stage's rule while the gateway runs."""
    return changed(shelf, rules={"vetted": a_shelf_rule(**changes)})


def changed(shelf: Shelf, **changes: Any) -> ModelPolicy:
    world = shelf.served.world
    policy = replace(world.models[MODEL], **changes)
    world.change_policy(policy)
    seq = world.position()
    eventually(lambda: shelf.served.gateway.stats().policy_seq >= 0 and shelf.served.gateway._knowledge._seq >= seq)
    return policy


def chat_row(custom_id: str, text: str = "Hello there.", **body: Any) -> dict[str, Any]:
    return {
        "custom_id": custom_id,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": MODEL, "messages": [{"role": "user", "content": text}], **body},
    }


def jsonl(*rows: dict[str, Any] | str) -> bytes:
    return b"".join((row if isinstance(row, str) else json.dumps(row)).encode() + b"\n" for row in rows)


def finished(client: openai.OpenAI, batch_id: str, within_s: float = 10.0) -> openai.types.Batch:
    """Return a batch once it is over."""
    end_s = time.monotonic() + within_s
    while True:
        batch = client.batches.retrieve(batch_id)
        if batch.status in ("completed", "failed", "cancelled", "expired"):
            return batch
        assert time.monotonic() < end_s, batch
        time.sleep(0.02)
