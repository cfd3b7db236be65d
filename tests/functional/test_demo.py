"""``headgate demo``, as it stands in the README."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def test_the_demonstration_climbs_and_is_cut() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
    command = [sys.executable, "-m", "headgate", "demo"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "simulated" in done.stdout
    assert "made again from its stored evidence: the same" in done.stdout
    assert "ledger: ok" in done.stdout
