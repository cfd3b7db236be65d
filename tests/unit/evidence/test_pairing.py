"""Two results on the same items: paired by name, and nothing shown to a gate."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from scipy.stats import ttest_rel
from typer.testing import CliRunner

from headgate.evidence.cli import commands
from headgate.evidence.decide.pairing import pair, said
from headgate.evidence.errors import NotEvidence
from headgate.evidence.importers.counts_csv import HEADER, clusters_in

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

NAME: tuple[str, str, str] = ("ctf", "solved", "attempt")
Results = dict[tuple[str, str, str], dict[str, tuple[int, int]]]


def table(*rows: tuple[object, ...]) -> str:
    return "\n".join([",".join(HEADER), *(",".join(map(str, row)) for row in rows)]) + "\n"


def compare(tmp_path: Path, first: str, second: str, *words: str) -> Result:
    (tmp_path / "first.csv").write_text(first)
    (tmp_path / "second.csv").write_text(second)
    nobody = cast("Any", None)
    files = (str(tmp_path / "first.csv"), str(tmp_path / "second.csv"))
    return CliRunner().invoke(commands(lambda: nobody), ["compare", *files, *words])


def test_each_item_is_compared_with_itself() -> None:
    rng = np.random.default_rng(1)
    hard = rng.random(60)
    before, after = rng.binomial(10, hard), rng.binomial(10, np.minimum(1, hard + 0.1))
    first: Results = {NAME: {f"item-{at}": (10, int(k)) for at, k in enumerate(before)}}
    second: Results = {NAME: {f"item-{at}": (10, int(k)) for at, k in enumerate(after)}}
    (found,) = pair(first, second)
    theirs = ttest_rel(after / 10, before / 10).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert found.difference == pytest.approx(float((after - before).mean()) / 10)
    (back,) = pair(second, first)
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))


def test_order_does_not_matter_and_what_only_one_has_is_left_out_and_counted() -> None:
    first: Results = {NAME: {"a": (2, 0), "b": (2, 1), "c": (2, 2)}, ("other", "solved", "attempt"): {"a": (1, 1)}}
    second: Results = {NAME: {"c": (4, 4), "b": (4, 3), "d": (4, 0)}}
    (found,) = pair(first, second)
    assert (found.both, found.only_first, found.only_second) == (2, 1, 1)
    assert (found.first, found.second, found.difference) == (0.75, 0.875, 0.125)
    assert "2 common clusters; 2 clusters that only one of them has left out: no difference is shown" in said(found)


def test_results_that_are_alike_on_every_item_are_not_known_to_be_alike() -> None:
    same: Results = {NAME: {f"item-{at}": (1, at % 2) for at in range(40)}}
    (found,) = pair(same, same)
    assert found.difference == 0
    assert found.low < 0 < found.high


@pytest.mark.parametrize(
    "second",
    [
        {},
        {("ctf", "solved", "item"): {"a": (1, 1)}},
        {NAME: {"z": (1, 1)}},
        {NAME: {"": (5, 1)}},
    ],
)
def test_without_a_name_in_common_nothing_is_paired(second: Results) -> None:
    named: Results = {NAME: {"a": (1, 1), "b": (1, 0)}}
    nameless: Results = {NAME: {"": (5, 1)}}
    for first in (named, nameless):
        with pytest.raises(NotEvidence, match="no cluster in common"):
            pair(first, second)


def test_tables_are_compared_at_the_terminal(tmp_path: Path) -> None:
    first = table(*((*NAME, f"item-{at}", at % 2, 4) for at in range(30)))
    second = table(*((*NAME, f"item-{at}", 2 + at % 2, 4) for at in range(29)), (*NAME, "item-29", 4, 4))
    told = compare(tmp_path, first, second)
    assert told.exit_code == 0, told.output
    assert "solved of ctf: 0.125 to 0.633, a difference of +0.508" in told.stdout
    assert "a difference is shown" in told.stdout
    (document,) = json.loads(compare(tmp_path, first, second, "--confidence", "0.99", "--json").stdout)
    assert (document["both"], document["confidence"]) == (30, 0.99)
    assert document["low"] > 0


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    for wrong in ("k,n\n1,2\n", table((*NAME, "a", 3, 2)), table((*NAME, "a", 1, 2), (*NAME, "a", 1, 2))):
        assert isinstance(compare(tmp_path, table((*NAME, "a", 1, 2)), wrong).exception, NotEvidence)


def test_the_table_of_an_import_and_of_a_comparison_is_the_same() -> None:
    read = clusters_in(table((*NAME, "a", 1, 2), (*NAME, "b", 0, 3)).encode())
    assert read == {NAME: {"a": (2, 1), "b": (3, 0)}}
