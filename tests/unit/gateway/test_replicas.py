"""Which server is asked next: a table for what it does, a machine that plays a worker's day for what it never does."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headgate.gateway.model import Replica
from headgate.gateway.upstream.replicas import (
    FAILURES,
    FIRST_REST_S,
    LONGEST_REST_S,
    AllBusy,
    Chosen,
    Health,
    NoneLeft,
    Replicas,
    Verdict,
)

A, B = Replica("http://a/v1"), Replica("http://b/v1")


def ask(replicas: Replicas, *offered: Replica, now_s: float = 0.0, tried: tuple[str, ...] = ()) -> Chosen:
    chosen = replicas.choose(offered, now_s=now_s, tried=tried)
    assert isinstance(chosen, Chosen)
    return chosen


def end(replicas: Replicas, chosen: Chosen, verdict: Verdict, now_s: float = 0.0) -> None:
    replicas.ended(chosen, verdict, now_s=now_s, chance=0.5)


def health(replicas: Replicas, server: Replica) -> Health:
    return next(standing.health for standing in replicas.standings() if standing.url == server.url)


def unwell(replicas: Replicas, server: Replica, now_s: float = 0.0) -> None:
    end(replicas, ask(replicas, server, now_s=now_s), Verdict.NOT_REACHED, now_s)


def test_the_least_busy_is_asked_and_of_equals_the_one_asked_longest_ago() -> None:
    replicas = Replicas()

    turns = [ask(replicas, A, B).url for _ in range(4)]

    assert turns == [A.url, B.url, A.url, B.url]


def test_where_all_are_full_the_caller_is_told_so() -> None:
    replicas, one, two = Replicas(), Replica(A.url, 1), Replica(B.url, 2)
    last = [ask(replicas, one, two) for _ in range(3)][-1]

    assert isinstance(replicas.choose([one, two], now_s=0), AllBusy)
    end(replicas, last, Verdict.SERVED)
    assert ask(replicas, one, two).url == last.url


def test_who_was_tried_is_not_asked_again() -> None:
    replicas = Replicas()

    assert ask(replicas, A, B, tried=(A.url,)).url == B.url
    assert isinstance(replicas.choose([A, B], now_s=0, tried=(A.url, B.url)), NoneLeft)


def test_a_server_out_of_reach_rests_at_once_and_one_that_fails_after_several_times_running() -> None:
    replicas = Replicas()
    unwell(replicas, A)
    assert health(replicas, A) is Health.RESTING

    for _ in range(FAILURES - 1):
        end(replicas, ask(replicas, B), Verdict.FAILED)
    end(replicas, ask(replicas, B), Verdict.SERVED)
    for _ in range(FAILURES - 1):
        end(replicas, ask(replicas, B), Verdict.FAILED)
    assert health(replicas, B) is Health.WELL
    end(replicas, ask(replicas, B), Verdict.FAILED)
    assert health(replicas, B) is Health.RESTING


def test_a_rested_server_gets_one_request_as_its_trial_and_a_relapse_rests_it_twice_as_long() -> None:
    replicas = Replicas()
    unwell(replicas, A)
    assert {ask(replicas, A, B, now_s=0.9 * FIRST_REST_S).url for _ in range(3)} == {B.url}

    trial = ask(replicas, A, B, now_s=FIRST_REST_S)
    assert trial.url == A.url
    assert ask(replicas, A, B, now_s=FIRST_REST_S).url == B.url
    end(replicas, trial, Verdict.FAILED, FIRST_REST_S)

    assert ask(replicas, A, B, now_s=2.9 * FIRST_REST_S).url == B.url
    again = ask(replicas, A, B, now_s=3 * FIRST_REST_S)
    assert again.url == A.url
    end(replicas, again, Verdict.SERVED, 3 * FIRST_REST_S)
    assert health(replicas, A) is Health.WELL


def test_a_trial_that_was_called_off_is_tried_again() -> None:
    replicas = Replicas()
    unwell(replicas, A)
    trial = ask(replicas, A, B, now_s=FIRST_REST_S)

    end(replicas, trial, Verdict.UNKNOWN, FIRST_REST_S)

    assert ask(replicas, A, B, now_s=FIRST_REST_S).url == A.url


def test_where_servers_are_checked_a_rested_one_waits_for_its_check() -> None:
    replicas = Replicas(checked=True)
    unwell(replicas, A)
    assert replicas.due(now_s=0.9 * FIRST_REST_S) == []
    assert ask(replicas, A, B, now_s=FIRST_REST_S).url == B.url

    assert replicas.due(now_s=FIRST_REST_S) == [A.url]
    replicas.checked(A.url, well=False, now_s=FIRST_REST_S, chance=0.5)
    assert replicas.due(now_s=2 * FIRST_REST_S) == []
    replicas.checked(A.url, well=True, now_s=3 * FIRST_REST_S, chance=0.5)

    assert health(replicas, A) is Health.ON_TRIAL
    assert ask(replicas, A, B, now_s=3 * FIRST_REST_S).url == A.url


def test_a_rest_is_spread_by_chance_and_never_longer_than_its_bound() -> None:
    rests: list[float] = []
    for chance in (0.0, 0.99):
        replicas, now_s, rest_s = Replicas(checked=True), 0.0, 0.0
        replicas.ended(ask(replicas, A), Verdict.NOT_REACHED, now_s=now_s, chance=chance)
        for _ in range(20):
            until_s = now_s
            while not replicas.due(now_s=until_s):
                until_s += 0.1
            rest_s, now_s = until_s - now_s, until_s
            replicas.checked(A.url, well=False, now_s=now_s, chance=chance)
        rests.append(rest_s)

    assert rests[0] < LONGEST_REST_S < rests[1] <= 1.5 * LONGEST_REST_S


def test_an_old_stream_that_ends_well_does_not_end_a_rest_and_an_old_failure_does_not_prolong_it() -> None:
    replicas = Replicas()
    old_stream, old_failure = ask(replicas, A), ask(replicas, A)
    unwell(replicas, A)

    end(replicas, old_stream, Verdict.SERVED)
    assert health(replicas, A) is Health.RESTING
    end(replicas, old_failure, Verdict.FAILED)
    assert ask(replicas, A, B, now_s=FIRST_REST_S).url in (A.url, B.url)
    assert health(replicas, A) is Health.ON_TRIAL


def test_where_nobody_is_well_the_one_due_soonest_is_asked_all_the_same() -> None:
    replicas = Replicas()
    unwell(replicas, B, now_s=0.0)
    unwell(replicas, A, now_s=0.3)

    assert ask(replicas, A, B, now_s=0.4).url == B.url


def test_where_those_that_are_well_are_full_nothing_is_pushed_onto_one_that_is_not() -> None:
    replicas, small = Replicas(), Replica(B.url, 1)
    unwell(replicas, A)
    ask(replicas, A, small)

    assert isinstance(replicas.choose([A, small], now_s=0), AllBusy)


class Day(RuleBasedStateMachine):
    """A worker's day in front of four servers."""

    def __init__(self) -> None:
        super().__init__()
        self.replicas = Replicas()
        self.now_s = 0.0
        self.open: list[Chosen] = []
        self.trials: dict[str, Chosen] = {}
        self.offered = [Replica(f"http://{number}/v1", bound) for number, bound in enumerate((None, 1, 2, 3))]

    def busy(self, url: str) -> int:
        return sum(chosen.url == url for chosen in self.open)

    def standing(self, url: str) -> Health:
        return {standing.url: standing.health for standing in self.replicas.standings()}.get(url, Health.WELL)

    @rule(tried=st.sets(st.integers(0, 3)), seconds=st.floats(0, 40))
    def ask(self, tried: set[int], seconds: float) -> None:
        self.now_s += seconds
        left = [replica for number, replica in enumerate(self.offered) if number not in tried]
        room = [replica for replica in left if replica.concurrency is None or self.busy(replica.url) < replica.concurrency]
        well = [replica for replica in room if self.standing(replica.url) is Health.WELL]
        before = {replica.url: self.standing(replica.url) for replica in left}

        chosen = self.replicas.choose(self.offered, now_s=self.now_s, tried={self.offered[number].url for number in tried})

        match chosen:
            case NoneLeft():
                assert not left
            case AllBusy():
                assert not room or not well
                assert not room or any(state is Health.WELL for state in before.values())
            case Chosen(url=url):
                assert url in {replica.url for replica in room}
                state = self.standing(url)
                if well:
                    assert state is not Health.RESTING
                if state is Health.WELL:
                    assert self.busy(url) == min(self.busy(replica.url) for replica in well)
                if state is Health.ON_TRIAL and any(other is Health.WELL for other in before.values()):
                    assert url not in self.trials
                if state is Health.ON_TRIAL:
                    self.trials.setdefault(url, chosen)
                self.open.append(chosen)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), verdict=st.sampled_from(Verdict), chance=st.floats(0, 1, exclude_max=True))
    def end(self, data: st.DataObject, verdict: Verdict, chance: float) -> None:
        chosen = data.draw(st.sampled_from(self.open))
        self.open.remove(chosen)
        self.replicas.ended(chosen, verdict, now_s=self.now_s, chance=chance)
        if self.trials.get(chosen.url) == chosen or self.standing(chosen.url) is not Health.ON_TRIAL:
            self.trials.pop(chosen.url, None)

    @invariant()
    def what_is_counted_is_what_is_open(self) -> None:
        for standing in self.replicas.standings():
            assert standing.in_flight == self.busy(standing.url)
        for replica in self.offered:
            assert replica.concurrency is None or self.busy(replica.url) <= replica.concurrency


TestDay = Day.TestCase
TestDay.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
