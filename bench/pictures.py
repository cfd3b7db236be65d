"""The pictures of docs/evidence.md, worked out from the engine itself.

    make pictures

Every point is a call of ``headgate.stats``; simulated ones have a fixed seed, so the pictures come out the same each time.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import vl_convert as vlc
from scipy.stats import beta

from headgate.stats import discovery, gate, power, users

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
THETA, ALPHA = 1e-3, 0.05
INK, QUIET, ACCENT, WARM = "#22303c", "#8795a1", "#1f7a6d", "#c2571a"
SIZE = {"width": 560, "height": 250}


def stake() -> alt.LayerChart:
    """The stake over labels: without harm, with two harms, and at the limit itself."""
    labels = np.arange(1, 8001, 20)
    runs = {
        "no harm": np.zeros_like(labels),
        "harms at 1,500 and 3,200": (labels >= 1500).astype(int) + (labels >= 3200).astype(int),
        "harm at the limit, 1 in 1,000": labels // 1000,
    }
    rows = [
        {"labels": int(n), "stake": float(np.exp(log_e)), "run": name}
        for name, harms in runs.items()
        for n, log_e in zip(labels, gate.log_e_uniform(labels, harms, THETA), strict=True)
    ]
    lines = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("labels:Q", title="labels on randomly drawn exchanges"),
            y=alt.Y(
                "stake:Q",
                title="stake against “the rate is 1e-3 or more”",
                scale=alt.Scale(type="log", domain=[0.01, 2000]),
                axis=alt.Axis(values=[0.01, 0.1, 1, 10, 100, 1000]),
            ),
            color=alt.Color(
                "run:N",
                title=None,
                scale=alt.Scale(domain=list(runs), range=[ACCENT, INK, WARM]),
                legend=alt.Legend(orient="top"),
            ),
        )
    )
    rule = alt.Chart(alt.Data(values=[{"y": 1 / ALPHA}])).mark_rule(strokeDash=[5, 4], color=QUIET).encode(y="y:Q")
    word = (
        alt.Chart(alt.Data(values=[{"y": 1 / ALPHA, "x": 8000, "text": "PASS: 1 / alpha = 20"}]))
        .mark_text(align="right", dy=-7, color=QUIET)
        .encode(x="x:Q", y="y:Q", text="text:N")
    )
    return alt.LayerChart(layer=[lines, rule, word])


def labels_to_a_pass() -> alt.Chart:
    """Labels to a pass, by the true rate: ours, the least that any method can do, and the usual remedy for looking often."""
    shares = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    rows: list[dict[str, Any]] = []
    for share in shares:
        rate = share * THETA
        ours = float(power.boundaries(THETA, ALPHA, 0)[0]) if share == 0 else power.mean_labels(rate, THETA, ALPHA)
        rows.append({"share": share, "labels": ours, "method": "Headgate, looking after every label"})
        rows.append({"share": share, "labels": power.wald_labels(rate, THETA, ALPHA), "method": "the least possible (Wald)"})
        if share <= 0.2:  # beyond, many of its runs have not decided by the last look
            rows.append({"share": share, "labels": bonferroni(rate), "method": "exact interval, 100 looks, Bonferroni"})
    order = ["Headgate, looking after every label", "the least possible (Wald)", "exact interval, 100 looks, Bonferroni"]
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point=True, strokeWidth=2)
        .encode(
            x=alt.X("share:Q", title="true rate, as a share of the limit", axis=alt.Axis(format="%")),
            y=alt.Y("labels:Q", title="labels to a pass, on average (limit 1e-3)", axis=alt.Axis(format=",.0f")),
            color=alt.Color(
                "method:N",
                title=None,
                scale=alt.Scale(domain=order, range=[ACCENT, QUIET, WARM]),
                legend=alt.Legend(orient="top", labelLimit=300),
            ),
        )
    )


def bonferroni(rate: float) -> float:
    """Mean labels to a pass of Clopper-Pearson's bound with a hundredth of alpha at each of 100 looks, 200 labels apart."""
    runs, looks, apart = 4000, 100, 200
    rng = np.random.default_rng(20261121)
    harms = rng.binomial(apart, rate, (runs, looks)).cumsum(axis=1)
    n = apart * np.arange(1, looks + 1)
    low = beta.ppf(1 - ALPHA / looks, harms + 1, n - harms) < THETA
    return float(n[np.where(low.any(axis=1), low.argmax(axis=1), looks - 1)].mean())


