"""Tables in Synapse's own database: making them, and writing to them one after the other."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from synapse.logging.context import PreserveLoggingContext
from synapse.module_api import LoggingTransaction, ModuleApi, make_deferred_yieldable
from twisted.internet.defer import DeferredLock

from synapse_tim.adapter.shape import Touches

Touches("database").calls(
    "synapse.logging.context.PreserveLoggingContext", "whoever waits goes on with their own context"
)
_T = TypeVar("_T")
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


async def execute(
    api: ModuleApi, description: str, statement: str, parameters: Sequence[object] = ()
) -> None:
    """Run one statement in a transaction of its own."""

    def run(txn: LoggingTransaction) -> None:
        txn.execute(statement, tuple(parameters))

    await api.run_db_interaction(description, run)


def is_missing_table(error: BaseException) -> bool:
    """Whether a statement failed because a table does not exist; PostgreSQL only, which workers need."""
    return getattr(error, "pgcode", None) == _UNDEFINED_TABLE


def lock_table(txn: LoggingTransaction, table: str) -> None:
    """Let other transactions that write to a table wait until this one ends; those that read do not.

    Has to be the first statement, so that all others see what those before this one have written. For
    PostgreSQL: on SQLite there is one connection only, and nothing to wait for.
    """
    txn.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")


class SerialWrites:
    """Writes to a table one after the other, in all processes, so that each sees the rows of the others.

    In this process they wait here, not at the database, whose connections are few.

    Args:
        postgresql: whether the database is PostgreSQL; otherwise it is SQLite.
    """

    def __init__(self, api: ModuleApi, table: str, *, postgresql: bool) -> None:
        self._api = api
        self._table = table
        self._postgresql = postgresql
        self._lock = DeferredLock()

    async def run(self, description: str, write: Callable[[LoggingTransaction], _T]) -> _T:
        """Run a transaction that writes, while no other one does."""

        def locked(txn: LoggingTransaction) -> _T:
            if self._postgresql:
                lock_table(txn, self._table)
            return write(txn)

        await make_deferred_yieldable(self._lock.acquire())
        try:
            return await self._api.run_db_interaction(description, locked)
        finally:
            with PreserveLoggingContext():
                self._lock.release()
