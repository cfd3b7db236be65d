"""Lets the tests of the portal put a gateway into their own process, as those of the wire do."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
