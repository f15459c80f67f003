"""When the source is asked; time is a number here."""

import random

import pytest

from synapse_tim.federation.schedule import RefreshSchedule, Throttle, UnknownDomains


@pytest.fixture
def schedule():
    return RefreshSchedule(3600, random.Random(7))


def test_the_first_request_is_due_at_once(schedule):
    assert schedule.due(0)


def test_after_a_success_the_interval_is_kept_a_little_early(schedule):
    schedule.succeeded(-1800)
    schedule.succeeded(0)
    assert not schedule.due(3600 * 0.89)
    assert schedule.due(3600)


def due_at(schedule, start=0):
    """The second in which a request becomes due."""
    return next(now for now in range(start, start + 3601) if schedule.due(now))


def most_in_a_minute(times):
    return max(sum(start <= other < start + 60 for other in times) for start in times)


def test_servers_that_are_started_together_ask_at_different_times():
    """200 servers on one host, an hour between requests: never more than a few in a minute."""
    schedules, times = [RefreshSchedule(3600, random.Random(seed)) for seed in range(200)], [0] * 200
    for _ in range(4):
        for schedule, now in zip(schedules, times, strict=True):
            schedule.succeeded(now)
        before, times = times, [due_at(*each) for each in zip(schedules, times, strict=True)]
        assert most_in_a_minute(times) <= 20
        assert all(1800 <= now - then <= 3600 for then, now in zip(before, times, strict=True))


def test_servers_that_have_a_list_ask_within_half_a_minute_of_their_start():
    times = []
    for seed in range(200):
        schedule = RefreshSchedule(3600, random.Random(seed))
        schedule.restored(0)
        times.append(due_at(schedule))
    assert set(range(1, 30)) <= set(times) <= set(range(31))
    assert max(times.count(second) for second in times) <= 20
    short = RefreshSchedule(1, random.Random(7))
    short.restored(0)
    assert short.due(0.1)


def test_after_failures_it_is_asked_ever_less_often_up_to_five_minutes(schedule):
    now, delays = 0.0, []
    for _ in range(12):
        schedule.failed(now)
        start = now
        while not schedule.due(now):
            now += 1
        delays.append(now - start)
    assert 12 <= delays[0] <= 18
    assert delays[0] < delays[2] < delays[4]
    assert all(250 <= delay <= 335 for delay in delays[6:])
    schedule.succeeded(now)
    schedule.failed(now)
    assert not schedule.due(now + 12)
    assert schedule.due(now + 18)


def test_a_short_interval_is_not_lengthened_by_failures():
    schedule = RefreshSchedule(2, random.Random(7))
    for _ in range(5):
        schedule.failed(0)
    assert schedule.due(2.3)


def test_a_25537_requests_out_of_turn_are_a_minute_apart_and_none_is_lost(schedule):
    schedule.succeeded(0)
    schedule.force(1)
    assert schedule.due(1)
    assert not schedule.due(1)
    schedule.force(2)
    schedule.force(3)
    assert not schedule.due(60)
    assert schedule.due(61)
    assert not schedule.due(200)


def test_throttle_without_a_wish_has_no_turn():
    throttle = Throttle(60)
    assert not throttle.take(1000)
    throttle.ask(1000)
    assert throttle.take(1000)
    assert not throttle.take(2000)


def test_an_unknown_domain_is_asked_about_once_per_lifetime():
    now = [0]
    unknown = UnknownDomains(lifetime=100, capacity=3, monotonic=lambda: now[0])
    assert unknown.is_new("a.example")
    now[0] = 99
    assert not unknown.is_new("a.example")
    now[0] = 100
    assert unknown.is_new("a.example")


def test_random_names_do_not_fill_the_memory():
    unknown = UnknownDomains(lifetime=100, capacity=3, monotonic=lambda: 0)
    for name in "abcd":
        assert unknown.is_new(name)
    assert not unknown.is_new("d")
    assert unknown.is_new("a")
    assert len(unknown._seen) == 3
