from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import io, sys

class Writes(io.TextIOBase):
    def __init__(self):
        self.made = []
    def write(self, text):
        self.made.append(text)
        return len(text)

written = sys.stderr = Writes()
import structlog
from headgate.bootstrap import logs
logs.configure("info")
log = structlog.get_logger()
log.info("worker.retired", pid=7)
log.debug("not.asked.for")
log.error("worker.died", why="two\\nlines")
print(*written.made, sep="", end="")
print(len(written.made))
"""


def test_an_event_is_one_line_in_one_write_for_several_processes_share_the_end_of_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    *lines, writes = done.stdout.splitlines()
    assert writes == "2"
    retired, died = (json.loads(line) for line in lines)
    assert (retired["event"], retired["level"], retired["pid"]) == ("worker.retired", "info", 7)
    assert (died["event"], died["level"], died["why"]) == ("worker.died", "error", "two\nlines")
