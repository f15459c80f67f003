"""Tables in Synapse's own database: making them, and writing to them one after the other."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Final

from synapse.logging.context import PreserveLoggingContext
from synapse.module_api import LoggingTransaction, ModuleApi, make_deferred_yieldable
from twisted.internet.defer import DeferredLock

from synapse_tim.adapter.shape import Touches

Touches("database").calls(
    "synapse.logging.context.PreserveLoggingContext", "whoever waits goes on with their own context"
)
_UNDEFINED_TABLE: Final = "42P01"


async def create_tables(api: ModuleApi, statements: Iterable[str], description: str) -> None:
    """Create what is missing; for one process only.

    Args:
        statements: each with ``IF NOT EXISTS``.
        description: of the transaction, for Synapse's log and metrics.
    """

    def create(txn: LoggingTransaction) -> None:
        for statement in statements:
            txn.execute(statement)

    await api.run_db_interaction(description, create)


def is_missing_table(error: BaseException) -> bool:
    """Whether a statement failed because a table does not exist; PostgreSQL only, which workers need."""
    return getattr(error, "pgcode", None) == _UNDEFINED_TABLE


def lock_table(txn: LoggingTransaction, table: str) -> None:
    """Let other transactions that write to a table wait until this one ends; those that read do not.

    Has to be the first statement, so that all others see what those before this one have written. For
    PostgreSQL: on SQLite there is one connection only, and nobody to wait for.
    """
    txn.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")


class Queue:
    """Lets those who write wait here for each other, not at the database, whose connections are few."""

    def __init__(self) -> None:
        self._lock = DeferredLock()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until nobody else of this process has a turn."""
        await make_deferred_yieldable(self._lock.acquire())
        try:
            yield
        finally:
            with PreserveLoggingContext():
                self._lock.release()
