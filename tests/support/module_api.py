"""Synapse's module API without a Synapse: proves the wiring, never a rule."""

import asyncio
import sqlite3
from unittest.mock import AsyncMock, Mock

import pytest
from synapse.module_api import ModuleApi


class Transaction:
    """A cursor as Synapse's transactions look."""

    def __init__(self, cursor):
        self._cursor = cursor

    def execute(self, sql, args=()):
        assert not any(isinstance(arg, bytes) for arg in args), "Synapse refuses bytes on PostgreSQL"
        self._cursor.execute(sql, args)

    @property
    def rowcount(self):
        return self._cursor.rowcount

    def fetchone(self):
        return self._cursor.fetchone()

    def fetchall(self):
        return self._cursor.fetchall()


@pytest.fixture
def database():
    with sqlite3.connect(":memory:") as connection:
        yield connection


@pytest.fixture
def api(database):
    """A ``ModuleApi`` that runs everything at once, in this thread."""
    api = Mock(spec=ModuleApi)
    api.server_name = "hospital.example"

    async def run_db_interaction(desc, function, *args):
        with database:
            return function(Transaction(database.cursor()), *args)

    async def defer_to_thread(function, *args):
        return function(*args)

    api.run_db_interaction = run_db_interaction
    api.defer_to_thread = defer_to_thread
    api.sleep = AsyncMock()
    return api


@pytest.fixture
def run():
    return lambda coroutine: asyncio.run(coroutine)
