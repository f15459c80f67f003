"""Leader and follower: in force at once, verified afterwards, and what happens when that fails."""

import datetime as dt
from unittest.mock import AsyncMock, Mock

import attrs
import pytest

from synapse_tim.adapter.allow_list import AllowList
from synapse_tim.federation.acceptance import ListState, OnStale
from synapse_tim.federation.enforcement import ListInForce, StalenessPolicy
from synapse_tim.federation.follower import ListFollower
from synapse_tim.federation.leader import ListLeader
from synapse_tim.federation.refusals import ListRefusedError, Refusal
from synapse_tim.federation.stored_list import StoredList
from synapse_tim.federation.updater import Update, Updater
from tests.federation.module.test_enforcement import NOW, state

FIRST, SECOND = state(1, "a.example", "evil.example"), state(2, "a.example")


@pytest.fixture
def allow_list():
    return AllowList(lambda _: None)


@pytest.fixture
def in_force(api, allow_list):
    policy = StalenessPolicy(dt.timedelta(hours=72), OnStale.DENY)
    return ListInForce(api, allow_list, policy, product_is_insurance=False, clock=lambda: NOW)


@pytest.fixture
def stored():
    stored = Mock(spec=StoredList)
    stored.read_acceptance = AsyncMock(return_value=FIRST.remembered)
    stored.compiled = AsyncMock(return_value=FIRST)
    stored.verified = AsyncMock(return_value=FIRST)
    stored.contradiction = AsyncMock(return_value=None)
    stored.write = AsyncMock(return_value=True)
    return stored


class Follower:
    """One whose background calls the test makes."""

    def __init__(self, api, in_force, stored, run):
        self.api, self.run = api, run
        self.follower = ListFollower(api, in_force, stored, AsyncMock())
        self.follower.start()
        self.read = api.delayed_background_call.mock_calls[-1].args[1]
        api.delayed_background_call.reset_mock()

    def follow(self):
        self.run(self.read())

    def later(self):
        """Make what was put off; the milliseconds for which it was."""
        milliseconds, call, *args = self.api.delayed_background_call.mock_calls[-1].args
        self.api.delayed_background_call.reset_mock()
        self.run(call(*args))
        return milliseconds

    @property
    def puts_off(self):
        return self.api.delayed_background_call.called


@pytest.fixture
def follower(api, in_force, stored, run):
    return Follower(api, in_force, stored, run)


def test_a_follower_has_the_list_in_force_before_it_is_verified_again(follower, stored, allow_list):
    follower.follow()
    assert set(allow_list) == {"a.example", "evil.example"}
    stored.contradiction.assert_not_called()
    follower.later()
    stored.contradiction.assert_awaited_once_with(FIRST)
    assert set(allow_list) == {"a.example", "evil.example"}
    assert not follower.puts_off


def test_without_a_compiled_list_the_signed_one_is_read(follower, stored, allow_list):
    stored.compiled.return_value = None
    follower.follow()
    assert set(allow_list) == {"a.example", "evil.example"}
    assert not follower.puts_off


def test_a_contradiction_denies_and_is_not_believed_again(follower, stored, allow_list):
    follower.follow()
    stored.contradiction.return_value = ListState(FIRST.remembered)
    follower.later()
    assert not allow_list
    # The source confirms the list that the others have.
    stored.read_acceptance.return_value = FIRST.remembered.confirmed(NOW + dt.timedelta(hours=1))
    stored.compiled.reset_mock()
    stored.verified.return_value = ListState(stored.read_acceptance.return_value)
    follower.follow()
    stored.compiled.assert_not_called()
    assert not allow_list
    # What is right again is used again, and so is another list.
    stored.read_acceptance.return_value = FIRST.remembered.confirmed(NOW + dt.timedelta(hours=2))
    stored.verified.return_value = FIRST
    follower.follow()
    assert set(allow_list) == {"a.example", "evil.example"}
    stored.read_acceptance.return_value, stored.compiled.return_value = SECOND.remembered, SECOND
    follower.follow()
    assert set(allow_list) == {"a.example"}


def test_where_both_contradict_each_other_the_signed_list_counts(follower, stored, allow_list):
    follower.follow()
    signed = state(1, "a.example")
    stored.contradiction.return_value = signed
    follower.later()
    assert set(allow_list) == {"a.example"}


def test_a_list_that_came_meanwhile_stays(follower, stored, allow_list):
    """The verification of the first one ends when the second is in force."""
    follower.follow()

    async def comes(_):
        stored.read_acceptance.return_value, stored.compiled.return_value = SECOND.remembered, SECOND
        await follower.read()
        return ListState(FIRST.remembered)

    stored.contradiction.side_effect = comes
    _, call, *args = follower.api.delayed_background_call.mock_calls[-1].args
    follower.run(call(*args))
    assert set(allow_list) == {"a.example"}
    stored.contradiction.reset_mock(side_effect=True)
    follower.run(call(*args))  # nor is the first one verified any more
    stored.contradiction.assert_not_called()