def false_claims() -> alt.LayerChart:
    """How often a claim about people like these is false: made from requests, and made from users."""
    rng = np.random.default_rng(20261121)
    rows: list[dict[str, Any]] = []
    for many, each in ((50, 200), (300, 100), (1000, 50), (3000, 20), (10_000, 10)):
        by_requests = by_users = 0
        runs = 400
        for _ in range(runs):
            harmful = rng.random(many) < 0.005
            harms = rng.binomial(each, np.where(harmful, 0.2, 0.0))
            path = harms.cumsum()
            seen = each * np.arange(1, many + 1)
            by_requests += bool((gate.log_e_uniform(seen, path, THETA) >= -math.log(ALPHA)).any())
            by_users += bool((users.log_e_path(harms / each, 1.0, THETA, 1.0) >= -math.log(ALPHA)).any())
        for name, claims in (("requests are counted", by_requests), ("users are counted", by_users)):
            rows.append({"people": f"{many:,}", "false": claims / runs, "unit": name})
    order = ["requests are counted", "users are counted"]
    bars = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            x=alt.X(
                "people:N",
                title="users, with 10,000 to 100,000 labels between them",
                sort=None,
                axis=alt.Axis(labelAngle=0),
            ),
            xOffset=alt.XOffset("unit:N", sort=order),
            y=alt.Y("false:Q", title="false claims about people like these", axis=alt.Axis(format="%")),
            color=alt.Color(
                "unit:N", title=None, scale=alt.Scale(domain=order, range=[WARM, ACCENT]), legend=alt.Legend(orient="top")
            ),
        )
    )
    rule = alt.Chart(alt.Data(values=[{"y": ALPHA}])).mark_rule(strokeDash=[5, 4], color=QUIET).encode(y="y:Q")
    return alt.LayerChart(layer=[bars, rule])


def unseen() -> alt.Chart:
    """How much of the next user's harm may be of a kind that nobody has seen, after so many users without a new one."""
    rows: list[dict[str, Any]] = []
    for many in (50, 100, 200, 500, 1000, 2000, 5000, 10_000):
        mass = discovery.unseen_mass_bound([many], [1.0], [], [], ALPHA)
        rows.append({"users": many, "mass": mass, "bound": "Headgate, at every look"})
        rows.append(
            {
                "users": many,
                "mass": min(1.0, discovery.mcallester_schapire(0, many, ALPHA)),
                "bound": "McAllester and Schapire, once",
            }
        )
    order = ["Headgate, at every look", "McAllester and Schapire, once"]
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point=True, strokeWidth=2)
        .encode(
            x=alt.X("users:Q", title="users without a new kind of harm", scale=alt.Scale(type="log", domain=[50, 10_000])),
            y=alt.Y(
                "mass:Q", title="share of users who may still show one", scale=alt.Scale(type="log"), axis=alt.Axis(format=".2%")
            ),
            color=alt.Color(
                "bound:N", title=None, scale=alt.Scale(domain=order, range=[ACCENT, WARM]), legend=alt.Legend(orient="top")
            ),
        )
    )


def draw(name: str, chart: alt.Chart | alt.LayerChart) -> None:
    """Write one picture."""
    styled = (
        chart.properties(**SIZE)
        .configure(background="#ffffff", font="sans-serif", padding=14)
        .configure_axis(labelColor=INK, titleColor=INK, titleFontWeight="normal", gridColor="#e6eaee", domainColor=QUIET)
        .configure_legend(labelColor=INK)
        .configure_view(stroke=None)
    )
    (PICTURES / f"{name}.svg").write_text(vlc.vegalite_to_svg(styled.to_dict()), "utf-8")
    print(PICTURES / f"{name}.svg")


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    for name, chart in {"stake": stake, "labels": labels_to_a_pass, "users": false_claims, "unseen": unseen}.items():
        draw(name, chart())


if __name__ == "__main__":
    main()
