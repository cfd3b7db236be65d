"""What users say of kinds of harm that nobody has seen, from the values alone."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.evidence.decide.discovery import read_discovery
from headgate.evidence.errors import NotEvidence
from headgate.evidence.model.people import DiscoveryClaim, KindsShown, Showing, Stretch
from headgate.evidence.wire import encode
from headgate.evidence.wire.people import discovery_claim, discovery_inputs, failed_inputs, replay_discovery
from headgate.kernel.verdict import Verdict
from headgate.stats import discovery

FIRST = 6 / math.pi**2
CLAIM = DiscoveryClaim(10, "broad", 400, alpha=0.05 / FIRST, attempt=1)  # spends 0.05


def people(users: int, *shown: Showing, floor: float = 1.0, behind: int = 0) -> KindsShown:
    return KindsShown("r1/trusted/1", timedelta(days=7), (Stretch(users, floor),), shown, users + behind)


def a_showing(user: int, *kinds: str, pi: float = 1.0) -> Showing:
    return Showing(user, pi, kinds)


def test_users_pass_at_exactly_the_user_that_the_bound_names() -> None:
    enough = discovery.clean_users_to_go([], [], [], [], 10 / 400, 0.05)
    assert enough is not None
    short, reached = read_discovery(people(enough - 1), CLAIM), read_discovery(people(enough), CLAIM)
    assert (short.verdict, short.users_to_go) == (Verdict.INSUFFICIENT, 1)
    assert (reached.verdict, reached.users_to_go) == (Verdict.PASS, 0)
    assert reached.expected is not None
    assert reached.expected <= 10
    assert reached.expected == pytest.approx(400 * reached.unseen_mass)


def test_nobody_is_no_evidence_even_where_few_come_next() -> None:
    nobody = KindsShown("r1/trusted/1", timedelta(days=7), (), (), 12)
    reading = read_discovery(nobody, replace(CLAIM, next_users=3))
    assert reading.verdict is Verdict.INSUFFICIENT
    assert reading.unseen_mass == 1.0
    assert reading.estimates is None
    assert reading.users_to_go == 1
    assert "nobody" in reading.sentence


def test_as_few_as_are_tolerated_need_one_user_before_them() -> None:
    assert read_discovery(people(1), replace(CLAIM, next_users=10)).verdict is Verdict.PASS


def test_a_next_stage_that_nothing_bounds_is_never_shown() -> None:
    reading = read_discovery(people(1_000_000), replace(CLAIM, next_users=None))
    assert reading.verdict is Verdict.INSUFFICIENT
    assert (reading.expected, reading.users_to_go) == (None, None)
    assert "nothing says how many" in reading.sentence


def test_a_kind_is_new_once() -> None:
    reading = read_discovery(people(500, a_showing(3, "swatting"), a_showing(90, "swatting"), a_showing(90, "swatting")), CLAIM)
    assert reading.discoveries == 1
    assert reading.kinds == ("swatting",)
    assert reading.unseen_mass == discovery.unseen_mass_bound([500], [1.0], [3], [1.0], 0.05)


def test_what_nobody_has_a_word_for_is_new_every_time() -> None:
    reading = read_discovery(people(500, a_showing(3), a_showing(90), a_showing(200, "swatting")), CLAIM)
    assert reading.discoveries == 3
    assert reading.kinds == ("swatting",)
    assert reading.estimates is not None
    assert reading.estimates.good_turing == pytest.approx(3 / 500)


def test_a_user_is_weighed_by_the_first_exchange_that_showed_something_new() -> None:
    shown = (
        a_showing(3, "swatting", pi=0.5),
        a_showing(40, "swatting", pi=0.9),
        a_showing(40, "doxxing", "swatting", pi=0.3),
        a_showing(40, "stalking", pi=1.0),
    )
    reading = read_discovery(people(500, *shown, floor=0.3), CLAIM)
    assert reading.discoveries == 2
    assert reading.unseen_mass == discovery.unseen_mass_bound([500], [0.3], [3, 40], [0.5, 0.3], 0.05)
    assert reading.kinds == ("swatting", "doxxing", "stalking")


def test_a_later_attempt_has_less_to_spend() -> None:
    once, again = read_discovery(people(400), CLAIM), read_discovery(people(400), replace(CLAIM, attempt=2))
    assert again.alpha_spent == pytest.approx(once.alpha_spent / 4)
    assert again.unseen_mass > once.unseen_mass
    assert any("attempt 2" in line for line in again.not_shown)


def test_what_is_left_open_is_said() -> None:
    reading = read_discovery(people(300, floor=0.5, behind=20), CLAIM)
    said = " ".join(reading.not_shown)
    assert "Unseen kinds on broad: up to" in said
    assert "20 users wait" in said
    assert "as few as 0.5" in said
    assert "gold items measure only kinds that are known" in said


def test_where_floors_change_the_mean_is_weighted_and_says_so() -> None:
    seen = replace(people(0), stretches=(Stretch(100, 0.5), Stretch(100, 1.0)), enrolled=200)
    reading = read_discovery(seen, CLAIM)
    assert reading.weighted
    assert any("in proportion to their floor" in line for line in reading.not_shown)


@pytest.mark.parametrize(
    "seen",
    [
        people(10, a_showing(11, "a")),
        people(10, a_showing(0, "a")),
        people(10, a_showing(5, "a"), a_showing(4, "b")),
        people(10, a_showing(5, "a", pi=0.2), floor=0.5),
        people(10, a_showing(5, "a", pi=1.2)),
        people(10, floor=0.0),
        people(10, behind=-3),
        people(-10),
    ],
)
def test_users_that_contradict_themselves_are_an_error_and_never_evidence(seen: KindsShown) -> None:
    reading = read_discovery(seen, CLAIM)
    assert reading.verdict is Verdict.ERROR
    assert (reading.unseen_mass, reading.expected, reading.users) == (1.0, None, 0)


@pytest.mark.parametrize(
    "change", [{"alpha": 0.0}, {"alpha": 1.0}, {"attempt": 0}, {"tolerated": -1}, {"tolerated": math.nan}, {"next_users": -1}]
)
def test_a_claim_that_contradicts_itself_is_an_error(change: dict[str, float]) -> None:
    assert read_discovery(people(400), replace(CLAIM, **change)).verdict is Verdict.ERROR


words = st.sampled_from(["swatting", "doxxing", "stalking"])
showings = st.lists(
    st.builds(Showing, st.integers(1, 60), st.floats(0.3, 1.0), st.lists(words, max_size=2, unique=True).map(tuple)), max_size=12
).map(lambda found: tuple(sorted(found, key=lambda showing: showing.user)))


@settings(max_examples=25)
@given(showings, st.integers(60, 2000), st.integers(0, 1000))
def test_a_reading_replays_from_what_json_keeps_of_it(found: tuple[Showing, ...], users: int, behind: int) -> None:
    seen = people(users, *found, floor=0.3, behind=behind)
    reading = read_discovery(seen, CLAIM)
    kept = json.loads(json.dumps(discovery_inputs(seen, CLAIM)))
    assert replay_discovery(kept) == reading
    assert encode(replay_discovery(kept)) == encode(reading)
    assert discovery_claim(kept) == CLAIM


@settings(max_examples=25)
@given(showings, st.integers(60, 2000))
def test_forgetting_what_was_shown_never_worsens_the_bound_and_adding_to_it_never_improves_it(
    found: tuple[Showing, ...], users: int
) -> None:
    whole = read_discovery(people(users, *found, floor=0.3), CLAIM)
    less = read_discovery(people(users, *found[:-1], floor=0.3), CLAIM)
    assert whole.verdict in {Verdict.PASS, Verdict.INSUFFICIENT}
    assert less.discoveries <= whole.discoveries
    if less.discoveries < whole.discoveries:
        assert less.unseen_mass <= whole.unseen_mass * (1 + 1e-8)


def test_a_failure_replays_as_the_error_that_it_was() -> None:
    kept = failed_inputs(CLAIM, "Nothing is concluded: the labels are gone.")
    assert replay_discovery(kept).verdict is Verdict.ERROR
    assert replay_discovery(kept).sentence == "Nothing is concluded: the labels are gone."


def test_inputs_of_another_kind_are_refused() -> None:
    kept = discovery_inputs(people(5), CLAIM)
    with pytest.raises(NotEvidence):
        replay_discovery({**kept, "kind": "coverage"})
    with pytest.raises(NotEvidence):
        replay_discovery({**kept, "users": {"epoch": "x"}})
