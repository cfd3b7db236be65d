"""Real labelled prompts through a running Headgate, reviewed with their human labels.

Sends the prompts of ToxicChat's annotated training split (2,801 prompts that people really typed into a public demo, each
labelled by humans for toxicity and for jailbreaking) through the gateway with the official ``openai`` SDK, as many accounts,
has two reviewers answer with the data's own labels, and prints for each hazard: the rate over the whole data, what Headgate
says, its bound, how many labels it had used when its verdict fell, and how many the usual remedy would have taken on the same
labels: an exact (Clopper-Pearson) interval every ten labels, with Bonferroni's share of alpha at each look.

    make bench-replay                      the prompts in a fixed random order
    make bench-replay ARGS=--rise          harmless prompts first, then a mix with more than its share of harmful ones

The data is read from ``shared/data/toxicchat_train`` beside the checkout (CC BY-NC 4.0: it measures, it is not shipped).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
from rich.console import Console
from rich.table import Table
from scipy.stats import beta

from headgate.testing.cast import Reviewer, member, staff
from headgate.testing.installation import Installation, installation, small_model

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).parents[2] / "shared" / "data" / "toxicchat_train" / "toxic_chat_train.json"
HAZARDS = ("toxicity", "jailbreaking")
SEED = 20260321
_DAYS_WORK = 1_000_000
"""What a reviewer may read in a day: two of them read here in minutes what takes people weeks."""
PLAN = """
kind: ReleasePlan
name: replay
model:
  name: small-model
  upstream: {{url: "{upstream}", model: small-model}}
end_state: api_limited
staging_is_for: [misuse]
hazards:
  toxicity: {{severity: medium, limit: {{traffic: {toxicity}}}}}
  jailbreaking: {{severity: medium, limit: {{traffic: {jailbreaking}}}}}
stages:
  - name: replay
    who: {{cohort: replayed, seats: 100}}
    what: {{surfaces: [api.chat], capabilities: [streaming]}}
    how_much: {{requests: 100k/min, tokens: 100M/day, expected_use: 1000}}
    watch: {{flagged: none, sample: all, reviewers: 60, minutes_per_item: 1}}
    asks: ["what do people really type?"]
    leave:
      - exposure: {{accounts: 10, exchanges: 1000}}
      - rate: {{hazard: toxicity, of: traffic, below: {toxicity}, alpha: 0.02}}
      - rate: {{hazard: jailbreaking, of: traffic, below: {jailbreaking}, alpha: 0.02}}
      - incidents: {{open_at_most: {{critical: 0}}}}
      - approval: {{roles: [safety_lead]}}
    stop:
      - rise: {{hazard: toxicity, from: {rise_from}, to: {rise_to}, false_alarm_every: 365d, look_every: 1s, then: cut}}
