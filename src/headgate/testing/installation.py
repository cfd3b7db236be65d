"""A whole Headgate on loopback, for tests, benches and the demonstration: real processes, a real database, real HTTP.

Nothing is faked: the small model is the only stand-in, and it speaks over a socket like any model server. Everything lies in
one directory and ends when the ``with`` block does; processes are ended by their own identifiers. The directory is a copy of
what ``headgate init`` makes (see ``homes``), which saves each Headgate a process.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pyreqwest.client import SyncClient, SyncClientBuilder
from pyreqwest.exceptions import PyreqwestError

from headgate.testing.homes import staffed_home

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

READY_S = 180.0
"""How long a process may take until it answers, a minute and more on a busy machine; one that has ended is not waited for."""

_ENDED_S = 30.0


class CallFailed(AssertionError):
    """A call to the control API was not answered as expected.

    Args:
        status: The HTTP status.
        body: What came back.
    """

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"HTTP {status}: {body[:500]}")
        self.status = status
        self.body = body


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Api:
    """The control API, as one member of staff (or nobody) sees it.

    Args:
        base: Address of the installation.
        token: The caller's staff token; ``None`` for an anonymous caller.
    """

    def __init__(self, base: str, token: str | None = None) -> None:
        self._base = base
        self._token = token
        self._client: SyncClient = SyncClientBuilder().timeout(timedelta(seconds=60)).no_proxy().build()

    def __call__(self, method: str, path: str, body: Any = None, *, expect: int | None = None) -> Any:
        """Call and return the decoded answer.

        Args:
            method: HTTP method.
            path: Path with query, from ``/``.
            body: JSON to send.
            expect: The status that must come back; any 2xx when absent.

        Raises:
            CallFailed: Another status came back.
        """
        request = self._client.request(method, self._base + path)
        if self._token is not None:
            request = request.bearer_auth(self._token)
        if body is not None:
            request = request.body_json(body)
        response = request.build().send()
        text = response.text()
        if response.status != expect if expect is not None else not 200 <= response.status < 300:  # noqa: PLR2004 - 2xx
            raise CallFailed(response.status, text)
        return json.loads(text) if text else None


@dataclass(frozen=True, slots=True)
class Installation:
    """A running Headgate.

    Attributes:
        directory: Its data directory.
        url: Its address, without a path.
        token: The token of its first member of staff.
        environment: The environment that its commands run in.
    """

    directory: Path
    url: str
    token: str
    environment: Mapping[str, str]

    def api(self, token: str | None = None) -> Api:
        """Return the control API as the holder of ``token`` sees it; as the first member of staff when absent."""
        return Api(self.url, token or self.token)

    def anybody(self) -> Api:
        """Return the control API as somebody without any credential sees it."""
        return Api(self.url)

    def command(self, *words: str, token: str | None = None, stdin: str | None = None, expect: int = 0) -> str:
        """Run ``headgate`` with these words in this installation and return what it printed on standard output.

        Raises:
            CallFailed: It ended with another exit code than ``expect``.
        """
        done = run_command(*words, environment=self.environment, token=token or self.token, stdin=stdin)
        if done.returncode != expect:
            raise CallFailed(done.returncode, done.stdout + done.stderr)
        return done.stdout


def run_command(
    *words: str, environment: Mapping[str, str], token: str | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``headgate`` with these words and return how it ended."""
    with_token = {**environment, "HEADGATE_TOKEN": token} if token else dict(environment)
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "headgate", *words], env=with_token, input=stdin, capture_output=True, text=True, check=False
    )


@contextlib.contextmanager
def small_model(*options: str) -> Generator[str]:
    """Run the small model and yield its base address, version included."""
    port = free_port()
    command = [sys.executable, "-m", "headgate.testing.small_model", "--port", str(port), *options]
    with _running(command, dict(os.environ)) as process:
        address = f"http://127.0.0.1:{port}"
        _until_answers(process, f"{address}/v1/models")
        yield f"{address}/v1"


@contextlib.contextmanager
def installation(directory: Path, *, workers: int = 2, **settings: object) -> Generator[Installation]:
    """Run a fresh Headgate in ``directory`` and yield it once it answers.

    Args:
        directory: An empty or absent directory.
        workers: How many worker processes.
        **settings: Any other setting, by name.
    """
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")},
        "HEADGATE_DATA": str(directory),
        "HEADGATE_PORT": str(port),
        "HEADGATE_WORKERS": str(workers),
        **{f"HEADGATE_{name.upper()}": str(value) for name, value in settings.items()},
    }
    _, token = staffed_home(directory)
    with _running([sys.executable, "-m", "headgate", "serve"], environment) as process:
        url = f"http://127.0.0.1:{port}"
        _until_answers(process, f"{url}/readyz")
        yield Installation(directory, url, token, environment)


@contextlib.contextmanager
def _running(command: list[str], environment: Mapping[str, str]) -> Generator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=dict(environment))  # noqa: S603 - our own commands
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_ENDED_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_answers(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + READY_S
    with SyncClientBuilder().timeout(timedelta(seconds=5)).no_proxy().build() as client:
        while True:
            try:
                if client.get(url).build().send().status == 200:  # noqa: PLR2004 - OK
                    return
            except PyreqwestError:
                pass  # not there yet
            if (code := process.poll()) is not None:
                raise CallFailed(0, f"{url} will not answer: the process that should ended with {code}")
            if time.monotonic() > deadline:
                raise CallFailed(0, f"{url} did not answer within {READY_S:.0f} s")
            time.sleep(0.05)
