"""Which workers live, told by their heartbeats and the looking process's own time."""

import pytest

from helpers.ask import ask
from jobsync.base import clock
from jobsync.lifecycle import workers
from jobsync.store.workers import STALE, Heartbeats

HOUR = 3_600_000  # ms


class Watch:
    """Heartbeats with a clock set by hand."""

    def __init__(self):
        self.moment = 1000.0
        self.heartbeats = Heartbeats(lambda: self.moment)

    def look(self, seconds=0.0, **how):
        self.moment += seconds
        return ask(self.heartbeats.look, **how)


@pytest.fixture
def watch(hand):
    workers.register("w1", 123)
    return Watch()


def test_a_worker_lives_while_its_heart_beats_and_until_it_was_released(watch):
    assert watch.look() == 1
    for _ in range(3):
        workers.beat("w1")
        assert watch.look(STALE - 1) == 1
    workers.release("w1", "the worker was killed")
    assert watch.look() == 0


def test_a_worker_whose_heart_stands_still_is_no_live_one_and_is_one_again_when_it_beats(watch):
    watch.look()
    assert watch.look(STALE + 1) == 0
    assert watch.heartbeats.silence("w1") == STALE + 1
    workers.beat("w1")
    assert watch.look(1) == 1
    assert watch.heartbeats.silence("w1") == 0


def test_one_that_has_not_been_seen_is_not_silent(watch):
    assert watch.heartbeats.silence("nobody") == 0


def test_who_had_no_way_of_saying_that_he_lives_is_excused(watch):
    watch.look()
    watch.look(2 * STALE, excuse=True)
    assert watch.look(STALE - 1) == 1


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_a_jump_of_the_wall_clock_makes_no_living_worker_dead_and_no_dead_one_alive(
    watch, monkeypatch, jump
):
    watch.look()
    present = clock.time.time_ns
    monkeypatch.setattr(clock.time, "time_ns", lambda: present() + jump * 1_000_000)
    assert watch.look(1) == 1
    workers.beat("w1")
    assert watch.look(1) == 1
    assert watch.look(STALE + 1) == 0


@pytest.mark.parametrize("age", [-HOUR, HOUR])
def test_one_that_seems_to_have_died_long_ago_is_no_live_one_until_its_heart_beats(
    watch, monkeypatch, age
):
    present = clock.time.time_ns
    monkeypatch.setattr(clock.time, "time_ns", lambda: present() + age * 1_000_000)
    assert watch.look() == 0
    assert watch.heartbeats.silence("w1") == 0, "nor is it one to be killed at once"
    workers.beat("w1")
    assert watch.look(1) == 1
