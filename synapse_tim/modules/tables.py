"""Tables in Synapse's own database: making them, and writing to them one after the other."""

from __future__ import annotations

from collections.abc import Iterable

from synapse.module_api import LoggingTransaction, ModuleApi


async def create_tables(api: ModuleApi, statements: Iterable[str], description: str) -> None:
    """Create what is missing; for one process only.

    Args:
        api: Synapse's module API.
        statements: each with ``IF NOT EXISTS``.
        description: of the transaction, for Synapse's log and metrics.
    """

    def create(txn: LoggingTransaction) -> None:
        for statement in statements:
            txn.execute(statement)

    await api.run_db_interaction(description, create)


def lock_table(txn: LoggingTransaction, table: str) -> None:
    """Let other transactions that write to a table wait until this one ends; those that read do not.

    Has to be the first statement, so that all others see what those before this one have written. For
    PostgreSQL: on SQLite there is one connection only, and nobody to wait for.

    Args:
        txn: the transaction.
        table: its name.
    """
    txn.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
