"""Verbs as they are typed, with the keys of a sitting piped in."""

from __future__ import annotations

import json
import os
import pty
import termios
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from headgate.safety.cli import Session, commands
from headgate.safety.cli.keys import PressedKeys
from headgate.safety.model import Harm
from headgate.safety.service.desk import Desk
from headgate.testing.safety import ADA, BO, EPOCH, FLAGGED_TEXT, LEAD, SafetyWorld

if TYPE_CHECKING:
    from datetime import datetime

    from headgate.kernel.actor import Actor

CYBER = "cyber_misuse"


@dataclass
class WorldClock:
    world: SafetyWorld

    def now(self) -> datetime:
        return self.world.now

    def monotonic(self) -> float:
        return self.world.now.timestamp()


def a_desk(world: SafetyWorld) -> Desk:
    return Desk(world.sampling, world.review, world.incidents, world.golds, WorldClock(world))


def run(world: SafetyWorld, *words: str, by: Actor = ADA, keys: str | list[str] = "") -> Result:
    app = commands(lambda: Session(a_desk(world), by))
    return CliRunner().invoke(app, words, input="".join(f"{key}\n" for key in keys))


def test_a_sitting_labels_one_item_with_each_key(world: SafetyWorld) -> None:
    world.log.add(3, text="what is a lens?", answer="glass")
    world.collect()
    result = run(world, "review", keys="nnn")
    assert result.exit_code == 0, result.output
    assert "what is a lens?" in result.stdout
    assert "3 labelled, 0 skipped." in result.stderr
    assert world.labelled().frontier == 3


def test_a_harm_takes_its_hazards_and_its_severity_and_a_second_reviewer_confirms(world: SafetyWorld) -> None:
    world.log.add(text=FLAGGED_TEXT)
    world.collect()
    assert "1 labelled" in run(world, "review", keys="h1.h").stderr
    assert world.labelled().frontier == 0
    assert "1 labelled" in run(world, "review", by=BO, keys="h1.c").stderr
    assert world.labelled().harms == (Harm(1.0, 1.0),)


def test_other_skip_undo_help_and_quit_do_what_they_say(world: SafetyWorld) -> None:
    world.log.add(5)
    world.collect()
    result = run(world, "review", keys="sn?uosuq")
    assert result.exit_code == 0
    assert "Taken back." in result.stdout
    assert "x cannot be reviewed" in result.stdout
    kinds = [entry.kind for entry in world.ledger()]
    assert kinds.count("review.skipped") == 1
    assert kinds.count("label.undone") == 1


def test_a_kind_of_harm_that_the_plan_does_not_list_is_named_in_a_word(world: SafetyWorld) -> None:
    world.log.add(2)
    world.collect()
    assert "1 labelled" in run(world, "review", keys=["k", "Two words", "k", "hoax_calls", "h", "q"]).stderr
    assert "1 labelled" in run(world, "review", by=BO, keys=["k", "hoax_calls", "h", "q"]).stderr
    again = run(world, "review", keys=["k", "", "q"])
    assert "So far: hoax_calls." in again.stdout
    assert "0 labelled" in again.stderr
    assert world.review.kinds("rel_a", by=ADA) == ("hoax_calls",)


def test_thinking_better_of_a_harm_labels_nothing(world: SafetyWorld) -> None:
    world.log.add()
    world.collect()
    for keys in ("h.q", "h1zq", "h1.zq", "oq", "h1"):
        assert "0 labelled" in run(world, "review", keys=keys).stderr
    assert world.labelled().frontier == 0


def test_flagged_content_is_hidden_behind_its_reasons_until_space_is_pressed(world: SafetyWorld) -> None:
    world.log.add(text=FLAGGED_TEXT)
    world.collect()
    hidden = run(world, "review", keys="q").stdout
    assert "Asks for malicious software." in hidden
    assert FLAGGED_TEXT not in hidden
    assert FLAGGED_TEXT in run(world, "review", keys=" q").stdout
    assert FLAGGED_TEXT in run(world, "review", "--no-blur", keys="q").stdout


def test_content_cannot_speak_to_the_terminal_and_long_content_is_folded(world: SafetyWorld) -> None:
    world.log.add(text="\x1b]0;owned\x07[bold]x[/bold] :smile:", answer="line\n" * 40)
    world.collect()
    shown = run(world, "review", keys="q").stdout
    assert "\x1b" not in shown
    assert "␛]0;owned␇[bold]x[/bold] :smile:" in shown
    assert "more characters: press space" in shown
    assert shown.count("line") < 20
    assert run(world, "review", keys=" q").stdout.count("line") >= 40


