"""How ``pytest -n`` shares the tests out: what is dear to set up is set up in one process, and its tests go there.

A file whose tests run a Headgate, or open an installation, goes to one process whole: they share it, and some leave a state for
the next. Files that share one installation or one reading among them go together. Every other test goes to whoever is free.

This stands in for the marks of pytest-xdist: its 3.8 writes a test's group into the test's identifier, where pytest 9.2 no
longer looks, and so ``--dist loadgroup`` alone groups nothing.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling

WHOLE = {"functional", "integration"}
"""Folders below tests whose files each go to one process."""
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


class ByHouse(LoadGroupScheduling):
    """Gives every test to whoever is free, and those that share something to one."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.partition("::")[0]).relative_to("tests")
        return TOGETHER.get(str(file), str(file) if file.parts[0] in WHOLE else nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByHouse | None:
    return ByHouse(config, log) if config.getvalue("dist") == "loadgroup" else None
