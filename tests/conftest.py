"""How ``pytest -n`` shares the tests out: what is dear to set up is set up in one process, and its tests go there.

This stands in for the marks of pytest-xdist: its 3.8 writes a test's group into the test's identifier, where pytest 9.2 no
longer looks, and so ``--dist loadgroup`` alone groups nothing.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling

HOUSES = {
    "test_bad_input.py": "shared",
    "test_control_api.py": "shared",
    "test_review_in_the_terminal.py": "shared",
    "test_slow_clients.py": "shared",
    "test_faults.py": "sturdy",
    "test_keeping_going.py": "leisurely",
    "test_limits_across_workers.py": "sturdy",
    "test_telemetry.py": "watched",
}
"""Files of functional tests, and the fixture that runs their Headgate."""
TOGETHER = {"test_recorded_exchanges.py": "recorded", "test_quirks.py": "recorded"}
"""Files of other tests that share what takes long to read."""


class ByHouse(LoadGroupScheduling):
    """Gives every test to whoever is free, and those that share something to one."""

    def _split_scope(self, nodeid: str) -> str:
        path = PurePosixPath(nodeid.partition("::")[0])
        return (HOUSES if path.parent.name == "functional" else TOGETHER).get(path.name, nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByHouse | None:
    return ByHouse(config, log) if config.getvalue("dist") == "loadgroup" else None
