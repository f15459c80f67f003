"""The table of clients' reports."""

import datetime as dt
from unittest.mock import Mock

import pytest
from synapse.module_api import LoggingTransaction

from synapse_tim.adapter import database as tables
from synapse_tim.information.client_report import Label
from synapse_tim.information.client_report_store import KEPT, MAX_ROWS, ClientReportStore

DAY = dt.date(2026, 3, 23)
A, B = (Label("sent", f"de.x.{name}", "v1") for name in "ab")


@pytest.fixture
def store(api, run):
    store = ClientReportStore(api, postgresql=False)
    run(store.create_tables())
    run(store.create_tables())
    return store


def rows(database):
    return database.execute("SELECT * FROM synapse_tim_client_reports ORDER BY 1, 2, 3, 4").fetchall()


def test_events_of_a_day_are_added_up(store, run, database):
    assert run(store.add(DAY, {A: 2})) == {A: 2}
    run(store.add(DAY, {A: 3, B: 1}))
    run(store.add(DAY + dt.timedelta(days=1), {A: 7}))
    assert rows(database) == [
        ("2026-03-23", "sent", "de.x.a", "v1", 5),
        ("2026-03-23", "sent", "de.x.b", "v1", 1),
        ("2026-03-24", "sent", "de.x.a", "v1", 7),
    ]


def test_a_day_has_no_more_rows_than_it_may(store, run, database):
    many = {Label("sent", f"de.many.p{n:03}", "v1"): 1 for n in range(MAX_ROWS + 5)}
    for labels in (list(many)[:50], list(many)[50:]):
        run(store.add(DAY, dict.fromkeys(labels, 1)))
    stored = rows(database)
    assert len(stored) == MAX_ROWS + 1
    assert ("2026-03-23", "sent", "other", "other", 5) in stored
    assert run(store.add(DAY, {A: 4})) == {A.as_other: 4}
    assert run(store.add(DAY + dt.timedelta(days=1), {A: 4})) == {A: 4}


def test_old_days_are_forgotten(store, run, database):
    for day in (DAY, DAY - KEPT, DAY - KEPT - dt.timedelta(days=1)):
        run(store.add(day, {A: 1}))
    run(store.forget(DAY))
    assert [row[0] for row in rows(database)] == [str(DAY - KEPT), str(DAY)]


@pytest.mark.parametrize("postgresql", [False, True])
def test_only_on_postgresql_there_is_anybody_to_wait_for(api, run, monkeypatch, postgresql):
    locked = []
    monkeypatch.setattr(tables, "lock_table", lambda txn, table: locked.append(table))
    store = ClientReportStore(api, postgresql=postgresql)
    run(store.create_tables())
    run(store.add(DAY, {A: 1}))
    assert locked == ["synapse_tim_client_reports"] * postgresql


def test_others_wait_that_write():
    transaction = Mock(spec=LoggingTransaction)
    tables.lock_table(transaction, "t")
    transaction.execute.assert_called_once_with("LOCK TABLE t IN SHARE ROW EXCLUSIVE MODE")
