"""``headgate demo``: a small simulated community plays through a whole release, in about two minutes, over real HTTP.

What is real: Headgate's processes, its database, every request, every label, every decision. What is made up, and marked
simulated: the people, what they type, what the reviewers take for harm, and the model, which babbles. First the ladder is
climbed, because the evidence says so and two people sign; then many begin to misuse the model at once, the alarm goes
off on labels alone, and the release is cut with streams open.

Run as ``python -m headgate.testing.community [--seconds N]``.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyreqwest.client import SyncClientBuilder
from pyreqwest.exceptions import PyreqwestError
from rich.console import Console

from headgate.bootstrap.up import example
from headgate.testing.cast import Approver, Member, Reviewer, member, staff
from headgate.testing.installation import installation, small_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.testing.installation import Api, Installation

MISUSE = "[simulated misuse]"
"""What stands in a prompt that the simulated reviewers take for harm."""

QUIET_RATE = 0.004
RISEN_RATE = 0.45
_HAZARD = "harmful_advice"
_SEATS = {"staff": 6, "trusted": 14, "general": 30}
_SEED = 20260321
_QUESTIONS = (
    "How do I keep basil alive on a windowsill?",
    "Explain tides to a ten-year-old.",
    "What should I see in a day in Lisbon?",
    "Why does bread rise?",
    "Write a limerick about a heron.",
    "How is a canal lock filled?",
    "What is the difference between a rook and a crow?",
    "Summarise the plot of a film about a lighthouse.",
)
_SERVED = 200
_PAUSE_S = 0.25
_STREAMS = 3  # so that never all of them are between two answers when the cut comes
_TAIL = 4096


class Crowd:
    """Members who ask questions, some of which are misuse.

    Args:
        url: Where Headgate listens.
        members: By cohort.
    """

    def __init__(self, url: str, members: dict[str, Sequence[Member]]) -> None:
        self._url = url
        self._members = members
        self._chance = random.Random(_SEED)  # noqa: S311 - a play, not a secret
        self._lock = threading.Lock()
        self.rate = QUIET_RATE
        self.served: Counter[str] = Counter()
        self.misuse_served = 0

    def play(self, cohort: str, stop: threading.Event) -> None:
        """Let the members of a cohort ask in turn until ``stop`` is set; whoever is refused waits for better times."""
        client = SyncClientBuilder().timeout(timedelta(seconds=30)).no_proxy().build()
        while not stop.is_set():
            for person in self._members[cohort]:
                if stop.is_set():
                    return
                with self._lock:
                    harmful = self._chance.random() < self.rate
                    question = self._chance.choice(_QUESTIONS)
                text = f"{MISUSE} {question}" if harmful else question
                body = {"model": "small-model", "messages": [{"role": "user", "content": text}], "max_tokens": 12}
                try:
                    response = (
                        client.post(f"{self._url}/v1/chat/completions").bearer_auth(person.key).body_json(body).build().send()
                    )
                except PyreqwestError:
                    continue
                with self._lock:
                    if response.status == _SERVED:
                        self.served[cohort] += 1
                        self.misuse_served += harmful
                if response.status != _SERVED:
                    stop.wait(_PAUSE_S)
                    break
            stop.wait(0.01)


class OpenStream:
    """A member who holds long answers open, one after another, to see when one is cut."""

    def __init__(self, url: str, person: Member) -> None:
        self._url = url
        self._person = person
        self._ended = ""
        self.opened = threading.Event()
        self.is_open = False

    @property
    def ended_with(self) -> str | None:
        """The frame that cut an answer short, if one did."""
        return next((line for line in self._ended.splitlines() if '"error"' in line), None)

    def hold(self, stop: threading.Event) -> None:
        """Ask for one long answer after another until one is cut short or ``stop`` is set."""
        client = SyncClientBuilder().timeout(timedelta(seconds=120)).no_proxy().build()
        body = {
            "model": "small-model",
            "stream": True,
            "messages": [{"role": "user", "content": "Go on and on."}],
            "max_tokens": 512,
        }
        while not stop.is_set() and self.ended_with is None:
            request = client.post(f"{self._url}/v1/chat/completions").bearer_auth(self._person.key)
            try:
                with request.body_json(body).build_streamed() as response:
                    if response.status != _SERVED:
                        stop.wait(_PAUSE_S)
                        continue
                    self.is_open = True
                    while (chunk := response.body_reader.read_chunk()) is not None:
                        self.opened.set()
                        self._ended = (self._ended + bytes(chunk).decode(errors="replace"))[-_TAIL:]
            except PyreqwestError:
                continue
            finally:
                self.is_open = False


class Story:
    """The play, told on a console as it happens."""

    def __init__(self, where: Installation, model_url: str, out: Console, seconds: float) -> None:
        self._where = where
        self._out = out
        self._began = time.monotonic()
        self._until = self._began + seconds
        admin = where.api()
        self._lead = staff(where, "Lena (simulated)", "safety_lead")
        self._manager = staff(where, "Rosa (simulated)", "release_manager")
        reviewers = [staff(where, f"{name} (simulated)", "safety_reviewer") for name in ("Ines", "Omar", "Juno")]
        self._reviewers = [Reviewer(api, lambda text: {_HAZARD: MISUSE in text}) for api in reviewers]
        plan = example("demo").replace("http://127.0.0.1:8901/v1", model_url)
        self._release: str = admin("POST", "/api/releases", {"plan": plan})["release"]["id"]
        self._await_cohorts(admin)
        members = {
            cohort: [member(admin, f"{cohort} {number} (simulated)", cohort) for number in range(1, seats + 1)]
            for cohort, seats in _SEATS.items()
        }
        self._crowd = Crowd(where.url, dict(members))
        self._streams = [OpenStream(where.url, person) for person in members["general"][-_STREAMS:]]
        self._stop = threading.Event()
        self._quiet = threading.Event()

    def tell(self) -> bool:
        """Play to the end; return whether everything came as it should."""
        self._say("everything that follows is [bold]simulated[/]: people, prompts, labels. Headgate itself is real.")
        approvers = [Approver(self._lead, self._release), Approver(self._manager, self._release)]
        threads = [
            *(threading.Thread(target=self._crowd.play, args=(cohort, self._stop)) for cohort in _SEATS),
            *(threading.Thread(target=reviewer.until, args=(self._stop,)) for reviewer in self._reviewers),
            *(threading.Thread(target=approver.until, args=(self._stop,)) for approver in approvers),
            *(threading.Thread(target=stream.hold, args=(self._stop,)) for stream in self._streams),
        ]
        for thread in threads:
            thread.start()
        try:
            return self._climb() and self._rise()
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(30)
            self._close()

    def _climb(self) -> bool:
        seen = 0
        while time.monotonic() < self._until:
            status = self._status()
            if status["stage"] != seen:
                seen = status["stage"]
                stage = status["stages"][seen - 1]["name"]
                self._say(f"[green]{stage}[/] is open ({seen} of {len(status['stages'])}): {self._why(status)}")
            if seen == len(status["stages"]):
                return all(stream.opened.wait(15) for stream in self._streams)
            self._progress(status)
            time.sleep(0.5)
        self._say("[red]the ladder was not climbed in time.[/]")
        return False

    def _rise(self) -> bool:
        time.sleep(4)
        before = self._crowd.misuse_served
        onset = time.monotonic()
        self._crowd.rate = RISEN_RATE
        self._say(f"[yellow]a planted rise begins[/]: misuse goes from {QUIET_RATE:.1%} to {RISEN_RATE:.0%} of requests.")
        while time.monotonic() < self._until:
            status = self._status()
            if status["state"] == "cut":
                cut_at = time.monotonic()
                harmful = self._crowd.misuse_served - before
                self._say(
                    f"[red]cut[/] {cut_at - onset:.1f} s after the rise began, on labels alone; "
                    f"{harmful} harmful exchanges were served in between."
                )
                return self._streams_ended()
            self._progress(status)
            time.sleep(0.25)
        self._say("[red]the rise was not cut in time.[/]")
        return False

    def _streams_ended(self) -> bool:
        self._await(lambda: not any(stream.is_open for stream in self._streams), 5)
        cut = [stream.ended_with for stream in self._streams if stream.ended_with]
        if any(stream.is_open for stream in self._streams) or not cut:
            self._say("[red]an open stream was not cut.[/]")
            return False
        self._say(f"{len(cut)} open streams were ended with: {cut[0][:110]}", markup=False)
        return True

    def _close(self) -> None:
        self._out.print()
        self._out.print(self._where.command("status").rstrip(), markup=False, highlight=False)
        self._out.print()
        self._out.print("decisions, newest last", style="bold")
        decisions = self._where.api()("GET", "/api/releases/decisions?limit=40")
        for made in reversed(decisions):
            self._out.print(f"  {made['at'][11:19]}Z  {made['kind']:<14} {made['reason'][:100]}", markup=False, highlight=False)
        last = decisions[0]["id"]
        replays = self._where.api()("GET", f"/api/releases/decisions/{last}")["replays"]
        self._out.print(f"\nthe last decision, made again from its stored evidence: {'the same' if replays else 'DIFFERENT'}")
        self._out.print("ledger: " + self._where.command("ledger", "verify").strip(), markup=False, highlight=False)

    def _status(self) -> dict[str, Any]:
        return self._where.api()("GET", f"/api/releases/{self._release}")

    def _why(self, status: dict[str, Any]) -> str:
        decisions = self._where.api()("GET", "/api/releases/decisions?limit=1")
        del status
        return str(decisions[0]["reason"])

    def _progress(self, status: dict[str, Any]) -> None:
        if self._out.is_terminal:
            self._out.print(self._line(status), end="\r", soft_wrap=True)

    def _line(self, status: dict[str, Any]) -> str:
        rates = [gate for gate in status["gates"] if gate["kind"] == "rate"]
        said = f"{rates[0]['numbers']['k']} harms in {rates[0]['numbers']['n']} labels" if rates else "no gate left"
        waiting = status["exposure"] or {"exchanges": 0}
        return f"  {self._clock()}  {waiting['exchanges']} exchanges, {said}, {status['verdict']}            "

    def _await_cohorts(self, admin: Api) -> None:
        def there() -> bool:
            listed = admin("GET", "/api/cohorts")["items"]
            return {cohort["name"] for cohort in listed}.issuperset(_SEATS)

        self._await(there, 20)

    @staticmethod
    def _await(true: Any, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not true() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _clock(self) -> str:
        return f"{time.monotonic() - self._began:5.1f} s"

    def _say(self, text: str, *, markup: bool = True) -> None:
        self._out.print(f"  {self._clock()}  {text}", markup=markup, highlight=False, soft_wrap=True)


def main() -> int:
    """Play, and return the exit code: 0 when the ladder was climbed and the rise was cut."""
    parser = argparse.ArgumentParser(prog="headgate demo", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0, help="how long it may take at most")
    seconds: float = parser.parse_args().seconds
    out = Console()
    with (
        tempfile.TemporaryDirectory(prefix="headgate-demo-") as place,
        small_model("--tokens-per-second", "150") as model_url,
        installation(Path(place) / "data", tick_s=0.5, log_level="error") as where,
    ):
        return 0 if Story(where, model_url, out, seconds).tell() else 1


if __name__ == "__main__":
    sys.exit(main())