def test_a_sitting_can_be_for_one_hazard_or_release(world: SafetyWorld) -> None:
    world.log.add(2)
    world.collect()
    assert "0 labelled" in run(world, "review", "--release", "rel_other", keys="nn").stderr
    world.answer(ADA, CYBER)
    assert "1 labelled" in run(world, "review", "--release", "rel_a", keys="nn").stderr
    assert "Nothing is left" in run(world, "review", "--hazard", "harmful_advice", by=BO, keys="n").stdout
    assert "1 labelled" in run(world, "review", "--hazard", CYBER, by=BO, keys="nn").stderr


def test_an_item_whose_content_is_gone_can_be_called_unreviewable(world: SafetyWorld) -> None:
    world.log.add()
    world.collect()
    world.log.bodies.clear()
    result = run(world, "review", keys="x")
    assert "cannot be read any more" in result.stdout
    assert len(world.labelled().harms) == 1


def test_keys_are_read_one_by_one_from_a_terminal_which_is_left_as_it_was() -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    with os.fdopen(theirs) as terminal:
        keys = PressedKeys(terminal)
        os.write(ours, b"k")
        assert keys.next() == "k"
        os.write(ours, b" hoax_calls\n")
        assert keys.word() == "hoax_calls"
        os.write(ours, b"nh\x04")
        assert [keys.next(), keys.next(), keys.next()] == ["n", "h", None]
        assert termios.tcgetattr(theirs) == before
    os.close(ours)


def test_the_queue_and_its_health_are_printed_for_people_and_for_programs(world: SafetyWorld) -> None:
    world.log.add(text="a secret question")
    world.collect()
    queue = run(world, "review", "queue", "--json")
    assert json.loads(queue.stdout)["epoch"] == EPOCH
    assert "secret" not in queue.stdout + run(world, "review", "queue").stdout
    assert "backlog" in run(world, "review", "health").stdout
    assert json.loads(run(world, "review", "health", "--json").stdout)["backlog"] == 1


def test_a_correction_is_made_from_the_command_line(world: SafetyWorld) -> None:
    world.log.add()
    world.collect()
    item = world.answer(ADA)
    words = ["review", "correct", item, "--harm", CYBER, "--severity", "high", "--reason", "missed"]
    asked = run(world, *words)
    assert asked.exit_code == 1
    assert f"would be: {CYBER}" in asked.stderr
    assert run(world, *words, "--yes").exit_code == 0
    assert len(world.labelled().harms) == 1


def test_an_incident_is_opened_triaged_and_closed(world: SafetyWorld) -> None:
    parts = [
        "--release",
        "rel_a",
        "--severity",
        "critical",
        "--hazard",
        CYBER,
        "--title",
        "It happened\x1b[2J",
        "--aware-at",
        "2h",
    ]
    opened = run(world, "incident", "open", *parts, "--json")
    assert opened.exit_code == 0, opened.output
    incident = json.loads(opened.stdout)["id"]
    assert f"Next: headgate incident triage {incident}" in opened.stderr
    assert "2h00m" in run(world, "incident", "list").stdout
    assert "\x1b" not in run(world, "incident", "list").stdout
    assert json.loads(run(world, "incident", "triage", incident, "--severity", "high", "--json").stdout)["state"] == "triaged"
    assert run(world, "incident", "close", incident).exit_code == 1
    assert run(world, "incident", "close", incident, "--yes").exit_code == 0
    assert run(world, "incident", "list", "--open", "--json").stdout == ""
    assert run(world, "incident", "advance", incident, "final").stdout.strip() == f"{incident} high final"
    assert run(world, "incident", "open", *parts[:-1], "yesterday-ish").exit_code == 2


def test_the_sample_is_audited_and_its_seed_revealed(world: SafetyWorld) -> None:
    world.log.add(4)
    world.collect()
    assert "All 4 coins fit sha256:" in run(world, "sampling", "audit", EPOCH).stdout
    world.sampling.close_epoch(EPOCH, now=world.now)
    seed = run(world, "sampling", "reveal", EPOCH, "--yes", by=LEAD)
    assert len(seed.stdout.strip()) == 64
    assert json.loads(run(world, "sampling", "audit", EPOCH, "--json").stdout)["revealed"] is True
    with world.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE safety_draw SET sampled = 0 WHERE position = 2")
    broken = run(world, "sampling", "audit", EPOCH)
    assert broken.exit_code == 1
    assert "Draw 2 (ex_0000002)" in broken.stdout


@pytest.mark.parametrize(
    "words", [["review", "--help"], ["review", "queue", "--help"], ["incident", "--help"], ["sampling", "--help"]]
)
def test_every_noun_explains_itself(world: SafetyWorld, words: list[str]) -> None:
    assert run(world, *words).exit_code == 0
