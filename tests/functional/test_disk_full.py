"""A disk that is full for real: the whole data directory on a small file system, filled to the last byte by somebody else."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from functional.kit import Running, eventually, problem, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

SIZE_BYTES = 48_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "tmpfs", str(place)]
    mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    if not mounted:
        pytest.skip("mounting a small file system takes root; test_faults.py does the same with a limit on file sizes")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 65536)
    with contextlib.suppress(OSError), path.open("ab", buffering=0) as file:
        while True:
            file.write(b"\0")


def asked_of(headgate: Running) -> int:
    return httpx.get(headgate.upstream.removesuffix("/v1") + "/state", trust_env=False).json()["requests"]


def test_a_full_disk_shuts_the_door_and_room_opens_it_again(small_disk: Path, model: str) -> None:
    with running(small_disk / "data", model) as headgate:
        # given
        who = headgate.member("somebody")
        assert headgate.ask(who).status_code == 200
        eventually(lambda: headgate.counted() == 1)
        # when: the disk is full
        fill(small_disk / "ballast")
        eventually(lambda: headgate.ask(who).status_code != 200)
        recorded, asked = len(headgate.admitted()), asked_of(headgate)
        answers = [headgate.ask(who, "x" * 20_000) for _ in range(20)]
        # then: nothing is served that is not recorded, and each refusal says why
        assert {answer.status_code for answer in answers} == {503}
        assert {problem(answer)["code"] for answer in answers} <= {"record.unavailable", "quota.unavailable"}
        assert (len(headgate.admitted()), asked_of(headgate)) == (recorded, asked)
        # when: there is room again
        (small_disk / "ballast").unlink()
        # then: it serves, everything that was served is settled and drawn once, and the ledger is whole
        eventually(lambda: headgate.ask(who).status_code == 200)
        eventually(lambda: headgate.endings()["open"] == 0)
        everything = set(headgate.admitted())
        eventually(lambda: set(headgate.draws()) == everything)
        assert headgate.where.command("ledger", "verify").startswith("ok")
