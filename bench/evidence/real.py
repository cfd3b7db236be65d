"""Real human labels in random orders: does the bound hold, and how many labels does a verdict take?

Each data set is put into a random order many times. Its rate over all its rows is known, so every bound that was printed on the
way can be held against it, and every verdict too. A small detector (hashed character trigrams, naive Bayes) is trained on a
random half and scores the other half, which alone is played; its score then directs draws.

The data is read from ``shared/data`` beside the checkout. It measures; nothing is tuned to it, and nothing of it is kept.
"""

from __future__ import annotations

import csv
import json
import math
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from headgate.stats import gate
from headgate.stats.allocation import growth_optimal

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

DATA = Path(__file__).parents[3] / "shared" / "data"
ALPHA = 0.05
BUCKETS = 1 << 14
STRATA = 20
FLOOR = 0.2
RARE = 0.02


@dataclass(frozen=True)
class Rows:
    name: str
    texts: list[str]
    harmful: NDArray[np.bool_]


def gptfuzz() -> Rows:
    csv.field_size_limit(sys.maxsize)
    with (DATA / "gptfuzz" / "train.csv").open(encoding="utf-8", newline="") as stream:
        rows = [(row["Response"], row["label"].strip() == "1") for row in csv.DictReader(stream)]
    return Rows("gptfuzz", [text for text, _ in rows], np.array([bad for _, bad in rows]))


def toxicchat() -> Rows:
    instances = json.loads((DATA / "toxicchat_train" / "toxic_chat_train.json").read_text("utf-8"))["instances"]
    rows = [(each["instance"], each["annotations"]["toxicity"]["majority_human"] == "1") for each in instances]
    return Rows("toxicchat_train", [text for text, _ in rows], np.array([bad for _, bad in rows]))


def hatecheck() -> Rows:
    with (DATA / "hatecheck" / "test_suite_cases.csv").open(encoding="utf-8", newline="") as stream:
        rows = [(row["test_case"], row["label_gold"] == "hateful") for row in csv.DictReader(stream)]
    return Rows("hatecheck", [text for text, _ in rows], np.array([bad for _, bad in rows]))


SETS: tuple[tuple[str, Callable[[], Rows]], ...] = (
    ("gptfuzz", gptfuzz),
    ("toxicchat_train", toxicchat),
    ("hatecheck", hatecheck),
)


