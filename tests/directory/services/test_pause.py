"""R6.4: after failures the directory is left alone, longer and longer."""

import pytest

from synapse_tim.directory.pause import DirectoryPause, Entry


@pytest.fixture
def changes():
    return []


@pytest.fixture
def pause(changes):
    return DirectoryPause(changes.append)


def length(pause, now):
    """How many seconds nobody may ask."""
    seconds = 0
    while pause.enter(now + seconds) is Entry.PAUSED:
        seconds += 1
    return seconds


def test_r6_4_the_pause_grows_from_the_third_failure_up_to_five_minutes(pause):
    now, pauses = 0.0, []
    assert pause.enter(now) is Entry.OPEN
    for _ in range(10):
        pause.failed(now, now)
        pauses.append(length(pause, now))
        now += pauses[-1]
    assert pauses == [5, 5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_one_look_up_tries_after_the_pause(pause, changes):
    pause.failed(0, 0)
    assert pause.enter(4.9) is Entry.PAUSED
    assert pause.enter(5) is Entry.PROBE
    assert [pause.enter(5), pause.enter(100)] == [Entry.PAUSED, Entry.PAUSED]
    pause.answered()
    assert [pause.enter(101), pause.enter(101)] == [Entry.OPEN, Entry.OPEN]
    assert changes == [True, False]


def test_a_try_that_shows_nothing_lets_another_one_try(pause):
    pause.failed(0, 0)
    assert pause.enter(5) is Entry.PROBE
    pause.undecided(Entry.OPEN)
    assert pause.enter(5) is Entry.PAUSED
    pause.undecided(Entry.PROBE)
    assert pause.enter(5) is Entry.PROBE


def test_failures_at_the_same_time_are_one(pause):
    for _ in range(20):
        pause.failed(began=0, now=30)
    assert length(pause, 30) == 5


def test_a_directory_that_wants_to_be_left_alone_is_left_alone_for_five_minutes_at_most(pause):
    pause.failed(0, 0, at_least=60)
    assert length(pause, 0) == 60
    pause.failed(60, 60, at_least=10**9)
    assert length(pause, 60) == 300


def test_an_answer_makes_the_next_pause_short_again(pause, changes):
    for now in (0, 1000, 2000, 3000):
        pause.failed(now, now)
    pause.answered()
    pause.failed(4000, 4000)
    assert length(pause, 4000) == 5
    assert changes == [True, False, True]
