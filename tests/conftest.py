"""What holds for every test: who runs it, how long it may take, and what it draws.

Under ``pytest -n`` a file goes to one process whole, for its tests share what was dear to set up; files that share one Headgate
or one reading among them go together. The dearest folders come first, so that no process has minutes left when the others are
done. (pytest-xdist 3.8 writes a test's group into its identifier, where pytest 9.2 no longer looks, and so ``--dist loadgroup``
alone groups nothing.)

No test fails because the machine is busy: an example may take as long as it does, and whoever waits for a Headgate gives up
before pytest does, with a message that says for what. Examples are drawn the same way each time.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadGroupScheduling

from headgate.testing.installation import READY_S

settings.register_profile(
    "sturdy", deadline=None, derandomize=True, database=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("sturdy")

TESTS = Path(__file__).parent
DEAREST = ("functional", "integration", "wire", "statistics", "contract")
"""Folders of tests in the order in which their files are given out; all others follow."""

TOGETHER = {
    "functional/test_bad_input.py": "shared",
    "functional/test_chat_page.py": "shared",
    "functional/test_control_api.py": "shared",
    "functional/test_review_in_the_terminal.py": "shared",
    "functional/test_slow_clients.py": "shared",
    "functional/test_faults.py": "sturdy",
    "functional/test_limits_across_workers.py": "sturdy",
    "wire/test_quirks.py": "recorded",
    "wire/test_recorded_exchanges.py": "recorded",
    "wire/test_recorded_readings.py": "recorded",
}
"""Files whose tests share one Headgate, or what takes long to read, by what they share."""

RUNS_HEADGATE = ("functional", "browser")
PATIENCE_S = 2 * READY_S + 60
"""A setup may wait for a model server and for a Headgate, each of which says itself that it did not come."""


class ByFile(LoadGroupScheduling):
    """Gives every file to whoever is free, and those that share something to one, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(PurePosixPath(nodeid.partition("::")[0]).relative_to("tests"))
        return TOGETHER.get(file, file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile | None:
    if config.getvalue("dist") != "loadgroup":
        return None
    config.option.loadscopereorder = False  # it would put first what has many tests, and leave the dear ones for the end
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _place(_folder(item)))
    for item in items:
        if _folder(item) in RUNS_HEADGATE and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(PATIENCE_S))


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0]


def _place(folder: str) -> int:
    return DEAREST.index(folder) if folder in DEAREST else len(DEAREST)
