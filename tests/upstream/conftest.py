"""A real third-party model server (llama.cpp under its Python front end) and a whole Headgate in front of it."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import openai
import pytest

from headgate.testing.cast import member
from headgate.testing.installation import free_port, installation

if TYPE_CHECKING:
    from collections.abc import Generator

_AT = Path(__file__).parents[2] / "build" / "test-upstream"
_MODEL = _AT / "tiny.gguf"
_PLAN = """
kind: ReleasePlan
name: tiny
model: {{name: tiny, upstream: {{url: "{url}/v1", model: tiny}}}}
end_state: api_limited
staging_is_for: [misuse]
hazards: {{misuse: {{severity: high, limit: {{traffic: 0.05}}}}}}
stages:
  - name: open
    who: {{cohort: tried, seats: 10}}
    what: {{surfaces: [api.chat], capabilities: [streaming, system_prompt, seed]}}
    how_much: {{requests: 100k/min, expected_use: 100}}
    watch: {{sample: all, reviewers: 60, minutes_per_item: 1, input_screen: true, output_screen: {output_screen}}}
    asks: ["does a real server behave behind it?"]
    leave:
      - rate: {{hazard: misuse, of: traffic, below: 0.05, alpha: 0.02}}
      - incidents: {{open_at_most: {{critical: 0}}}}
      - approval: {{roles: [safety_lead]}}
    stop:
      - incident: {{severity: critical, then: cut}}
"""


@dataclass(frozen=True)
class Pair:
    """The same model, asked directly and through Headgate."""

    direct: str
    through: str
    key: str

    def client(self) -> openai.OpenAI:
        """Return the official client of Headgate."""
        http = openai.DefaultHttpxClient(timeout=60, trust_env=False)
        return openai.OpenAI(base_url=f"{self.through}/v1", api_key=self.key, http_client=http, max_retries=0)


@pytest.fixture(scope="session")
def llama() -> Generator[str]:
    if not _MODEL.exists():
        pytest.skip("llama.cpp is not built: make test-upstream")
    port = free_port()
    command = [_AT / "bin" / "python", "-m", "llama_cpp.server", "--model", _MODEL, "--port", str(port), "--n_ctx", "512"]
    server = subprocess.Popen([*map(str, command), "--model_alias", "tiny"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until_answers(f"http://127.0.0.1:{port}/v1/models")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@contextmanager
def _behind_headgate(llama: str, place: Path, output_screen: str) -> Generator[Pair]:
    with installation(place, workers=1, log_level="error") as where:
        admin = where.api()
        admin("POST", "/api/releases", {"plan": _PLAN.format(url=llama, output_screen=output_screen)})
        while not admin("GET", "/api/cohorts")["items"]:
            time.sleep(0.1)
        yield Pair(llama, where.url, member(admin, "tried", "tried").key)


@pytest.fixture(scope="session")
def pair(llama: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Pair]:
    with _behind_headgate(llama, tmp_path_factory.mktemp("open"), "after") as both:
        yield both


@pytest.fixture(scope="session")
def screened(llama: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Pair]:
    with _behind_headgate(llama, tmp_path_factory.mktemp("screened"), "hold_back") as both:
        yield both


def _until_answers(url: str) -> None:
    deadline = time.monotonic() + 90
    with httpx.Client(trust_env=False) as client:
        while True:
            try:
                if client.get(url).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, "the model server did not start"
            time.sleep(0.2)
