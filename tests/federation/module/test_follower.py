"""What a process says that cannot read the list: nothing alarming at the first start, unless it lasts."""

import logging
from unittest.mock import AsyncMock, Mock

import pytest

from synapse_tim.federation import follower as list_follower
from synapse_tim.federation.follower import ListFollower
from synapse_tim.federation.stored_list import StoredList


class UndefinedError(Exception):
    pgcode = "42P01"


class UnreachableError(Exception):
    pgcode = None


@pytest.fixture
def stored():
    stored = Mock(spec=StoredList)
    stored.read_acceptance = AsyncMock(return_value=None)
    return stored


@pytest.fixture
def clock(monkeypatch):
    clock = Mock(return_value=1000.0)
    monkeypatch.setattr(list_follower.time, "monotonic", clock)
    return clock


def read(api, stored, clock, run, error, *, after):
    """What is logged about an error so long after the start."""
    stored.read_acceptance.side_effect = error
    follower = ListFollower(api, Mock(), stored, AsyncMock())
    follower.start()
    clock.return_value += after
    (_, first) = api.delayed_background_call.mock_calls[-1].args
    run(first())


@pytest.mark.parametrize(
    ("error", "after", "warns"),
    [
        (UndefinedError(), 1, False),
        (UndefinedError(), 119, False),
        (UndefinedError(), 121, True),
        (UnreachableError(), 1, True),
        (RuntimeError(), 1, True),
    ],
)
def test_tables_that_are_not_there_yet_are_a_warning_only_if_it_lasts(
    api, stored, clock, run, caplog, error, after, warns
):
    with caplog.at_level(logging.INFO):
        read(api, stored, clock, run, error, after=after)
    levels = {record.levelno for record in caplog.records}
    assert levels == ({logging.WARNING} if warns else {logging.INFO})