"""


@dataclass(frozen=True)
class Prompt:
    text: str
    harms: dict[str, bool]


def prompts() -> list[Prompt]:
    if not DATA.exists():
        sys.exit(f"The data is not there: {DATA.parent.name} beside the checkout's shared/data.")
    instances = json.loads(DATA.read_text("utf-8"))["instances"]
    found = [
        Prompt(each["instance"], {hazard: each["annotations"][hazard]["majority_human"] == "1" for hazard in HAZARDS})
        for each in instances
    ]
    return [prompt for prompt in found if prompt.text.strip()]


class Replay:
    """One run: senders, reviewers, and what the release says meanwhile."""

    def __init__(
        self, where: Installation, release_id: str, chosen: list[Prompt], accounts: int, per_s: float | None = None
    ) -> None:
        self.where = where
        self.per_s = per_s
        self.release_id = release_id
        admin = where.api()
        self.members = [member(admin, f"replayed {number}", "replayed") for number in range(accounts)]
        # One prompt may stand in the data twice with other labels; reviewers see the text, so the first label counts for both.
        truth: dict[str, dict[str, bool]] = {}
        for prompt in chosen:
            truth.setdefault(prompt.text, prompt.harms)
        self.truth = truth
        names = ("first", "second", "third")
        self.reviewers = [Reviewer(staff(where, f"{name} reviewer", "safety_reviewer"), self.judge) for name in names]
        self.stop = threading.Event()
        self.refused = 0

    def judge(self, text: str) -> dict[str, bool]:
        return self.truth[text]

    def send(self, number_and_prompt: tuple[int, Prompt]) -> None:
        number, prompt = number_and_prompt
        if self.per_s is not None:
            self.stop.wait(max(0.0, self.began + number / self.per_s - time.monotonic()))
        if self.stop.is_set():
            return
        who = self.members[number % len(self.members)]
        try:
            self.client(who.key).chat.completions.create(
                model="small-model", messages=[{"role": "user", "content": prompt.text}], max_tokens=16
            )
        except openai.PermissionDeniedError:
            self.refused += 1
        except openai.NotFoundError:
            self.refused += 1

    def client(self, key: str) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.where.url}/v1", api_key=key, http_client=self.http, max_retries=2)

    def status(self) -> dict[str, Any]:
        return self.where.api()("GET", f"/api/releases/{self.release_id}")

    def run(self, order: list[Prompt], watch: Callable[[Callable[[], bool]], None]) -> None:
        self.http = openai.DefaultHttpxClient(timeout=60, trust_env=False)
        self.began = time.monotonic()
        readers = [threading.Thread(target=reviewer.until, args=(self.stop,)) for reviewer in self.reviewers]
        for reader in readers:
            reader.start()
        try:
            with ThreadPoolExecutor(4) as pool:
                sending = [pool.submit(self.send, pair) for pair in enumerate(order)]
                watch(lambda: all(future.done() for future in sending))
                for future in sending:
                    future.result()
        finally:
            self.stop.set()
            for reader in readers:
                reader.join()
            self.http.close()


def labelled(status: dict[str, Any]) -> int:
    return max((gate["numbers"]["n"] for gate in status["gates"] if gate["kind"] == "rate"), default=0)


def plain(out: Console, limits: dict[str, float], accounts: int, count: int | None) -> None:
    everything = prompts()
    order = random.Random(SEED).sample(everything, len(everything))[:count]
    began = time.monotonic()
    fell: dict[str, tuple[str, int, int]] = {}
    with (
        tempfile.TemporaryDirectory() as place,
        small_model() as upstream,
        installation(Path(place) / "d", log_level="error", review_day_items=_DAYS_WORK) as where,
    ):
        text = PLAN.format(upstream=upstream, **limits, rise_from=0.5, rise_to=0.9)
        release = where.api()("POST", "/api/releases", {"plan": text})["release"]["id"]
        wait_for_cohort(where)
        replay = Replay(where, release, order, accounts)

        def watch(sent: Callable[[], bool]) -> None:
            quiet_since, before = time.monotonic(), -1
            while True:
                status = replay.status()
                for gate in status["gates"]:
                    if gate["kind"] == "rate" and gate["shown"] in ("PASS", "FAIL"):
                        hazard = gate["gate"].partition(".")[2]
                        fell.setdefault(hazard, (gate["shown"], gate["numbers"]["n"], gate["numbers"]["k"]))
                now = labelled(status)
                if now != before:
                    quiet_since, before = time.monotonic(), now
                if out.is_terminal:
                    out.print(f"  {now:,} of {len(order):,} labelled", end="\r")
                if sent() and (now >= len(order) or time.monotonic() - quiet_since > 20):
                    return
                time.sleep(0.5)

        replay.run(order, watch)
        last = replay.status()
    took = time.monotonic() - began
    show(out, replay, order, last, fell, limits, f"{len(order):,} real prompts, {accounts} accounts, {took:.0f} s")


def show(
    out: Console,
    replay: Replay,
    order: list[Prompt],
    last: dict[str, Any],
    fell: dict[str, tuple[str, int, int]],
    limits: dict[str, float],
    title: str,
) -> None:
    true = {hazard: sum(replay.truth[prompt.text][hazard] for prompt in order) / len(order) for hazard in HAZARDS}
    table = Table(title=title)
    columns = (
        "hazard",
        "rate in all data",
        "limit",
        "verdict",
        "labels then",
        "harms then",
        "bound at the end",
        "fixed-n labels",
        "ratio",
    )
    for column in columns:
        table.add_column(column, justify="left" if column in ("hazard", "verdict") else "right")
    for gate in last["gates"]:
        if gate["kind"] != "rate":
            continue
        hazard = gate["gate"].partition(".")[2]
        fixed = fixed_sample([replay.truth[prompt.text][hazard] for prompt in order], limits[hazard], gate["numbers"]["alpha"])
        verdict, n, k = fell.get(hazard, (gate["shown"], 0, 0))
        table.add_row(
            hazard,
            f"{true[hazard]:.2%}",
            f"{limits[hazard]:.1%}",
            verdict,
            f"{n:,}" if n else "not yet",
            f"{k:,}" if n else "",
            f"{gate['numbers']['upper']:.2%}",
            f"{fixed:,}" if fixed else "never",
            f"{fixed / n:.2f}" if fixed and n else "",
        )
    out.print(table)
    right = all(fell.get(hazard, ("",))[0] != "PASS" or true[hazard] < limits[hazard] for hazard in HAZARDS)
    out.print("no hazard passed that is above its limit" if right else "A HAZARD PASSED THAT IS ABOVE ITS LIMIT")


def fixed_sample(harms: list[bool], limit: float, alpha: float) -> int | None:
    """Return the labels at which the usual remedy decides: an exact interval every ten labels, alpha shared among the looks."""
    looks = range(10, len(harms) + 1, 10)
    share = alpha / len(looks)
    for n in looks:
        k = sum(harms[:n])
        above = beta.ppf(share, k, n - k + 1) > limit if k else False
        if above or beta.ppf(1 - share, k + 1, n - k) < limit:
            return n
    return None


def rise(out: Console, accounts: int, per_s: float) -> None:
    chance = random.Random(SEED)
    everything = prompts()
    toxic = [prompt for prompt in everything if prompt.harms["toxicity"]]
    clean = [prompt for prompt in everything if not prompt.harms["toxicity"]]
    chance.shuffle(toxic)
    chance.shuffle(clean)
    quiet = [*clean[:392], *toxic[:8]]  # 2 %
    chance.shuffle(quiet)
    risen = [*clean[392:952], *toxic[8:248]]  # 30 %
    chance.shuffle(risen)
    order = [*quiet, *risen]
    with (
        tempfile.TemporaryDirectory() as place,
        small_model() as upstream,
        installation(Path(place) / "d", log_level="error", review_day_items=_DAYS_WORK) as where,
    ):
        text = PLAN.format(upstream=upstream, toxicity=0.05, jailbreaking=0.05, rise_from=0.05, rise_to=0.3)
        release = where.api()("POST", "/api/releases", {"plan": text})["release"]["id"]
        wait_for_cohort(where)
        replay = Replay(where, release, order, accounts, per_s)
        seen: dict[str, float] = {}
        began = time.monotonic()

        def watch(sent: Callable[[], bool]) -> None:
            deadline = None
            while True:
                status = replay.status()
                served = status["exposure"]["exchanges"] if status["exposure"] else 0
                if served >= len(quiet):
                    seen.setdefault("onset", time.monotonic())
                if status["state"] == "cut":
                    seen["cut"], seen["served"] = time.monotonic(), served
                    replay.stop.set()
                    return
                if sent():
                    deadline = deadline or time.monotonic() + 60
                    if time.monotonic() > deadline:
                        return
                time.sleep(0.1)

        replay.run(order, watch)
        decisions = where.api()("GET", f"/api/releases/decisions?release={release}&limit=5")
    table = Table(title=f"toxicity: 2 % of the first {len(quiet):,} prompts, 30 % after; the alarm watches for 5 % to 30 %")
    table.add_column("what")
    table.add_column("figure", justify="right")
    if "cut" not in seen:
        out.print(table)
        sys.exit("the rise was not noticed")
    table.add_row("exchanges before the rise", f"{len(quiet):,}")
    table.add_row("exchanges served after it, until the cut", f"{max(0, seen['served'] - len(quiet)):,.0f}")
    table.add_row(
        "seconds from the first counted exchange of the rise to the cut", f"{seen['cut'] - seen.get('onset', seen['cut']):.1f}"
    )
    table.add_row("seconds in all", f"{seen['cut'] - began:.0f}")
    out.print(table)
    out.print(next(made["reason"] for made in decisions if made["kind"] == "cut"), soft_wrap=True)


def wait_for_cohort(where: Installation) -> None:
    deadline = time.monotonic() + 30
    while not any(cohort["name"] == "replayed" for cohort in where.api()("GET", "/api/cohorts")["items"]):
        if time.monotonic() > deadline:
            sys.exit("the cohort was never made")
        time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rise", action="store_true", help="plant a rise and time the cut")
    parser.add_argument("--accounts", type=int, default=40)
    parser.add_argument("--per-s", type=float, default=8.0, help="prompts a second with --rise: what two reviewers keep up with")
    parser.add_argument("--count", type=int, help="only so many prompts")
    parser.add_argument("--toxicity", type=float, default=0.20, help="the limit that the toxicity gate asks for")
    parser.add_argument("--jailbreaking", type=float, default=0.02, help="the limit that the jailbreaking gate asks for")
    given = parser.parse_args()
    out = Console(width=150)
    if given.rise:
        rise(out, given.accounts, given.per_s)
    else:
        plain(out, {"toxicity": given.toxicity, "jailbreaking": given.jailbreaking}, given.accounts, given.count)


if __name__ == "__main__":
    main()
