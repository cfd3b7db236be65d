"""What is measured, each started as its users start it, all in front of one model server that answers at once.

The model server is nginx with a fixed answer: nothing in Python is quick enough not to be the bottleneck of nginx's own arm.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.machine import children, measuring_core, parent, pin
from headgate.testing.installation import CallFailed, Installation, free_port, installation

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import IO

LITELLM = "1.106.2"
LITELLM_KEY = "sk-bench-0123456789"
COHORT = "crowd"
BARE = "same server and client, bare"
"""The arm that shows what can be reached at all by what is built as Headgate is."""
_ROOT = Path(__file__).parents[2]
_LITELLM_AT = _ROOT / "build" / "bench-litellm"
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "small-model",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello there."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 3, "total_tokens": 43},
    },
    separators=(",", ":"),
)

_NGINX = """
daemon off;
worker_processes 1;
master_process off;
pid {place}/pid;
error_log {place}/error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {place}/body;
  proxy_temp_path {place}/proxy;
  fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi;
  scgi_temp_path {place}/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  {http}
}}
"""
_STATIC = """server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ default_type application/json; return 200 '{answer}'; }}
  }}"""
_PROXY = """upstream model {{ server {upstream}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://model;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering {buffering};
      proxy_read_timeout 600s;
    }}
  }}"""

PLAN = """
kind: ReleasePlan
name: {name}
model: {{name: {name}, upstream: {{url: "{upstream}/v1", model: small-model}}}}
end_state: api_limited
staging_is_for: [misuse]
hazards: {{misuse: {{severity: high, limit: {{traffic: 0.05}}}}}}
stages:
  - name: open
    who: {{cohort: {cohort}, seats: 2000000}}
    what: {{surfaces: [api.chat], capabilities: [streaming, system_prompt], max_output_tokens: 4k}}
    how_much: {{requests: 10M/min, tokens: 10000M/day, expected_use: 100}}
    watch: {{sample: 700/week, reviewers: 60, minutes_per_item: 1, input_screen: {input_screen}, output_screen: {output_screen}}}
    asks: ["how quick is it?"]
    leave:
      - rate: {{hazard: misuse, of: traffic, below: 0.05, alpha: 0.02}}
      - incidents: {{open_at_most: {{critical: 0}}}}
      - approval: {{roles: [safety_lead]}}
    stop:
      - incident: {{severity: critical, then: cut}}
