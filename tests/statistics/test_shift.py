"""Noticing that people come from where nobody came before: what is promised, how long it takes, and what goes wrong else."""

from __future__ import annotations

import math

import numpy as np
import pytest

from headgate.stats import alarm, coverage

SHARE = 0.05
"""The share of newcomers of unknown strata that is no cause for alarm."""
BETWEEN = 100
"""Looks between false alarms."""
YEAR = 24 * 365


def sounded(came: np.ndarray, unknown: np.ndarray, ratio: float, between: float) -> int:
    """Return the look at which the alarm sounds, counted from 1; one more than there are where it does not."""
    factors = coverage.log_factors_shift(came, unknown, SHARE)
    over = alarm.log_mixture(alarm.run(factors), alarm.rise_weights(ratio)) >= math.log(between)
    return int(np.argmax(over)) + 1 if over.any() else over.size + 1


@pytest.mark.parametrize(("mean", "swing", "seed"), [(3.0, 0.0, 1), (20.0, 0.0, 2), (10.0, 0.8, 3)])
def test_a_false_alarm_comes_no_oftener_than_promised(mean: float, swing: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    runs, looks = 150, 6 * BETWEEN
    hours = np.arange(looks)
    lengths = np.empty(runs)
    for run in range(runs):
        came = rng.poisson(mean * (1 + swing * np.sin(2 * np.pi * hours / 24)))
        lengths[run] = sounded(came, rng.binomial(came, SHARE), 5.0, BETWEEN)  # cut off, which only shortens the mean
    assert lengths.mean() - 3 * lengths.std() / math.sqrt(runs) >= BETWEEN


@pytest.mark.parametrize("to", [0.1, 0.25, 0.5])
def test_a_shift_is_noticed_within_1_5_times_the_newcomers_that_it_takes_to_tell(to: float) -> None:
    rng = np.random.default_rng(int(100 * to))
    each, runs, looks = 5, 300, 400
    delays = np.empty(runs)
    for run in range(runs):
        came = np.full(looks, each)
        delays[run] = sounded(came, rng.binomial(came, to), to / SHARE, YEAR)
    assert delays.max() <= looks
    kl = to * math.log(to / SHARE) + (1 - to) * math.log((1 - to) / (1 - SHARE))
    # at half of all newcomers the bets are held to what a loss of half the stake allows, which costs a little
    assert delays.mean() * each <= 1.5 * math.log(YEAR) / kl + each


def test_requests_mistake_one_busy_newcomer_for_a_shift_and_people_do_not() -> None:
    """The trap: whoever is of an unknown stratum and sends five hundred requests is one person."""
    rng = np.random.default_rng(5)
    runs, looks = 200, BETWEEN
    by_request, by_person = 0, 0
    for _ in range(runs):
        came = rng.poisson(10, looks)
        unknown = rng.binomial(came, SHARE)
        requests = 20 * (came - unknown) + 500 * unknown
        by_request += sounded(requests, 500 * unknown, 5.0, BETWEEN) <= looks
        by_person += sounded(came, unknown, 5.0, BETWEEN) <= looks
    assert by_request == runs
    assert by_person / runs <= 0.5 + 3 * math.sqrt(0.25 / runs)


def test_a_stratum_that_is_known_from_its_first_person_on_hides_the_shift_into_it() -> None:
    """The trap: with strata that become known as they come, a third of all newcomers of one new language are one event."""
    rng = np.random.default_rng(6)
    runs, looks, each = 100, 200, 10
    growing, frozen = 0, 0
    for _ in range(runs):
        unknown = rng.binomial(each, 1 / 3, looks)
        first = np.zeros(looks, np.int64)
        first[int(np.argmax(unknown > 0))] = 1
        growing += sounded(np.full(looks, each), first, 5.0, YEAR) <= looks
        frozen += sounded(np.full(looks, each), unknown, 5.0, YEAR) <= looks
    assert (growing, frozen) == (0, runs)


def test_a_fixed_test_looked_at_every_hour_sounds_for_nothing_far_oftener() -> None:
    """The trap: a one-sided level of 1 % on all newcomers so far, asked at each look, as dashboards do."""
    rng = np.random.default_rng(7)
    runs, looks, each = 300, 720, 5
    dashboards, ours = 0, 0
    for _ in range(runs):
        came = np.full(looks, each)
        unknown = rng.binomial(came, SHARE)
        n, k = np.cumsum(came), np.cumsum(unknown)
        dashboards += bool(np.any((k - n * SHARE) / np.sqrt(n * SHARE * (1 - SHARE)) > 2.326))
        ours += sounded(came, unknown, 5.0, YEAR) <= looks
    assert dashboards / runs >= 0.1
    assert ours / runs <= looks / YEAR + 3 * math.sqrt(looks / YEAR / runs)
