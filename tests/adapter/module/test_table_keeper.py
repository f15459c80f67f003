"""Tables are made by one process, and a database that does not answer is asked again."""

import logging
from unittest.mock import AsyncMock, call

import pytest

from synapse_tim.adapter.table_keeper import TableKeeper


@pytest.fixture
def create():
    return AsyncMock()


@pytest.fixture
def tidy():
    return AsyncMock()


@pytest.fixture
def keeper(api, create, tidy):
    api.should_run_background_tasks.return_value = True
    return TableKeeper(api, "things", create, tidy, interval=7)


def test_one_process_begins_at_once_and_goes_on(api, keeper):
    keeper.start()
    assert api.delayed_background_call.mock_calls == [call(0, keeper.keep, desc="synapse_tim_things_tables")]
    assert api.looping_background_call.mock_calls == [call(keeper.keep, 7, desc="synapse_tim_things_tidy")]


def test_other_processes_do_not(api, keeper):
    api.should_run_background_tasks.return_value = False
    keeper.start()
    api.delayed_background_call.assert_not_called()
    api.looping_background_call.assert_not_called()


def test_tables_are_made_once_and_tidied_up_each_time(run, keeper, create, tidy):
    run(keeper.keep())
    run(keeper.keep())
    assert (create.await_count, tidy.await_count) == (1, 2)


def test_tables_that_were_not_made_are_made_a_while_later(api, run, keeper, create, tidy, caplog):
    create.side_effect = [RuntimeError("a secret"), None]
    with caplog.at_level(logging.ERROR):
        run(keeper.keep())
    assert "The tables of things were not made: RuntimeError" in caplog.text
    assert "secret" not in caplog.text
    tidy.assert_not_awaited()
    (again,) = api.delayed_background_call.mock_calls
    assert again.args[0] > 0
    run(again.args[1]())
    assert (create.await_count, tidy.await_count) == (2, 1)


def test_what_could_not_be_tidied_up_is_the_next_time(run, keeper, tidy, caplog):
    tidy.side_effect = [RuntimeError, None]
    run(keeper.keep())
    assert "The tables of things were not tidied up: RuntimeError" in caplog.text
    run(keeper.keep())
    assert tidy.await_count == 2
