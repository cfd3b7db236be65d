"""``headgate up`` from an empty directory: what a person does in the first minutes, pasted as it was printed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import uuid
from typing import TYPE_CHECKING

import httpx

from functional.kit import eventually, processes
from headgate.testing.installation import READY_S, free_port, small_model

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

MARK = "FUNCTIONAL_MARK"
UP_S = READY_S


class Up:
    """One run of ``headgate up``, as somebody sees it who started it in a terminal."""

    def __init__(self, directory: Path, port: int, *words: str) -> None:
        self.mark = uuid.uuid4().hex
        self.url = f"http://127.0.0.1:{port}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
        command = [sys.executable, "-m", "headgate", "--data", str(directory), "up", "--port", str(port), *words]
        self.process = subprocess.Popen(
            command, env={**environment, MARK: self.mark}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.printed = ""
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed += line

    def until(self, words: str) -> None:
        """Wait until something was printed."""
        eventually(lambda: words in self.printed or self.process.poll() is not None, UP_S)
        assert words in self.printed, self.printed + self.errors()

    def errors(self) -> str:
        """Return what was said on standard error by a run that has ended."""
        if self.process.poll() is None or self.process.stderr is None:
            return ""
        return self.process.stderr.read()

    def said(self, name: str) -> str:
        """Return the value that stands beside a name."""
        found = re.search(rf"^  {name} +(.+)$", self.printed, re.MULTILINE)
        assert found is not None, self.printed
        return found[1].strip()

    def snippet(self) -> str:
        """Return the program that is to be pasted."""
        start = self.printed.index("from openai import")
        return self.printed[start : self.printed.index("\n\n", self.printed.index("print(", start))]

    def started(self) -> dict[int, str]:
        """Return every process that belongs to this run."""
        return processes(MARK, self.mark)


@contextlib.contextmanager
def up(directory: Path, *words: str, port: int | None = None) -> Generator[Up]:
    run = Up(directory, port or two_free_ports(), *words)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.process.send_signal(signal.SIGINT)
        run.process.wait(60)
        run.process.stdout.close() if run.process.stdout else None
        run.process.stderr.close() if run.process.stderr else None


def two_free_ports() -> int:
    """Return a port that is free and followed by a free one, for the stand-in model."""
    while True:
        port = free_port()
        with socket.socket() as after:
            try:
                after.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def pasted(program: str) -> str:
    """Run a program as it stands and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_from_an_empty_directory_to_an_answer_and_to_nothing_left_running(tmp_path: Path) -> None:
    directory = tmp_path / "fresh"
    # when
    with up(directory, "--workers", "1") as first:
        first.until("Ctrl-C")
        # then: everything that one needs is printed, and works as it stands
        assert first.said("address") == f"{first.url}/v1"
        assert first.said("model") == "small-model"
        assert "a stand-in" in first.printed or "stand-in" in first.printed
        key = first.said("key")
        assert pasted(first.snippet())
        started = first.started()
        assert len(started) >= 5, started
        # and: another one on the same port is told so, and never answers in its place
        with up(tmp_path / "another", port=int(first.url.rpartition(":")[2])) as another:
            assert another.process.wait(UP_S) == 1
            assert "up.port_taken" in another.errors()
        assert httpx.get(f"{first.url}/readyz", trust_env=False).status_code == 200
        # when: it is told to stop
        first.process.send_signal(signal.SIGINT)
        # then: every process that it started ends, quietly
        assert first.process.wait(60) == 0
        eventually(lambda: not first.started())
        assert "Traceback" not in first.errors()
    # when: again, in the same directory and on another port
    with up(directory, "--workers", "1") as second:
        second.until("Ctrl-C")
        # then: the same key, and it works
        assert second.said("key") == key
        assert pasted(second.snippet())
        assert second.said("open to").startswith("staff")


def test_in_front_of_another_model_server_its_model_is_named_and_answers(tmp_path: Path) -> None:
    with (
        small_model("--model", "house/other") as upstream,
        up(tmp_path / "data", "--workers", "1", "--upstream", upstream) as run,
    ):
        run.until("Ctrl-C")
        assert run.said("model") == "house/other"
        assert upstream in run.printed
        assert pasted(run.snippet())
        assert not any("small_model" in words for words in run.started().values())


def test_an_upstream_that_does_not_answer_is_said_with_a_code(tmp_path: Path) -> None:
    silent = f"http://127.0.0.1:{free_port()}/v1"
    with up(tmp_path / "data", "--upstream", silent) as run:
        assert run.process.wait(UP_S) == 1
        said = run.errors()
    assert "up.upstream_silent" in said
    assert silent in said
    assert "Traceback" not in said
    assert run.started() == {}


def test_a_port_of_the_stand_in_model_that_is_taken_is_said_with_a_code(tmp_path: Path) -> None:
    # given: something else that listens beside Headgate's own port
    port = two_free_ports()
    with socket.create_server(("127.0.0.1", port + 1)), up(tmp_path / "data", port=port) as run:
        assert run.process.wait(UP_S) == 1
        said = run.errors()
    assert "up.port_taken" in said
    assert str(port + 1) in said
    assert run.started() == {}
