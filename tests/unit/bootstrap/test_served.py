"""Who supervises an installation, and that nobody does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from headgate.bootstrap.processes.served import NotServed, served, supervisor_of

if TYPE_CHECKING:
    from pathlib import Path


def test_whoever_serves_is_found_and_nobody_else(tmp_path: Path) -> None:
    with pytest.raises(NotServed):
        supervisor_of(tmp_path)
    with served(tmp_path):
        assert supervisor_of(tmp_path) == os.getpid()
    with pytest.raises(NotServed):
        supervisor_of(tmp_path)


def test_a_part_that_runs_beside_the_rest_is_not_taken_for_it(tmp_path: Path) -> None:
    with served(tmp_path):
        with served(tmp_path):
            assert supervisor_of(tmp_path) == os.getpid()
        assert supervisor_of(tmp_path) == os.getpid()