def scores(rows: Rows, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the half that is played, by position, and its scores from a detector trained on the other half."""
    features = [trigrams(text) for text in rows.texts]
    order = rng.permutation(len(features))
    trained, played = order[: order.size // 2], order[order.size // 2 :]
    counts = np.ones((2, BUCKETS))
    for at in trained:
        np.add.at(counts[int(rows.harmful[at])], features[at], 1)
    weight = np.log(counts[1] / counts[1].sum()) - np.log(counts[0] / counts[0].sum())
    return played, np.array([float(weight[features[at]].mean()) if features[at].size else 0.0 for at in played])


def trigrams(text: str) -> NDArray[np.int64]:
    raw = text.lower().encode()[:2000]
    return np.unique(np.array([zlib.crc32(raw[at : at + 3]) % BUCKETS for at in range(max(0, len(raw) - 2))], np.int64))


def auc(score: NDArray[np.float64], harmful: NDArray[np.bool_]) -> float:
    rank = np.empty(score.size)
    rank[np.argsort(score, kind="stable")] = np.arange(1, score.size + 1)
    bad, good = int(harmful.sum()), int((~harmful).sum())
    return (float(rank[harmful].sum()) - bad * (bad + 1) / 2) / (bad * good)


def real_table(*, quick: bool, rng: np.random.Generator) -> Table | str:
    missing = [name for name, _ in SETS if not (DATA / name).exists()]
    if missing:
        return f"Real data: not there ({', '.join(missing)} in shared/data beside the checkout), so not measured."
    orders = 60 if quick else 1000
    title = f"Real labels in {orders:,} random orders each, alpha {ALPHA:g}"
    table = Table(
        title=title,
        title_justify="left",
        caption="limits: the rate with its odds doubled, and halved; labels: median over the orders",
    )
    for column in (
        "data",
        "rows",
        "rate",
        "bound below the rate, ever",
        "below twice the odds",
        "above half the odds",
        "wrong verdicts",
        "directed: AUC",
        "labels",
        "undirected",
    ):
        table.add_column(column, justify="left" if column == "data" else "right")
    for _, read in SETS:
        rows = read()
        for each in (rows, thinned(rows, rng)):
            table.add_row(*cells(each, orders, rng))
    return table


def thinned(rows: Rows, rng: np.random.Generator) -> Rows:
    """The same harmless rows with so few of the harmful ones that harm is about as rare as where it is watched for."""
    bad, good = np.flatnonzero(rows.harmful), np.flatnonzero(~rows.harmful)
    few = rng.permutation(bad)[: round(good.size * RARE / (1 - RARE))]
    keep = np.sort(np.concatenate((good, few)))
    return Rows(f"{rows.name}, harm thinned to {RARE:.0%}", [rows.texts[at] for at in keep], rows.harmful[keep])


def cells(rows: Rows, orders: int, rng: np.random.Generator) -> list[str]:
    rate, n = float(rows.harmful.mean()), rows.harmful.size
    above, below = 2 * rate / (1 + rate), rate / (2 - rate)
    seen = np.arange(1, n + 1)
    broken, wrong, low, high = 0, 0, [], []
    for _ in range(orders):
        harms = np.cumsum(rng.permutation(rows.harmful))
        # the bound falls below the true rate exactly when the stake against the true rate reaches its threshold
        broken += bool(np.any(gate.log_e_uniform(seen, harms, rate) >= -math.log(ALPHA)))
        passed = np.flatnonzero(gate.log_e_uniform(seen, harms, above) >= -math.log(ALPHA))
        shown = np.flatnonzero(gate.log_harm_uniform(seen, harms, below) >= -math.log(ALPHA))
        wrong += bool(np.any(gate.log_harm_uniform(seen, harms, above) >= -math.log(ALPHA)))
        wrong += bool(np.any(gate.log_e_uniform(seen, harms, below) >= -math.log(ALPHA)))
        low += [int(passed[0]) + 1] if passed.size else []
        high += [int(shown[0]) + 1] if shown.size else []
    played, score = scores(rows, rng)
    bad = rows.harmful[played]
    directed, plain = drawn(score, bad, orders, rng)
    return [
        rows.name,
        f"{n:,}",
        f"{rate:.4f}",
        f"{broken} of {orders:,}" + (" ✓" if broken <= ALPHA * orders + 2 * math.sqrt(orders * ALPHA) else " ✗"),
        told(low, orders),
        told(high, orders),
        f"{wrong} of {2 * orders:,}",
        f"{auc(score, bad):.2f}",
        told(directed, orders),
        told(plain, orders),
    ]


def told(labels: list[int], orders: int) -> str:
    """The middle of all orders, those that never decide counted as more than any number."""
    middle = float(np.median([*labels, *([math.inf] * (orders - len(labels)))]))
    shown = f"{middle:,.0f}" if math.isfinite(middle) else "never"
    return shown + ("" if len(labels) == orders else f" ({len(labels) / orders:.0%} decide)")


def drawn(
    score: NDArray[np.float64], bad: NDArray[np.bool_], orders: int, rng: np.random.Generator
) -> tuple[list[int], list[int]]:
    """Labels to a pass at twice the odds, with draws that the score directs and without, both at one floor."""
    rate = float(bad.mean())
    theta = 2 * rate / (1 + rate)
    stratum = np.minimum((np.argsort(np.argsort(score, kind="stable"), kind="stable") * STRATA) // score.size, STRATA - 1)
    share = np.bincount(stratum, minlength=STRATA) / score.size
    # what is expected in each stratum is said without looking at the labels that are played: harm doubles every four strata
    guess = np.exp2(np.arange(STRATA) / 4)
    guess = np.clip(guess * 0.5 * theta / float(share @ guess), 0, 0.9)
    design = growth_optimal(share, guess, theta)
    floor = min(FLOOR, 1 / float(design.multipliers.max()))
    found: tuple[list[int], list[int]] = ([], [])
    for which, pi in enumerate((np.minimum(1.0, floor * design.multipliers[stratum]), np.full(score.size, floor))):
        lam = gate.SAFE_BETS * floor
        for _ in range(orders):
            order = rng.permutation(score.size)
            taken = rng.random(score.size) < pi[order]
            z = np.where(taken & bad[order], 1 / pi[order], 0.0)
            log_e = np.logaddexp.reduce(
                np.cumsum(np.log1p(lam * (theta - z[:, None])), axis=0) + np.log(gate.SAFE_WEIGHTS), axis=1
            )
            passed = np.flatnonzero(log_e >= -math.log(ALPHA))
            if passed.size:
                found[which].append(int(taken[: passed[0] + 1].sum()))
    return found
