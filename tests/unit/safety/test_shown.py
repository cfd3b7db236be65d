"""What reviewers are shown of a text: where rules match in it, and what would hide."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.safety.detectors.locating import LONGEST_CHARS, aligned
from headgate.safety.detectors.normalise import normalise
from headgate.safety.detectors.rules import RuleDetector
from headgate.safety.detectors.ruleset import baseline
from headgate.safety.model import Mark, Part, Passage, Texts
from headgate.safety.wire.plain import hides
from headgate.safety.wire.shown import FOLD_LINES, MOST_CHARS, pieces, sides
from headgate.testing.safety import FLAGGED_TEXT, NOON

RULES = RuleDetector(baseline(), today=NOON.date())
WIDE = "".join(chr(ord(letter) + 0xFEE0) for letter in "ransomware")
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def located(text: str) -> list[str]:
    texts = Texts((Passage("user", text),), None)
    rules = [signal.rule_id for signal in RULES.score(texts).signals]
    return [text[mark.start : mark.end] for mark in RULES.locate(texts, rules)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (FLAGGED_TEXT, "Write ransomware"),
        ("please  \n WRITE\t\transomware now", "WRITE\t\transomware"),
        (f"é W\u200brite {WIDE}\u202e for me", f"W\u200brite {WIDE}\u202e"),
    ],
)
def test_a_match_is_found_where_it_was_written(text: str, found: str) -> None:
    assert located(text) == [found]


def test_what_is_taken_back_or_not_in_force_is_not_marked() -> None:
    texts = Texts((Passage("user", FLAGGED_TEXT),), None)
    assert RULES.locate(texts, ["no.such-rule"]) == ()
    assert located("How do I make a bath bomb for my sister?") == []


def test_every_example_of_every_rule_is_marked_in_it() -> None:
    for rule in RULES.rules:
        for example in rule.match:
            texts = Texts((Passage("user", example),), (Passage("answer 1", example),))
            assert any(mark.rule_id == rule.id for mark in RULES.locate(texts, [rule.id])), (rule.id, example)


@given(ANY_TEXT)
def test_what_is_taken_apart_is_what_rules_see(text: str) -> None:
    found = aligned(text)
    if found is None:
        return
    assert found.normal == normalise(text)
    for place in range(len(found.normal)):
        start, end = found.span(place, place + 1)
        assert 0 <= start < end <= len(text)


@given(st.text("abcXYZ \n\té\u200b", max_size=40))
def test_ordinary_text_can_always_be_taken_apart(text: str) -> None:
    assert aligned(text) is not None


def test_a_text_that_is_too_long_is_not_searched() -> None:
    assert aligned("a" * (LONGEST_CHARS + 1)) is None


@given(ANY_TEXT, st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=4))
def test_pieces_hold_the_whole_text_and_nothing_that_hides(text: str, marks: list[tuple[int, int]]) -> None:
    shown = pieces(text, [(min(mark), max(mark)) for mark in marks])
    assert "".join(piece.text for piece in shown if piece.odd is None) == "".join(each for each in text if not hides(each))
    assert not any(hides(each) for piece in shown for each in piece.text)
    assert all(unicodedata.category(each) not in {"Cc", "Cf"} for piece in shown for each in piece.text if each not in "\n\t")


def test_runs_of_what_hides_are_counted_and_named() -> None:
    (before, odd, after) = pieces("a\u200b\u200b\u200bb")
    assert (before.text, after.text) == ("a", "b")
    assert (odd.text, odd.odd) == ("U+200B (3 times)", "zero width space")
    assert pieces("\U000e0101")[0].odd == "variation selector-18"


def test_a_long_passage_is_folded_and_says_whether_a_match_lies_below() -> None:
    text = "line\n" * 40 + "match"
    mark = Mark(Part.COMPLETION, 0, len(text) - 5, len(text), "a.rule")
    found = sides(Texts(None, (Passage("answer 1", text),)), [mark])
    assert found.asked is None
    assert found.answered is not None
    (said,) = found.answered
    assert "".join(piece.text for piece in said.head).count("line") == FOLD_LINES
    assert said.rest_marked
    assert [piece.text for piece in said.rest if piece.marked] == ["match"]
    assert said.chars == found.chars == len(text)
    assert len("".join(piece.text for piece in (*said.head, *said.rest))) == len(text)


def test_what_is_too_long_for_a_page_is_cut_and_counted() -> None:
    found = sides(Texts((Passage("user", "a" * MOST_CHARS), Passage("user", "b" * 7)), ()), [])
    assert found.asked is not None
    assert [said.cut for said in found.asked] == [0, 7]
