from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headgate.bootstrap.processes.plan import NoSuchPart, processes
from headgate.bootstrap.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = Settings(port=0, workers=3, drain_s=20.0, linger_s=2.0)


def test_a_part_alone_is_one_process_with_the_settings_in_its_environment(tmp_path: Path) -> None:
    [steward] = processes(tmp_path, SETTINGS, only="steward")

    assert steward.name == "steward"
    assert steward.environment["HEADGATE_DATA"] == str(tmp_path)
    assert steward.environment["HEADGATE_WORKERS"] == "3"


def test_no_part_has_a_strange_name(tmp_path: Path) -> None:
    with pytest.raises(NoSuchPart):
        processes(tmp_path, SETTINGS, only="butler")


def test_memory_is_given_out_from_few_stores_unless_the_environment_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    assert processes(tmp_path, SETTINGS, only="steward")[0].environment["MALLOC_ARENA_MAX"] == "2"

    monkeypatch.setenv("MALLOC_ARENA_MAX", "7")
    assert processes(tmp_path, SETTINGS, only="steward")[0].environment["MALLOC_ARENA_MAX"] == "7"
