"""Gold items as they are typed in, and as a gate reads them through the stores."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from headgate.bootstrap.bridges.gates.reviewing import Reviewing
from headgate.bootstrap.bridges.labels import SafetyLabels
from headgate.evidence.decide.rate import read_rate
from headgate.evidence.model import RateClaim
from headgate.evidence.model.reviewing import Readers
from headgate.kernel.ids import EpochId, ReleaseId
from headgate.kernel.verdict import Verdict
from headgate.releases.model.conditions import ReviewGate
from headgate.releases.model.reading import Asked
from headgate.safety.cli import Session, commands
from headgate.safety.errors import GoldInvalid
from headgate.safety.model import D_MAX
from headgate.safety.service.desk import Desk
from headgate.safety.service.review import Review
from headgate.safety.store import SqlGolds, SqlReview, SqlSampling
from headgate.safety.wire.golds import drafts
from headgate.testing.releases import a_plan
from headgate.testing.safety import ADA, BO, EPOCH, LEAD, SafetyWorld, an_answer

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from headgate.kernel.actor import Actor

CYBER = "cyber_misuse"


class WorldClock:
    def __init__(self, world: SafetyWorld) -> None:
        self._world = world

    def now(self) -> datetime:
        return self._world.now

    def monotonic(self) -> float:
        return self._world.now.timestamp()


def run(world: SafetyWorld, *words: str, by: Actor = LEAD) -> Result:
    desk = Desk(world.sampling, world.review, world.incidents, world.golds, WorldClock(world))
    return CliRunner().invoke(commands(lambda: Session(desk, by)), ["review", "gold", *words])


def a_file(folder: Path, count: int) -> Path:
    file = folder / "golds.jsonl"
    lines = [json.dumps({"prompt": f"harm {n}", "completion": "yes", "harms": [CYBER], "source": "ours"}) for n in range(count)]
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return file


def test_items_are_added_listed_retired_and_measured_from_the_terminal(world: SafetyWorld, tmp_path: Path) -> None:
    added = run(world, "add", str(a_file(tmp_path, 3)), "--json")
    assert added.exit_code == 0, added.output
    ids = [json.loads(line)["gold"] for line in added.stdout.splitlines()]
    one = run(world, "add", "--prompt", "p", "--completion", "c", "--harm", CYBER, "--no-harm", "other", "--source", "mine")
    assert one.exit_code == 0, one.output
    listed = [json.loads(line) for line in run(world, "list", "--json").stdout.splitlines()]
    assert [line["gold"] for line in listed] == [*ids, one.stdout.strip()]
    assert listed[3]["known"] == {CYBER: True, "other": False}
    assert run(world, "retire", ids[0], "--yes").exit_code == 0
    table = run(world, "list", "--retired").stdout
    assert "0, retired" in table
    assert f"{CYBER}, no other" in table
    assert "harm 1" not in table
    assert "No gold item" in run(world, "results", EPOCH).stderr
    assert run(world, "list", by=ADA).exit_code != 0
    assert run(world, "results", EPOCH, by=ADA).exit_code != 0


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"prompt": "p"}',
        '{"prompt": "p", "completion": "c", "request": {}, "response": {}}',
        '{"prompt": "p", "completion": "c", "harms": "x"}',
        '{"prompt": "p", "completion": "c", "harms": ["x"], "no_harms": ["x"]}',
        '{"prompt": "p", "completion": "c", "harms": ["x"], "mood": 1}',
        '{"prompt": "p", "completion": "c", "harms": ["x"], "source": 1}',
        '{"request": "p", "response": {}}',
    ],
)
def test_a_line_that_is_not_understood_is_refused_by_its_number(line: str) -> None:
    with pytest.raises(GoldInvalid):
        list(drafts(f"\n{line}\n"))


def test_whole_bodies_are_taken_as_they_are() -> None:
    (draft,) = drafts('{"request": {"input": "ü"}, "response": {"output": []}, "harms": ["x"]}')
    assert json.loads(draft.content.request) == {"input": "ü"}
    assert draft.source is None


def asked(world: SafetyWorld) -> Asked:
    plan = a_plan()
    epoch = EpochId(EPOCH)
    return Asked(ReleaseId("rel_a"), plan, plan.stages[0], epoch, (epoch,), 1, world.now)


def test_a_review_gate_reads_the_queue_and_the_golds_and_replays(world: SafetyWorld, tmp_path: Path) -> None:
    assert run(world, "add", str(a_file(tmp_path, 25))).exit_code == 0
    rolls = iter(range(10_000))
    world.review = Review(
        store=SqlReview(world.engine),
        exchanges=world.log,
        entropy=lambda count: bytes(count) if count == 8 else next(rolls).to_bytes(count),
        second_share=0.0,
    )
    world.log.add(60)
    world.collect()
    reader = Reviewing(SqlReview(world.engine), world.golds)
    gate = ReviewGate.model_validate({"flagged_done_within": "24h", "canary_recall_at_least": 0.8})
    before = reader.read(gate, asked(world))
    assert before.verdict is Verdict.INSUFFICIENT
    assert before.gate_id == gate.id
    assert before.need is not None

    known = SqlGolds(world.engine)
    for by in (ADA, BO):
        while (item := world.review.next(by=by, now=world.now)) is not None:
            harms = [CYBER] if known.among([item.item]) else []
            answer = an_answer(*harms, hazards=item.hazards)
            world.review.label(item.item, answer, revision=item.revision, by=by, now=world.now)
    after = reader.read(gate, asked(world))
    assert after.verdict is Verdict.PASS, after.sentence
    assert (after.numbers["golds"], after.numbers["recognised"]) == (25, 25)
    assert reader.replay(json.loads(json.dumps(after.inputs))) == after

    labels = SafetyLabels(SqlSampling(world.engine), known, WorldClock(world), D_MAX)
    assert labels.readers(EPOCH, CYBER) == Readers(25, 25)
    assert labels.readers(EPOCH, "harmful_advice") == Readers(0, 0)
    traffic = labels.traffic(EPOCH, CYBER)
    assert (traffic.labels, traffic.harms) == (60, ())
    reading = read_rate(traffic, RateClaim(CYBER, 0.1, 0.05, 1), labels.readers(EPOCH, CYBER))
    assert reading.recognised is not None
    assert 0.7 < reading.recognised < 0.9

    world.now += timedelta(days=1)
    results = run(world, "results", EPOCH)
    assert "25 of 25" in results.stdout
    assert "stf_ada, alone: 25 of 25 recognised" in results.stdout
    as_json, ada, bo = [json.loads(line) for line in run(world, "results", EPOCH, "--json").stdout.splitlines()]
    assert (ada["reviewer"], ada["shown"], bo["recognised"]) == (ADA.id, 25, 25)
    assert (as_json["shown"], as_json["recognised"], as_json["waiting"]) == (25, 25, 0)