@pytest.mark.parametrize(
    "error",
    [ListRefusedError(Refusal.READER_TOO_SLOW), ListRefusedError(Refusal.READER_FAILED), RuntimeError()],
)
def test_a_verification_that_fails_is_made_up_for(follower, stored, allow_list, error):
    follower.follow()
    stored.contradiction.side_effect = error
    follower.later()
    assert set(allow_list) == {"a.example", "evil.example"}
    stored.contradiction.side_effect = None
    stored.contradiction.return_value = ListState(FIRST.remembered)
    assert follower.later() >= 60_000
    assert not allow_list


def test_an_older_list_is_never_taken(follower, stored, allow_list):
    stored.read_acceptance.return_value, stored.compiled.return_value = SECOND.remembered, SECOND
    follower.follow()
    stored.read_acceptance.return_value, stored.compiled.return_value = FIRST.remembered, FIRST
    follower.follow()
    assert set(allow_list) == {"a.example"}


def test_large_lists_are_verified_by_the_processes_at_different_times(follower, stored):
    content = Mock(domains=range(500_000))
    large = ListState(FIRST.remembered, attrs.evolve(FIRST.in_force, content=content))
    delays = []
    for _ in range(20):
        follower.follower._verify_later(large)
        delays.append(follower.api.delayed_background_call.mock_calls[-1].args[0])
    assert all(0 <= delay <= 30_000 for delay in delays)
    assert max(delays) - min(delays) > 1000


class Threads:
    async def run(self, function, *args):
        return function(*args)


@pytest.fixture
def leader(api, in_force, stored, run):
    """One that is started, and whose source confirms what is in force."""

    class Source:
        def __init__(self):
            self.asked = []

        def refresh(self, before):
            self.asked.append(before)
            if before.in_force is None:
                return Update(SECOND, packed=b"packed")
            return Update(ListState(before.remembered.confirmed(NOW), before.in_force))

    source, signals = Source(), AsyncMock()
    schedule = Mock(due=Mock(return_value=True))
    updater = Mock(spec=Updater, refresh=source.refresh)
    leader = ListLeader(api, in_force, stored, signals, updater, Threads(), schedule)
    leader.start()
    tick = api.looping_background_call.mock_calls[-1].args[0]
    return Mock(tick=lambda: run(tick()), asked=source.asked, signals=signals, schedule=schedule)


def test_a_leader_has_the_stored_list_in_force_and_verifies_it_before_it_asks(leader, stored, allow_list):
    async def look(_):
        assert set(allow_list) == {"a.example", "evil.example"}
        assert not leader.asked

    stored.contradiction.side_effect = look
    leader.tick()
    leader.tick()
    assert [before.in_force for before in leader.asked] == [FIRST.in_force]
    stored.write_compiled.assert_not_called()


def test_a_leader_compiles_the_list_of_an_older_release_for_the_others(leader, stored, allow_list):
    stored.compiled.return_value = None
    leader.tick()
    stored.write_compiled.assert_awaited_once_with(FIRST.in_force)
    leader.signals.tell_list_stored.assert_awaited()
    assert set(allow_list) == {"a.example", "evil.example"}


def test_a_leader_repairs_what_contradicts_the_signed_list(leader, stored, allow_list):
    signed = state(1, "a.example")
    stored.contradiction.return_value = signed
    leader.tick()
    stored.write_compiled.assert_awaited_once_with(signed.in_force)
    assert set(allow_list) == {"a.example"}


def test_a_leader_whose_signed_list_does_not_verify_fetches_it_anew(leader, stored, allow_list):
    stored.contradiction.return_value = ListState(FIRST.remembered)
    leader.tick()
    assert [before.in_force for before in leader.asked] == [None]
    assert set(allow_list) == {"a.example"}
    stored.write.assert_awaited_once()


def test_a_leader_whose_reader_dies_goes_on_with_what_it_has(leader, stored, allow_list):
    stored.contradiction.side_effect = ListRefusedError(Refusal.READER_OUT_OF_MEMORY)
    leader.tick()
    assert set(allow_list) == {"a.example", "evil.example"}
    leader.tick()
    assert len(leader.asked) == 1


def test_what_could_not_be_stored_is_not_in_force(leader, stored, allow_list):
    stored.compiled.return_value = None
    stored.verified.return_value = ListState()
    stored.write.side_effect = RuntimeError("no database")
    leader.tick()
    assert not allow_list
    leader.schedule.failed.assert_called_once()
    leader.signals.tell_list_stored.assert_not_called()
