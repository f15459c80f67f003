"""R6.4: after failures the directory is left alone, longer and longer."""

import pytest

from synapse_tim.directory.circuit_breaker import CircuitBreaker, State


@pytest.fixture
def changes():
    return []


@pytest.fixture
def breaker(changes):
    return CircuitBreaker(changes.append)


def length(breaker, now):
    """How many seconds nobody may ask."""
    seconds = 0
    while breaker.enter(now + seconds) is State.OPEN:
        seconds += 1
    return seconds


def test_r6_4_the_pause_grows_from_the_third_failure_up_to_five_minutes(breaker):
    now, pauses = 0.0, []
    assert breaker.enter(now) is State.CLOSED
    for _ in range(10):
        breaker.failed(now, now)
        pauses.append(length(breaker, now))
        now += pauses[-1]
    assert pauses == [5, 5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_one_look_up_tries_after_the_pause(breaker, changes):
    breaker.failed(0, 0)
    assert breaker.enter(4.9) is State.OPEN
    assert breaker.enter(5) is State.HALF_OPEN
    assert [breaker.enter(5), breaker.enter(100)] == [State.OPEN, State.OPEN]
    breaker.succeeded()
    assert [breaker.enter(101), breaker.enter(101)] == [State.CLOSED, State.CLOSED]
    assert changes == [True, False]


def test_a_try_that_shows_nothing_lets_another_one_try(breaker):
    breaker.failed(0, 0)
    assert breaker.enter(5) is State.HALF_OPEN
    breaker.undecided(State.CLOSED)
    assert breaker.enter(5) is State.OPEN
    breaker.undecided(State.HALF_OPEN)
    assert breaker.enter(5) is State.HALF_OPEN


def test_failures_at_the_same_time_are_one(breaker):
    for _ in range(20):
        breaker.failed(began=0, now=30)
    assert length(breaker, 30) == 5


def test_a_directory_that_wants_to_be_left_alone_is_left_alone_for_five_minutes_at_most(breaker):
    breaker.failed(0, 0, at_least=60)
    assert length(breaker, 0) == 60
    breaker.failed(60, 60, at_least=10**9)
    assert length(breaker, 60) == 300


def test_an_answer_makes_the_next_pause_short_again(breaker, changes):
    for now in (0, 1000, 2000, 3000):
        breaker.failed(now, now)
    breaker.succeeded()
    breaker.failed(4000, 4000)
    assert length(breaker, 4000) == 5
    assert changes == [True, False, True]