"""
STAGES = {
    "policy": ("false", "after"),
    "input-screen": ("true", "after"),
    "both-screens": ("true", "hold_back"),
}
"""Release names and their screens."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One thing that is measured.

    Attributes:
        name: What the report calls it.
        url: Its address, without a path.
        model: What a client asks it for.
        pids: The processes whose time and memory are its own.
        beside: Those that work on what was answered, afterwards.
    """

    name: str
    url: str
    model: str
    pids: list[int]
    beside: Sequence[int] = ()


def measuring(pids: list[int]) -> list[int]:
    """Put processes on the core of what measures, and return them."""
    if (core := measuring_core()) is not None:
        pin(pids, core)
    return pids


def must_be_here(*programs: str) -> None:
    """Stop with advice if a program is not installed."""
    if missing := [program for program in programs if shutil.which(program) is None]:
        packages = " ".join({"nginx": "nginx-light"}.get(program, program) for program in missing)
        sys.exit(f"This needs {' and '.join(missing)}: apt-get install {packages}")


@contextmanager
def static_model(place: Path) -> Generator[tuple[str, list[int]]]:
    """Run a model server that gives one fixed answer; yields ``host:port`` and its processes."""
    port = free_port()
    with _nginx(place / "static", _STATIC.format(port=port, answer=ANSWER), port) as pids:
        yield f"127.0.0.1:{port}", measuring(pids)


@contextmanager
def nginx(place: Path, upstream: str, *, streams: bool = False) -> Generator[Arm]:
    """Run nginx as a reverse proxy, one worker."""
    port = free_port()
    http = _PROXY.format(port=port, upstream=upstream, buffering="off" if streams else "on")
    with _nginx(place / f"nginx-{port}", http, port) as pids:
        yield Arm("nginx", f"http://127.0.0.1:{port}", "small-model", pids)


@contextmanager
def bare(place: Path, upstream: str) -> Generator[Arm]:
    """Run the least that is built as Headgate is: its HTTP server and its client, one worker, nothing in between."""
    port = free_port()
    command = [sys.executable, "-m", "gateway.bare", str(port)]
    environment = {**os.environ, "BARE_UPSTREAM": upstream, "PYTHONPATH": str(Path(__file__).parents[1])}
    with (place / f"bare-{port}.log").open("wb") as log, _process(command, log, environment) as process:
        _until_answers(f"http://127.0.0.1:{port}/", process, within_s=20, any_status=True)
        yield Arm(BARE, f"http://127.0.0.1:{port}", "small-model", [process.pid])


@contextmanager
def headgate(place: Path, **settings: object) -> Generator[Installation]:
    """Run Headgate as its users do: ``headgate init``, ``headgate serve``, one worker."""
    with installation(place / "headgate", workers=1, log_level="error", **settings) as where:
        yield where


def release(where: Installation, name: str, upstream: str, *, screens: tuple[str, str]) -> None:
    """Open a release in front of ``upstream`` and wait until its cohort is there."""
    text = PLAN.format(name=name, upstream=f"http://{upstream}", cohort=COHORT, input_screen=screens[0], output_screen=screens[1])
    admin = where.api()
    admin("POST", "/api/releases", {"plan": text})
    deadline = time.monotonic() + 30
    while COHORT not in {cohort["name"] for cohort in admin("GET", "/api/cohorts")["items"]}:
        if time.monotonic() > deadline:
            raise CallFailed(0, "the release did not open")
        time.sleep(0.1)


def worker_of(where: Installation) -> list[int]:
    """Return the process that answers; the others of the installation are not counted."""
    with urllib.request.urlopen(f"{where.url}/healthz", timeout=10) as response:
        return [int(json.load(response)["pid"])]


def steward_of(worker: list[int]) -> list[int]:
    """Return the process that counts, scores and draws what a worker has answered."""
    supervisor = parent(parent(worker[0]))  # of all processes; between the two is the one that keeps the workers
    return [pid for pid in children(supervisor) if b"processes.steward" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@contextmanager
def litellm(place: Path, upstream: str) -> Generator[Arm | None]:
    """Run the LiteLLM proxy as its documentation says, one worker, one master key, no database; ``None`` if it cannot be had."""
    if not _have_litellm():
        yield None
        return
    port = free_port()
    config = place / "litellm.yaml"
    config.write_text(
        "model_list:\n"
        "  - model_name: small-model\n"
        f"    litellm_params: {{model: openai/small-model, api_base: 'http://{upstream}/v1', api_key: none}}\n"
        f"general_settings: {{master_key: {LITELLM_KEY}}}\n"
        "litellm_settings: {telemetry: false}\n",
        "utf-8",
    )
    command = [str(_LITELLM_AT / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    environment = {
        **os.environ,
        "PATH": f"{_LITELLM_AT / 'bin'}:{os.environ['PATH']}",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "NO_PROXY": "*",
    }
    with (place / "litellm.log").open("wb") as log, _process([*command, "--num_workers", "1"], log, environment) as process:
        _until_answers(f"http://127.0.0.1:{port}/health/liveliness", process, within_s=120)
        yield Arm(f"LiteLLM {LITELLM}", f"http://127.0.0.1:{port}", "small-model", children(process.pid))


def _have_litellm() -> bool:
    """Install LiteLLM once, in an environment of its own."""
    stamp = _LITELLM_AT / f"headgate-{LITELLM}"
    if stamp.exists():
        return True
    uv = shutil.which("uv") or str(_ROOT / "build" / "uv" / "bin" / "uv")
    python = str(_LITELLM_AT / "bin" / "python")
    print(f"Installing LiteLLM {LITELLM} into build/bench-litellm, once ...", file=sys.stderr)
    for command in (
        [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(_LITELLM_AT)],
        [uv, "pip", "install", "--quiet", "--python", python, f"litellm[proxy]=={LITELLM}", "uvloop"],
    ):
        try:
            done = subprocess.run(command, check=False)
        except OSError as error:
            print(f"LiteLLM is left out: {error}", file=sys.stderr)
            return False
        if done.returncode != 0:
            print("LiteLLM is left out: it could not be installed.", file=sys.stderr)
            return False
    stamp.touch()
    return True


@contextmanager
def _nginx(place: Path, http: str, port: int) -> Generator[list[int]]:
    place.mkdir(parents=True)
    config = place / "nginx.conf"
    config.write_text(_NGINX.format(place=place, http=http), "utf-8")
    program = shutil.which("nginx")
    assert program is not None, "the caller made sure"
    command = [program, "-e", str(place / "error.log"), "-c", str(config)]
    with (place / "log").open("wb") as log, _process(command, log, dict(os.environ)) as process:
        _until_answers(f"http://127.0.0.1:{port}/", process, within_s=10, any_status=True)
        yield children(process.pid)


@contextmanager
def _process(command: list[str], log: IO[bytes], environment: dict[str, str]) -> Generator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_answers(url: str, process: subprocess.Popen[bytes], *, within_s: float, any_status: bool = False) -> None:
    deadline = time.monotonic() + within_s
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            if any_status:
                return
        except OSError:
            pass  # not there yet
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{url} did not answer")
        time.sleep(0.1)
